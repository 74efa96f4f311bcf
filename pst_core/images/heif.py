"""HEIC and AVIF: pictures in ISO's container, which says itself how they are turned.

AVIF is read by Pillow; HEIC by pillow-heif, which is an extra.

References
----------
ISO/IEC 23008-12 (HEIF), sections 6.5.5 (colour), 6.5.10 (rotation), 6.5.6 (bits a channel).
"""

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import AvifImagePlugin

from pst_core.errors import ImageError
from pst_core.images.kinds import AVIF, HEIC
from pst_core.images.limits import ImageLimits, check_frames, check_size
from pst_core.images.metadata import bare_exif
from pst_core.images.orientations import exif_orientation
from pst_core.images.pillow import from_pillow
from pst_core.images.primaries import of_code_points
from pst_core.images.profiles import Samples
from pst_core.images.rasters import Picture, Raster, unmultiplied

_HEADER_BYTES = 2**16  # the boxes that describe the picture stand at the beginning
_COLOR_BOX, _BITS_BOX = b"colrnclx", b"pixi\0\0\0\0"


def open_avif(data: bytes, path: Path, limits: ImageLimits) -> Picture:
    """Parse an AVIF's header.

    Raises
    ------
    ImageError
        It is an animation, not within `limits`, or Pillow was built without AVIF.
    """
    if not AvifImagePlugin.SUPPORTED:
        raise ImageError(
            f"{path} is {AVIF.name}, and the Pillow installed here was built without it; export it as PNG."
        )
    image = AvifImagePlugin.AvifImageFile(io.BytesIO(data))
    check_size(path, image.size, limits)
    check_frames(path, image.n_frames)
    profile, notes = image.info.get("icc_profile"), list[str]()
    head = data[:_HEADER_BYTES]
    if profile is None and (place := head.find(_COLOR_BOX)) >= 0:
        points = head[place + 8 : place + 12]
        profile, notes = of_code_points(int.from_bytes(points[:2], "big"), int.from_bytes(points[2:], "big"))
    bits = _bits(head)
    if bits > 8:
        notes.append(f"{bits}-bit AVIF read at 8 bits")
    exif = bare_exif(image.info.get("exif", b""))

    def unpack() -> Raster:
        image.load()
        return from_pillow(image, path)

    # Pillow says in EXIF what the container says, and turns nothing.
    return Picture(
        AVIF, image.size, unpack, profile, exif, image.info.get("xmp", b""), exif_orientation(exif) or 1,
        tuple(notes),
    )  # fmt: skip


def _bits(head: bytes) -> int:
    """Bits a channel that the header speaks of; 8 if it does not."""
    place = head.find(_BITS_BOX)
    channels = head[place + 8] if 0 <= place < len(head) - 8 else 0
    return max(head[place + 9 : place + 9 + channels][:4], default=8) if channels else 8


def open_heic(data: bytes, path: Path, limits: ImageLimits) -> Picture:
    """Parse a HEIC's header; of several pictures, such as a burst's, the one that the file calls primary.

    Raises
    ------
    ImageError
        The extra is not installed, or the picture is not within `limits`.
    """
    try:
        import pillow_heif
    except ImportError as error:
        raise ImageError(
            f'{path} is {HEIC.name}; to read it: pip install "photoreal-style[heif]", or export it as JPEG.'
        ) from error
    file = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
    image = file[file.primary_index]
    check_size(path, image.size, limits)
    info: dict[str, Any] = image.info
    notes: list[str] = []
    profile = info.get("icc_profile")
    if not profile and (color := info.get("nclx_profile")):
        profile, notes = of_code_points(color["color_primaries"], color["transfer_characteristics"])
    if len(file) > 1:
        notes.append(f"{len(file) - 1} further pictures in the file left out")
    return Picture(
        HEIC, image.size, lambda: _unpack(image), profile or None, bare_exif(info.get("exif") or b""),
        info.get("xmp") or b"", 1, tuple(notes),
    )  # fmt: skip


def _unpack(image: Any) -> Raster:  # noqa: ANN401 - the library is an extra
    mode = image.mode.split(";")[0]
    samples = np.asarray(image)
    if samples.dtype == np.uint16:
        samples = _full_range(samples, image.info["bit_depth"])
    if samples.ndim == 2:
        return Raster(samples, "gray")
    count = 1 if mode.startswith("L") else 3
    color, alpha = samples[..., :count], samples[..., count] if samples.shape[2] > count else None
    if alpha is not None and mode.endswith("a"):
        color = unmultiplied(color, alpha)
    return Raster(color[..., 0] if count == 1 else color, "gray" if count == 1 else "rgb", alpha)


def _full_range(samples: Samples, bits: int) -> Samples:
    """Stretch 10 or 12 bits, which stand in the upper ones of 16, to all of them."""
    top = (1 << bits) - 1
    wide = samples.astype(np.uint32) >> (16 - bits)
    return (wide * 65535 // top).astype(np.uint16)
