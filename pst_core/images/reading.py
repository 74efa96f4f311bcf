"""Photographs and semantic maps, in: upright, in sRGB, as floating point; maps as the codes they are."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pst_core.errors import ImageError
from pst_core.images import transparency
from pst_core.images.decoding import decode, open_header
from pst_core.images.limits import HashedFile, ImageLimits, read_hashed
from pst_core.images.orientations import orientation_of, upright
from pst_core.images.profiles import Samples, to_srgb
from pst_core.images.rasters import Picture, Raster
from pst_core.images.stored import NOTHING_STORED, Stored, find_stored


@dataclass(frozen=True, eq=False)
class Photograph:
    """A photograph as it was taken, upright and in sRGB.

    Attributes
    ----------
    pixels
        Shape (3, H, W), float32, sRGB in [0, 1], contiguous. Colours under a transparent alpha are kept;
        nothing may be computed from them, see `filled` and `counted`.
    alpha
        Shape (H, W), float32 in [0, 1], somewhere above 0; None where every pixel is opaque.
    sha256
        Of exactly the bytes that were decoded, in hexadecimal.
    path
        Where they were read.
    bit_depth
        8 or 16: bits a channel in the file that survived into `pixels`.
    stored
        What its file says about it besides, for a restyled copy.
    notes
        What was converted or is odd, as plain sentences.
    turn
        The EXIF orientation by which `pixels` were turned upright; 1 where they lie as stored.
    """

    pixels: NDArray[np.float32]
    alpha: NDArray[np.float32] | None
    sha256: str
    path: Path
    bit_depth: int
    stored: Stored = NOTHING_STORED
    notes: tuple[str, ...] = ()
    turn: int = 1

    @cached_property
    def filled(self) -> NDArray[np.float32]:
        """What is worked on: `pixels`, with the colours of their surroundings where they are invisible."""
        return transparency.fill(self.pixels, self.alpha)

    @cached_property
    def counted(self) -> NDArray[np.bool_] | None:
        """Which pixels count, shape (H, W); None where all do."""
        return transparency.counted(self.alpha)

    @property
    def on_white(self) -> NDArray[np.float32]:
        """What is shown where there is no transparency, shape (3, H, W)."""
        return transparency.on_white(self.pixels, self.alpha)

    def with_hidden(self, restyled: NDArray[np.float32]) -> NDArray[np.float32]:
        """A restyled copy, shape (3, H, W), that hides what this photograph hides under full transparency."""
        return restyled if self.alpha is None else np.where(self.alpha > 0, restyled, self.pixels)

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.pixels.shape[1])

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.pixels.shape[2])


@dataclass(frozen=True, eq=False)
class SemanticMap:
    """A picture whose colours are codes: each one names a region.

    Attributes
    ----------
    colors
        Shape (H, W, 3), uint8 or uint16, exactly as stored; no colour profile was applied.
    sha256
        Of exactly the bytes that were decoded, in hexadecimal.
    path
        Where they were read.
    numbers
        Shape (H, W), uint8: of a picture with a palette, each pixel's place in it.
    hole
        Shape (H, W), bool: what is transparent; None where all of it is seen, or nothing.
    lossless
        Whether the file's format keeps every value as it was painted.
    turn
        The EXIF orientation by which all of them were turned upright.
    notes
        What was odd about the file, as plain sentences.
    """

    colors: Samples
    sha256: str
    path: Path
    numbers: NDArray[np.uint8] | None = None
    hole: NDArray[np.bool_] | None = None
    lossless: bool = True
    turn: int = 1
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.colors.shape[0], self.colors.shape[1]

    def turned(self, orientation: int) -> "SemanticMap":
        """The map turned and mirrored as an EXIF orientation demands."""
        return self.rearranged(lambda pixels: np.ascontiguousarray(upright(pixels, orientation)))

    def rearranged(self, move: Callable[[NDArray[Any]], NDArray[Any]]) -> "SemanticMap":
        """The map with its pixels moved: what is said of each goes with it."""
        numbers, hole = (None if each is None else move(each) for each in (self.numbers, self.hole))
        return replace(self, colors=move(self.colors), numbers=numbers, hole=hole)


def read_photograph(
    path: str | os.PathLike[str], limits: ImageLimits | None = None, file: HashedFile | None = None
) -> Photograph:
    """Read a photograph of any format that is accepted; its content decides which, not its name.

    Parameters
    ----------
    path
        A regular file.
    limits
        What the picture may cost; the default is `ImageLimits`'s own.
    file
        What lies there, where it has been read already.

    Returns
    -------
    Photograph
        With EXIF orientation and colour profile applied, and 16 bits kept where the file has them.

    Raises
    ------
    ImageError
        The file cannot be read, is not one whole picture of an accepted kind, or exceeds the limits.
    """
    place, limits = Path(path), limits or ImageLimits()
    with _within_memory(place):
        file = file or read_hashed(place, limits)
        picture = open_header(file.data, place, limits)
        return _photograph(picture, decode(picture, place), file, place)


def read_map(
    path: str | os.PathLike[str], limits: ImageLimits | None = None, file: HashedFile | None = None
) -> SemanticMap:
    """Read a semantic map: gray, palette or RGB, and what is transparent; orientation applied, no profile.

    Parameters
    ----------
    path
        A regular file, of any format that `read_photograph` takes.
    limits
        What the map may cost. `min_side` is not enforced: a map is scaled to its photograph anyway.
    file
        What lies there, where it has been read already.

    Raises
    ------
    ImageError
        As for `read_photograph`.
    """
    place, limits = Path(path), replace(limits or ImageLimits(), min_side=1)
    with _within_memory(place):
        file = file or read_hashed(place, limits)
        picture = open_header(file.data, place, limits)
        raster = decode(picture, place)
        colors, _ = to_srgb(raster.samples, raster.space, None)
        hole, notes = _hole(raster.alpha)
        turn, turn_notes = orientation_of(picture)
        told = (*picture.notes, *raster.notes, *turn_notes, *notes)
        stored = SemanticMap(
            colors, file.sha256, place, raster.numbers, hole, picture.is_lossless, turn, told
        )
        return stored.turned(turn)


def _hole(alpha: Samples | None) -> tuple[NDArray[np.bool_] | None, tuple[str, ...]]:
    """What is more transparent than not, if that tells parts of the map apart."""
    if alpha is None:
        return None, ()
    hole = alpha <= np.iinfo(alpha.dtype).max // 2
    if hole.all():
        return None, ("all of it is transparent: its colours are taken as if it were not",)
    return (hole if hole.any() else None), ()


def _photograph(picture: Picture, raster: Raster, file: HashedFile, path: Path) -> Photograph:
    turn, turn_notes = orientation_of(picture)
    samples, color_notes = to_srgb(raster.samples, raster.space, picture.profile)
    notes = [*picture.notes, *raster.notes, *turn_notes, *color_notes]
    alpha, alpha_notes = _alpha(raster, turn)
    notes += alpha_notes
    pixels = _unit(np.moveaxis(upright(samples, turn), -1, 0))
    stored = find_stored(file.data, picture)
    depth = 8 * samples.dtype.itemsize
    return Photograph(pixels, alpha, file.sha256, path, depth, stored, tuple(notes), turn)


def _alpha(raster: Raster, turn: int) -> tuple[NDArray[np.float32] | None, list[str]]:
    """Return the alpha of a picture that is not opaque, and what there is to say about it."""
    if raster.alpha is None or raster.alpha.min() == np.iinfo(raster.alpha.dtype).max:
        return None, []
    if not raster.alpha.any():
        return None, ["nothing of it is visible (its alpha is 0 everywhere): taken as opaque"]
    alpha = _unit(upright(raster.alpha, turn))
    counted = transparency.counted(alpha)
    if counted is None:
        return alpha, ["alpha channel kept"]
    return alpha, [f"alpha channel kept; {1 - counted.mean():.1%} is transparent and counts for nothing"]


@contextlib.contextmanager
def _within_memory(path: Path) -> Iterator[None]:
    try:
        yield
    except MemoryError as error:
        raise ImageError(
            f"{path} does not fit into memory; close other programs or use a smaller copy."
        ) from error


def _unit(samples: Samples) -> NDArray[np.float32]:
    """Scale integers to float32 in [0, 1], contiguous."""
    scaled = np.ascontiguousarray(samples, np.float32)
    scaled /= np.float32(np.iinfo(samples.dtype).max)
    return scaled
