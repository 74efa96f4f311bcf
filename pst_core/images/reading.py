"""Photographs and semantic maps, in: upright, in sRGB, as floating point; maps as the codes they are."""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

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
    """

    pixels: NDArray[np.float32]
    alpha: NDArray[np.float32] | None
    sha256: str
    path: Path
    bit_depth: int
    exif: bytes | None = None
    notes: tuple[str, ...] = ()

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
        Shape (H, W, 3), uint8, exactly as stored; no colour profile was applied.
    sha256
        Of exactly the bytes that were decoded, in hexadecimal.
    path
        Where they were read.
    """

    colors: NDArray[np.uint8]
    sha256: str
    path: Path


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
    """Read a semantic map: gray, palette or RGB; transparency is ignored, orientation applied, no profile.

    Parameters
    ----------
    path
        A regular file, of any format that `read_photograph` takes.
    limits
        What the map may cost. `min_side` is not enforced: a map is scaled to its photograph anyway.

    Raises
    ------
    ImageError
        As for `read_photograph`, or the map has 16-bit codes that 8 bits cannot hold.
    """
    place, limits = Path(path), replace(limits or ImageLimits(), min_side=1)
    with _within_memory(place):
        data = read_file(place, limits)
        image = open_header(data, place, limits)
        raster = decode(image, data, place)
        colors, _ = to_srgb(raster.samples, raster.space, None)
        upright = _upright(_eight_bit_codes(colors, place), orientation(_exif_of(image, data)))
        return SemanticMap(np.ascontiguousarray(upright), hashlib.sha256(data).hexdigest(), place)


def _photograph(image: ImageFile.ImageFile, raster: Raster, data: bytes, path: Path) -> Photograph:
    turn = orientation(_exif_of(image, data))
    exif, exif_notes = _clean_exif(image, data)
    samples, color_notes = to_srgb(raster.samples, raster.space, image.info.get("icc_profile"))
    notes = [*raster.notes, *color_notes, *exif_notes]
    alpha = None
    if raster.alpha is not None and raster.alpha.min() < np.iinfo(raster.alpha.dtype).max:
        alpha = _unit(_upright(raster.alpha, turn))
        notes.append("alpha channel kept")
    pixels = _unit(np.moveaxis(_upright(samples, turn), -1, 0))
    sha256, depth = hashlib.sha256(data).hexdigest(), 8 * samples.dtype.itemsize
    return Photograph(pixels, alpha, sha256, path, depth, exif, tuple(notes))


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


def _upright(samples: Samples, orientation: int) -> Samples:
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


def _eight_bit_codes(samples: Samples, path: Path) -> NDArray[np.uint8]:
    """Bring codes to 8 bits, or refuse: two 16-bit codes that differ must not become one."""
    if samples.dtype == np.uint8:
        return samples.astype(np.uint8, copy=False)
    narrow = (samples >> 8).astype(np.uint8)
    if (narrow.astype(np.uint16) * 257 != samples).any():
        raise ImageError(f"{path} is a map of 16-bit codes; save it with 8 bits a channel.")
    return narrow
