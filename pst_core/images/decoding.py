"""From a file's bytes to samples, for every format accepted, and one sentence for every file that is not."""

import contextlib
import io
import logging
import math
import os
import stat
import struct
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import (
    BmpImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from pst_core.errors import ImageError
from pst_core.images.metadata import check_directories, directories
from pst_core.images.png import SIGNATURE
from pst_core.images.profiles import Samples, Space

_FORMATS = "JPEG, PNG, WebP, TIFF or BMP"
# What Pillow calls a picture of one 16-bit channel, by byte order.
_GRAY_16 = ("I;16", "I;16L", "I;16B")
# TIFF tags.
_BITS, _COMPRESSION, _PHOTOMETRIC, _PLANAR, _EXTRA, _SAMPLE_FORMAT = 258, 259, 262, 284, 338, 339

# Pillow speaks of odd metadata through `warnings`, whose filters are the whole process's: changing them for a
# moment is safe only for one thread at a time. Decoding is a small part of restyling, so it may queue.
_ONE_DECODER = threading.Lock()
# tifffile reports through a logger; without a handler Python would print its lines on standard error.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class ImageLimits:
    """What a picture may cost before it is refused.

    Attributes
    ----------
    max_pixels
        Width times height, in pixels.
    max_bytes
        Size of the file, in bytes.
    min_side
        Shortest side, in pixels; below it the encoder's deep layers have nothing left to look at.
    """

    max_pixels: int = 200_000_000
    max_bytes: int = 2**30
    min_side: int = 32


@dataclass(frozen=True)
class Raster:
    """A decoded picture before its colours and its orientation are settled.

    Attributes
    ----------
    samples
        Shape (H, W) for gray, (H, W, 3) for RGB and Lab, (H, W, 4) for CMYK; uint8 or uint16.
    space
        What the samples mean.
    alpha
        Shape (H, W), of the same type, not premultiplied; or None.
    notes
        What was converted, as plain sentences.
    """

    samples: Samples
    space: Space
    alpha: Samples | None = None
    notes: tuple[str, ...] = ()


def read_file(path: Path, limits: ImageLimits) -> bytes:
    """Read a regular file of bounded size into memory.

    Raises
    ------
    ImageError
        It is missing, not a regular file, unreadable, empty, or larger than `limits.max_bytes`.
    """
    try:
        # Without O_NONBLOCK opening a named pipe would wait for somebody to write into it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            size = _checked_size(path, os.fstat(descriptor), limits)
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                data = file.read(size + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError as error:
        raise ImageError(f"{path} does not exist; check the name.") from error
    except PermissionError as error:
        raise ImageError(f"{path} may not be read; change its permissions.") from error
    except OSError as error:
        raise ImageError(
            f"{path} cannot be read ({error.strerror or error}); check the file and its disk."
        ) from error
    except MemoryError as error:
        raise ImageError(f"{path} does not fit into memory; close other programs.") from error
    except ValueError as error:  # a NUL, or a character the file system's encoding has no bytes for
        raise ImageError(f"{str(path)!r} is not a name a file can have; check the name.") from error
    if len(data) != size:
        raise ImageError(f"{path} changed while it was read; wait until it is complete and try again.")
    return data


def _checked_size(path: Path, status: os.stat_result, limits: ImageLimits) -> int:
    if stat.S_ISDIR(status.st_mode):
        raise ImageError(f"{path} is a folder; name a picture inside it.")
    if not stat.S_ISREG(status.st_mode):
        raise ImageError(f"{path} is a device, pipe or socket; copy the picture into a regular file.")
    if status.st_size == 0:
        raise ImageError(f"{path} is empty; copy or export it again.")
    if status.st_size > limits.max_bytes:
        raise ImageError(
            f"{path} has {status.st_size} bytes, more than the {limits.max_bytes} allowed; "
            "save a smaller copy or raise the limit."
        )
    return status.st_size


def open_header(data: bytes, path: Path, limits: ImageLimits) -> ImageFile.ImageFile:
    """Parse a picture's header, and refuse what is too large, too small or not one picture.

    Nothing is allocated that depends on the width and height it claims.

    Raises
    ------
    ImageError
        It is no picture of an accepted format, or not one within `limits`.
    """
    opener = _opener(data)
    if opener is None:
        raise ImageError(f"{path} is not a picture in an accepted format; save it as {_FORMATS}.")
    with _as_image_error(path):
        if opener is WebPImagePlugin.WebPImageFile:
            _check_size(path, _webp_size(data), limits)
        elif opener is _Tiff:
            check_directories(data)
            _check_frames(path, sum(not directory.is_reduced for directory in directories(data)))
        # The format's own class, not `Image.open`: that one judges the size by a module-wide setting of
        # Pillow's which other threads and other libraries share, and which is lower than our own limit.
        image: ImageFile.ImageFile = opener(io.BytesIO(data))
        _check_size(path, image.size, limits)
        # Of a multi-picture JPEG, as phones write them, the first is the photograph.
        _check_frames(path, getattr(image, "n_frames", 1) if opener is not _Tiff else 1)
    return image


class _Jpeg(JpegImagePlugin.JpegImageFile):
    """A JPEG whose EXIF is not parsed while its header is read, when nobody has measured it yet."""

    def _read_dpi_from_exif(self) -> None:
        """Leave the resolution alone; nothing here depends on it."""


class _Tiff(TiffImagePlugin.TiffImageFile):
    """A TIFF whose samples stay as stored: Pillow turns TIFFs alone, and the 16-bit decoders turn nothing."""

    def load_end(self) -> None:
        """Undo what the header's parser made of the size, instead of turning the picture."""
        self._size = self.im.size


def _opener(data: bytes) -> type[ImageFile.ImageFile] | None:
    """Choose the one parser that gets to see the data, by its first bytes, not by its name."""
    if data.startswith(SIGNATURE):
        return PngImagePlugin.PngImageFile
    if data.startswith(b"\xff\xd8\xff"):
        return _Jpeg
    if data.startswith((b"II\x2a\0", b"MM\0\x2a", b"II\x2b\0", b"MM\0\x2b")):
        return _Tiff
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return WebPImagePlugin.WebPImageFile
    return BmpImagePlugin.BmpImageFile if data.startswith(b"BM") else None


@contextlib.contextmanager
def quiet_pillow() -> Iterator[None]:
    """Drop Pillow's warnings about odd metadata; one thread at a time, and not to be nested."""
    with _ONE_DECODER, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _as_image_error(path: Path) -> Iterator[None]:
    """Keep Pillow quiet, and turn whatever a decoder raises on foreign bytes into one sentence."""
    try:
        with quiet_pillow():
            yield
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(
            f"{path} does not fit into memory; close other programs or use a smaller copy."
        ) from error
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"{path} has more pixels than its format's decoder allows; save a smaller copy."
        ) from error
    except Exception as error:  # decoders raise nearly everything: SyntaxError, KeyError, cv2.error
        if "truncated" in str(error).lower():
            raise ImageError(f"{path} is cut short; copy or export it again.") from error
        raise ImageError(f"{path} is damaged or of an unusual kind; save it again as {_FORMATS}.") from error


def _check_size(path: Path, size: tuple[int, int], limits: ImageLimits) -> None:
    width, height = size
    if width * height > limits.max_pixels:
        raise ImageError(
            f"{path} has {width} x {height} pixels, more than the {limits.max_pixels} allowed; "
            "use a smaller copy or raise the limit."
        )
    if min(width, height) < limits.min_side:
        raise ImageError(
            f"{path} has {width} x {height} pixels; "
            f"use a picture with at least {limits.min_side} pixels on its shorter side."
        )


def _check_frames(path: Path, count: int) -> None:
    if count > 1:
        raise ImageError(f"{path} holds several pictures (an animation or pages); export the one you want.")


def _webp_size(data: bytes) -> tuple[int, int]:
    """Read the canvas size before libwebp does, since that allocates the canvas as soon as it has seen it."""
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


def decode(image: ImageFile.ImageFile, data: bytes, path: Path) -> Raster:
    """Decode a picture whose header was accepted, at its own depth.

    Parameters
    ----------
    image
        What `open_header` made of `data`.

    Raises
    ------
    ImageError
        The data are cut short, damaged, or of a kind that is not read: floating point, 32-bit integers.
    """
    deep = _is_deep(image, data, path)
    with _as_image_error(path):
        # Also where another decoder follows: Pillow is the one that notices missing and damaged data.
        image.load()
        if not deep:
            return _from_pillow(image, path)
        if image.mode in _GRAY_16:
            return _gray_16(image)
        if image.format == "TIFF":
            return _tiff_16(image, data, path)
        return _with_alpha(image, _opencv(data, path))


def _is_deep(image: ImageFile.ImageFile, data: bytes, path: Path) -> bool:
    """Tell 16 bits a channel from 8; Pillow's modes do not, since it narrows colour to 8 bits silently."""
    if image.format == "PNG":
        return data[24] == 16
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return False
    bits = set(image.tag_v2.get(_BITS, (1,)))
    if image.mode in ("I", "F") or 3 in image.tag_v2.get(_SAMPLE_FORMAT, ()) or not bits <= {1, 2, 4, 8, 16}:
        raise ImageError(
            f"{path} holds floating-point or unusual numbers ({max(bits)} bits a channel); "
            "export it with 8 or 16 bits a channel."
        )
    return bits == {16}


def _from_pillow(image: Image.Image, path: Path) -> Raster:
    """Take 8-bit samples apart: palettes unfolded, alpha aside, never blended with a background."""
    opaque_targets = {"1": "L", "L": "L", "CMYK": "CMYK", "LAB": "LAB", "La": "LA", "LA": "LA"}
    target = opaque_targets.get(image.mode, "RGB")
    if image.mode not in opaque_targets and image.mode not in (
        "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "YCbCr"
    ):  # fmt: skip
        raise ImageError(f"{path} has the unusual pixel type {image.mode}; save it as {_FORMATS} in RGB.")
    if target in ("L", "RGB") and image.has_transparency_data:
        target += "A"
    samples = np.asarray(image if image.mode == target else image.convert(target))
    if target in ("LA", "RGBA"):
        color = samples[..., 0] if target == "LA" else samples[..., :3]
        return Raster(color, "gray" if target == "LA" else "rgb", samples[..., -1])
    spaces: dict[str, Space] = {"L": "gray", "RGB": "rgb", "CMYK": "cmyk", "LAB": "lab"}
    return Raster(samples, spaces[target])


def _gray_16(image: Image.Image) -> Raster:
    samples = np.asarray(image).astype(np.uint16)
    if isinstance(image, TiffImagePlugin.TiffImageFile) and image.tag_v2.get(_PHOTOMETRIC) == 0:
        samples = ~samples  # white is zero, which Pillow resolves for 8 bits only
    key = image.info.get("transparency")
    alpha = np.where(samples == key, 0, 65535).astype(np.uint16) if isinstance(key, int) else None
    return Raster(samples, "gray", alpha)


def _tiff_16(image: ImageFile.ImageFile, data: bytes, path: Path) -> Raster:
    tags = getattr(image, "tag_v2", {})
    is_rgb, is_plain = tags.get(_PHOTOMETRIC) == 2, tags.get(_COMPRESSION, 1) == 1
    is_chunky = tags.get(_PLANAR, 1) == 1
    if not is_rgb or not (is_plain or is_chunky):
        return replace(_from_pillow(image, path), notes=("16-bit picture of this kind read at 8 bits",))
    samples = _tifffile(data, image.size) if is_plain else _opencv(data, path)
    if tags.get(_EXTRA, ())[:1] == (0,):  # a fourth channel of no declared meaning
        samples = samples[..., :3]
    raster = _with_alpha(image, samples)
    if raster.alpha is not None and tags.get(_EXTRA, ())[:1] == (1,):
        return Raster(_unmultiplied(raster.samples, raster.alpha), "rgb", raster.alpha)
    return raster


def _with_alpha(image: Image.Image, samples: Samples) -> Raster:
    """Split 16-bit RGB or RGBA, or turn a PNG's one transparent colour into alpha."""
    color = samples[..., :3]
    key = image.info.get("transparency")
    if isinstance(key, tuple) and image.format == "PNG":
        seen = (color != np.array(key, np.uint16)).any(axis=2)
        return Raster(color, "rgb", np.where(seen, 65535, 0).astype(np.uint16))
    return Raster(color, "rgb", samples[..., 3] if samples.shape[2] == 4 else None)


def _unmultiplied(color: Samples, alpha: Samples) -> Samples:
    opacity = np.maximum(alpha, 1)[..., None].astype(np.float32) / 65535
    return np.rint(np.minimum(color / opacity, 65535)).astype(np.uint16)


def _tifffile(data: bytes, size: tuple[int, int]) -> Samples:
    """Decode an uncompressed 16-bit TIFF of interleaved or separate planes, shape (H, W, C)."""
    import tifffile

    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        shape = (page.imagelength, page.imagewidth, page.samplesperpixel)
        # The size that was checked is Pillow's; what is allocated here must not be another one.
        if shape[:2] != size[::-1] or shape[2] not in (3, 4) or 2 * math.prod(shape) > len(data):
            raise ValueError("truncated or inconsistent TIFF")
        samples = page.asarray(maxworkers=1)
        if page.planarconfig == 2:
            samples = np.moveaxis(samples, 0, -1)
    return np.asarray(samples, np.uint16).reshape(shape)


def _opencv(data: bytes, path: Path) -> Samples:
    """Decode a 16-bit PNG or TIFF, shape (H, W, 3 or 4)."""
    try:
        import cv2
    except ImportError as error:
        raise ImageError(
            f"{path} has 16 bits a channel, for which OpenCV is needed, and it cannot be loaded ({error}); "
            "on Debian install the package libgl1, or save the picture with 8 bits."
        ) from error
    samples = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if samples is None or samples.dtype != np.uint16 or samples.ndim != 3:
        raise ValueError("OpenCV cannot decode it")
    return np.asarray(samples[..., [2, 1, 0, 3][: samples.shape[2]]], np.uint16)
