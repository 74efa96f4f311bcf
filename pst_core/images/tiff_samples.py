"""Samples of a TIFF's page at full depth: gray, RGB, CMYK and Lab of 8 to 16 bits, with alpha or without."""

import math
from typing import Any, NamedTuple

import numpy as np

from pst_core.images.profiles import Samples, Space
from pst_core.images.rasters import Raster, unmultiplied

_WHITE_IS_ZERO, _CIELAB, _ICCLAB = 0, 8, 9
PHOTOMETRICS: dict[int, tuple[Space, int]] = {
    _WHITE_IS_ZERO: ("gray", 1), 1: ("gray", 1), 2: ("rgb", 3), 5: ("cmyk", 4),
    _CIELAB: ("lab", 3), _ICCLAB: ("lab", 3),
}  # fmt: skip
"""Kinds of colours that are read -> what their samples mean, and how many channels they have."""
COMPRESSIONS = frozenset({1, 5, 8, 32946, 32773, 34925, 50000, 50013})
"""None, LZW, Deflate (two numbers), PackBits, LZMA and Zstandard (two): all of them exact."""

_PREMULTIPLIED, _ALPHA = 1, 2  # of ExtraSamples
_SIGNS = np.array([0, 128, 128], np.uint8)
_MOST_CHANNELS = 16
_WORKING_PIXELS = 2**22


def unpack(page: Any, file_bytes: int) -> Raster:  # noqa: ANN401 - tifffile's pages are not typed
    """Decode a page whose photometric and compression are of those above, of 8 to 16 bits.

    Parameters
    ----------
    page
        A ``tifffile.TiffPage``.
    file_bytes
        Of the whole file, beyond which nothing of the page may lie.

    Raises
    ------
    ValueError
        Data are missing, or more would be unfolded than the picture has.
    Exception
        What tifffile raises on damaged data.
    """
    _check_extent(page, file_bytes)
    samples = _interleaved(page)
    space, count = PHOTOMETRICS[page.photometric]
    if samples.shape[2] < count:
        raise ValueError("too few channels for its colours")
    top = (1 << _bits(page)) - 1
    if top != np.iinfo(samples.dtype).max:  # 10, 12 or 14 bits in 16
        samples = (np.minimum(samples, top).astype(np.uint32) * 65535 // top).astype(np.uint16)
    notes: tuple[str, ...] = ()
    color: Samples = samples[..., :count]
    alpha, is_premultiplied = _alpha(page, samples, count)
    if page.photometric == _WHITE_IS_ZERO:
        color = ~color
    if space == "lab":
        color = _standard_lab(color, page.photometric)
    elif alpha is not None and is_premultiplied and space != "cmyk":
        color = unmultiplied(color, alpha)
    if space == "cmyk" and color.dtype == np.uint16:
        color, notes = _narrow(color), ("16-bit CMYK read at 8 bits",)
        alpha = None if alpha is None else _narrow(alpha)
    return Raster(color[..., 0] if space == "gray" else color, space, alpha, notes)


class _Extent(NamedTuple):
    offsets: tuple[int, ...]
    counts: tuple[int, ...]


def _check_extent(page: Any, file_bytes: int) -> None:  # noqa: ANN401
    """Refuse what tifffile would fill with zeros, and tiles far larger than the picture."""
    place = _Extent(tuple(page.dataoffsets), tuple(page.databytecounts))
    wanted = math.prod(page.chunked)
    if len(place.offsets) < wanted or len(place.counts) < wanted:
        raise ValueError("truncated: strips are missing")
    pairs = zip(place.offsets[:wanted], place.counts[:wanted], strict=True)
    if any(offset <= 0 or count <= 0 or offset + count > file_bytes for offset, count in pairs):
        raise ValueError("truncated: strips beyond the end")
    if page.samplesperpixel > _MOST_CHANNELS or page.imagedepth != 1:
        raise ValueError("too many channels, or a volume")
    if page.is_tiled:
        tile = page.tilewidth * page.tilelength * page.tiledepth
        if tile > max(_WORKING_PIXELS, 4 * page.imagewidth * page.imagelength):
            raise ValueError("tiles larger than the picture")


def _bits(page: Any) -> int:  # noqa: ANN401
    return int(page.bitspersample if isinstance(page.bitspersample, int) else max(page.bitspersample))


def _interleaved(page: Any) -> Samples:  # noqa: ANN401
    """Decode to shape (H, W, C), of uint8 or uint16."""
    planes = np.asarray(page.asarray(maxworkers=1)).reshape(page.shaped)[:, 0]  # (planes, H, W, C)
    samples = planes[0] if len(planes) == 1 else np.moveaxis(planes[..., 0], 0, -1)
    if samples.dtype not in (np.uint8, np.uint16):
        raise ValueError("samples of an unusual kind")
    return samples


def _alpha(page: Any, samples: Samples, colors: int) -> tuple[Samples | None, bool]:  # noqa: ANN401
    """Find alpha among the channels behind the colours; a single one that nobody describes is it, too."""
    extra = [int(kind) for kind in page.extrasamples] or [_ALPHA] * (samples.shape[2] == colors + 1)
    for index, kind in enumerate(extra[: samples.shape[2] - colors]):
        if kind in (_PREMULTIPLIED, _ALPHA):
            return samples[..., colors + index], kind == _PREMULTIPLIED
    return None, False


def _narrow(samples: Samples) -> Samples:
    return ((samples.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)


def _standard_lab(samples: Samples, photometric: int) -> Samples:
    """Bring Lab to one encoding: L is 0 to 100 over the whole range.

    At 8 bits a and b have signs, as in Pillow; at 16 bits they have none, and 0 is 128 * 257.
    """
    if samples.dtype == np.uint8:
        stored: Samples = samples if photometric == _CIELAB else (samples ^ _SIGNS).astype(np.uint8)
        return stored
    wide = samples.astype(np.float64)
    if photometric == _ICCLAB:
        lightness, across = wide[..., :1] / 65280, wide[..., 1:] / 256
    else:
        signed = samples[..., 1:].astype(np.int16, casting="unsafe")
        lightness, across = wide[..., :1] / 65535, signed / 256 + 128
    scaled = np.concatenate([lightness * 65535, across * 257], axis=2)
    standard: Samples = np.rint(np.clip(scaled, 0, 65535)).astype(np.uint16)
    return standard
