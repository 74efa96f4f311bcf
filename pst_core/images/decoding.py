"""From a file's bytes to samples: each format's reader, chosen by content, and a sentence for all others."""

import io
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import BmpImagePlugin, ImageFile, WebPImagePlugin

from pst_core.errors import ImageError
from pst_core.images import kinds
from pst_core.images.heif import open_avif, open_heic
from pst_core.images.jpeg import open_jpeg
from pst_core.images.limits import ImageLimits, check_frames, check_size
from pst_core.images.metadata import bare_exif
from pst_core.images.pillow import ACCEPTED, as_image_error, from_pillow
from pst_core.images.png_reading import open_png
from pst_core.images.rasters import Picture, Raster
from pst_core.images.raw import open_raw
from pst_core.images.tiff import is_raw, open_tiff

Reader = Callable[[bytes, Path, ImageLimits], Picture]


def open_header(data: bytes, path: Path, limits: ImageLimits) -> Picture:
    """Parse a picture's header, and refuse what is too large, too small or not one picture.

    Nothing is allocated that depends on the width and height it claims.

    Raises
    ------
    ImageError
        It is no picture of an accepted format, or not one within `limits`.
    """
    kind = kinds.kind_of(data[: kinds.HEAD])
    if kind is None:
        raise ImageError(f"{path} is of a kind that is not known; save it as {ACCEPTED}.")
    if (reader := _READERS.get(kind)) is None:
        raise ImageError(f"{path} is {kind.name}; {kind.way_out}.")
    with as_image_error(path, kind.name):
        if kind is kinds.TIFF and is_raw(data):
            kind, reader = kinds.RAW, open_raw
        return reader(data, path, limits)


def decode(picture: Picture, path: Path) -> Raster:
    """Decode a picture whose header was accepted, at its own depth.

    Raises
    ------
    ImageError
        The data are cut short, damaged, or of a kind that is not read.
    """
    with as_image_error(path, picture.kind.name):
        return picture.unpack()


def _open_webp(data: bytes, path: Path, limits: ImageLimits) -> Picture:
    # Before libwebp does, since that allocates the canvas as soon as it has seen it.
    check_size(path, _webp_size(data), limits)
    image = WebPImagePlugin.WebPImageFile(io.BytesIO(data))
    return _by_pillow(kinds.WEBP, image, path, limits, is_lossless=b"VP8L" in _webp_chunks(data))


def _open_bmp(data: bytes, path: Path, limits: ImageLimits) -> Picture:
    return _by_pillow(
        kinds.BMP, BmpImagePlugin.BmpImageFile(io.BytesIO(data)), path, limits, is_lossless=True
    )


def _by_pillow(
    kind: kinds.Kind, image: ImageFile.ImageFile, path: Path, limits: ImageLimits, *, is_lossless: bool
) -> Picture:
    check_size(path, image.size, limits)
    check_frames(path, getattr(image, "n_frames", 1))

    def unpack() -> Raster:
        image.load()
        return from_pillow(image, path)

    return Picture(
        kind, image.size, unpack, image.info.get("icc_profile"), bare_exif(image.info.get("exif", b"")),
        image.info.get("xmp", b""), is_lossless=is_lossless,
    )  # fmt: skip


def _webp_chunks(data: bytes) -> Iterator[bytes]:
    """Names of a WebP's chunks."""
    place = 12
    while place + 8 <= len(data):
        yield data[place : place + 4]
        size = int.from_bytes(data[place + 4 : place + 8], "little")
        place += 8 + size + size % 2


def _webp_size(data: bytes) -> tuple[int, int]:
    """Read the size of the canvas, of any of the three kinds of WebP."""
    kind, body = data[12:16], data[20:30]
    if len(body) < 10:
        raise ValueError("truncated WebP header")
    if kind == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", body, 6)
        return width & 0x3FFF, height & 0x3FFF
    raise ValueError("unknown kind of WebP")


# The formats' own readers, not `Image.open`: that one tries many, and judges the size by a module-wide
# setting of Pillow's which other threads and other libraries share, and which is lower than our own limit.
_READERS: dict[kinds.Kind, Reader] = {
    kinds.JPEG: open_jpeg, kinds.PNG: open_png, kinds.TIFF: open_tiff, kinds.WEBP: _open_webp,
    kinds.BMP: _open_bmp, kinds.AVIF: open_avif, kinds.HEIC: open_heic, kinds.RAW: open_raw,
}  # fmt: skip
