"""Photographs and semantic maps, in: upright, in sRGB, as floating point; maps as the codes they are."""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFile

from pst_core.errors import ImageError
from pst_core.images.decoding import ImageLimits, Raster, decode, open_header, quiet_pillow, read_file
from pst_core.images.metadata import MAX_EXIF_BYTES, check_directories, clean_exif, orientation
from pst_core.images.profiles import Samples, to_srgb


@dataclass(frozen=True, eq=False)
class Photograph:
    """A photograph as it was taken, upright and in sRGB.

    Attributes
    ----------
    pixels
        Shape (3, H, W), float32, sRGB in [0, 1], contiguous. Colours under a transparent alpha are kept.
    alpha
        Shape (H, W), float32 in [0, 1]; None where every pixel is opaque.
    sha256
        Of exactly the bytes that were decoded, in hexadecimal.
    path
        Where they were read.
    bit_depth
        8 or 16: bits a channel in the file that survived into `pixels`.
    exif
        An EXIF block fit for the restyled copy (no orientation, no thumbnail), or None.
    notes
        What was converted or left out, as plain sentences.
    turn
        The EXIF orientation by which `pixels` were turned upright; 1 where they lie as stored.
    """

    pixels: NDArray[np.float32]
    alpha: NDArray[np.float32] | None
    sha256: str
    path: Path
    bit_depth: int
    exif: bytes | None = None
    notes: tuple[str, ...] = ()
    turn: int = 1

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


def read_photograph(path: str | os.PathLike[str], limits: ImageLimits | None = None) -> Photograph:
    """Read a JPEG, PNG, WebP, TIFF or BMP file; its content decides which, not its name.

    Parameters
    ----------
    path
        A regular file.
    limits
        What the picture may cost; the default is `ImageLimits`'s own.

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
        data = read_file(place, limits)
        image = open_header(data, place, limits)
        return _photograph(image, decode(image, data, place), data, place)


def read_map(path: str | os.PathLike[str], limits: ImageLimits | None = None) -> SemanticMap:
    """Read a semantic map: gray, palette or RGB, and what is transparent; orientation applied, no profile.

    Parameters
    ----------
    path
        A regular file, of any format that `read_photograph` takes.
    limits
        What the map may cost. `min_side` is not enforced: a map is scaled to its photograph anyway.

    Raises
    ------
    ImageError
        As for `read_photograph`.
    """
    place, limits = Path(path), replace(limits or ImageLimits(), min_side=1)
    with _within_memory(place):
        data = read_file(place, limits)
        image = open_header(data, place, limits)
        raster = decode(image, data, place)
        colors, _ = to_srgb(raster.samples, raster.space, None)
        numbers = np.asarray(image) if image.mode == "P" else None
        hole, notes = _hole(raster.alpha)
        turn, sha256 = orientation(_exif_of(image, data)), hashlib.sha256(data).hexdigest()
        stored = SemanticMap(
            colors, sha256, place, numbers, hole, _is_lossless(image, data), turn, (*raster.notes, *notes)
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


def _is_lossless(image: ImageFile.ImageFile, data: bytes) -> bool:
    """Whether the format keeps values: a JPEG's and most WebPs' are only near those that were painted."""
    if image.format == "WEBP":
        return b"VP8L" in _webp_chunks(data)
    if image.format == "TIFF":
        return "jpeg" not in str(image.info.get("compression", "raw"))
    return image.format in ("PNG", "BMP")


def _webp_chunks(data: bytes) -> Iterator[bytes]:
    """Names of a WebP's chunks."""
    place = 12
    while place + 8 <= len(data):
        yield data[place : place + 4]
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        place += 8 + size + size % 2


def _photograph(image: ImageFile.ImageFile, raster: Raster, data: bytes, path: Path) -> Photograph:
    turn = orientation(_exif_of(image, data))
    exif, exif_notes = _clean_exif(image, data)
    samples, color_notes = to_srgb(raster.samples, raster.space, image.info.get("icc_profile"))
    notes = [*raster.notes, *color_notes, *exif_notes]
    alpha = None
    if raster.alpha is not None and raster.alpha.min() < np.iinfo(raster.alpha.dtype).max:
        alpha = _unit(upright(raster.alpha, turn))
        notes.append("alpha channel kept")
    pixels = _unit(np.moveaxis(upright(samples, turn), -1, 0))
    sha256, depth = hashlib.sha256(data).hexdigest(), 8 * samples.dtype.itemsize
    return Photograph(pixels, alpha, sha256, path, depth, exif, tuple(notes), turn)


@contextlib.contextmanager
def _within_memory(path: Path) -> Iterator[None]:
    try:
        yield
    except MemoryError as error:
        raise ImageError(
            f"{path} does not fit into memory; close other programs or use a smaller copy."
        ) from error


def _exif_of(image: ImageFile.ImageFile, data: bytes) -> bytes:
    """Return the EXIF block as a bare TIFF structure; a TIFF file is one itself."""
    block: bytes = data if image.format == "TIFF" else image.info.get("exif", b"")
    return block.removeprefix(b"Exif\0\0")


def _clean_exif(image: ImageFile.ImageFile, data: bytes) -> tuple[bytes | None, list[str]]:
    """Return an EXIF block fit for the restyled copy, and what there is to say about it."""
    block = _exif_of(image, data)
    if not block:
        return None, []
    if len(block) > MAX_EXIF_BYTES and image.format != "TIFF":  # of a TIFF file only a small part is kept
        return None, [f"EXIF of {len(block)} bytes left out: more than {MAX_EXIF_BYTES} bytes"]
    try:
        with quiet_pillow():
            check_directories(block)
            return clean_exif(block), []
    except Exception:  # noqa: BLE001 - Pillow raises nearly everything on broken EXIF, and no picture hangs on it
        return None, ["EXIF left out: it is broken"]


def upright(samples: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn and mirror (H, W) or (H, W, C) as the EXIF orientation demands; a view of the same memory."""
    if orientation >= 5:  # stored lying on its side: rows are columns
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return samples


def _unit(samples: Samples) -> NDArray[np.float32]:
    """Scale integers to float32 in [0, 1], contiguous."""
    scaled = np.ascontiguousarray(samples, np.float32)
    scaled /= np.float32(np.iinfo(samples.dtype).max)
    return scaled
