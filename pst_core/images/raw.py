"""Cameras' raw files, developed by LibRaw through rawpy, which is an extra."""

import io
from pathlib import Path
from typing import Any

import numpy as np

from pst_core.errors import ImageError
from pst_core.images.kinds import RAW
from pst_core.images.limits import ImageLimits, check_size
from pst_core.images.rasters import Picture, Raster

_TIFF_BEGINNINGS = (b"II\x2a\0", b"MM\0\x2a")
_SRGB_CURVE = (2.4, 12.92)  # power, and slope near black
_ON_ITS_SIDE = (5, 6)  # of LibRaw's numbers for turns


def open_raw(data: bytes, path: Path, limits: ImageLimits) -> Picture:
    """Parse a raw file's header; it is developed when it is unpacked.

    Raises
    ------
    ImageError
        The extra is not installed, the camera is unknown, or the picture is not within `limits`.
    """
    try:
        import rawpy
    except ImportError as error:
        raise ImageError(
            f'{path} is {RAW.name}; to read it: pip install "photoreal-style[raw]", or export it as TIFF.'
        ) from error
    try:
        raw = rawpy.imread(io.BytesIO(data))
        sizes = raw.sizes
    except rawpy.LibRawError as error:
        raise ImageError(
            f"{path} is {RAW.name} that cannot be read ({_said(error)}); export it as TIFF."
        ) from error
    size = (sizes.height, sizes.width) if sizes.flip in _ON_ITS_SIDE else (sizes.width, sizes.height)
    check_size(path, size, limits)
    return Picture(
        RAW, size, lambda: _develop(raw, path),
        exif=data if data.startswith(_TIFF_BEGINNINGS) else b"", orientation=1,
        notes=("raw file developed with the camera's white balance",),
    )  # fmt: skip


def _develop(raw: Any, path: Path) -> Raster:  # noqa: ANN401 - the library is an extra
    import rawpy

    try:
        samples = raw.postprocess(
            use_camera_wb=True, output_color=rawpy.ColorSpace.sRGB, gamma=_SRGB_CURVE, output_bps=16
        )
    except rawpy.LibRawError as error:
        raise ImageError(
            f"{path} is {RAW.name} that cannot be developed ({_said(error)}); export it as TIFF."
        ) from error
    finally:
        raw.close()
    return Raster(np.asarray(samples, np.uint16), "rgb")


def _said(error: Exception) -> str:
    """What LibRaw says of an error, of which it says it in bytes."""
    words = error.args[0] if error.args else ""
    return words.decode("ascii", "replace") if isinstance(words, bytes) else str(words)
