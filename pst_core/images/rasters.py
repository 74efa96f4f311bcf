"""What the readers of all formats make of a file: a picture whose header is known, then its samples."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pst_core.images.kinds import Kind
from pst_core.images.profiles import Samples, Space


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
        What was converted, or is odd, as plain sentences.
    numbers
        Shape (H, W), uint8: of a picture with a palette, each pixel's place in it; else None.
    """

    samples: Samples
    space: Space
    alpha: Samples | None = None
    notes: tuple[str, ...] = ()
    numbers: NDArray[np.uint8] | None = None


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture whose header was accepted, and what its file says besides.

    Attributes
    ----------
    kind
        What the file is.
    size
        Width and height in pixels, as stored; those that `unpack` will give.
    unpack
        Decodes the samples, at their own depth. Raises whatever a decoder raises on damaged data.
    profile
        Its ICC profile, or one made of what says the same; or None.
    exif
        EXIF as a bare TIFF structure; a TIFF file is one itself. Empty if there is none.
    xmp
        The XMP packet as stored, neither parsed nor trusted. Empty if there is none.
    orientation
        1 where the decoder turns the picture itself, so that nothing else may; None where EXIF or XMP decide.
    notes
        What is odd about the file, as plain sentences.
    is_lossless
        Whether its format keeps values: a JPEG's and most WebPs' are only near those that were painted.
    """

    kind: Kind
    size: tuple[int, int]
    unpack: Callable[[], Raster]
    profile: bytes | None = None
    exif: bytes = b""
    xmp: bytes = b""
    orientation: int | None = None
    notes: tuple[str, ...] = ()
    is_lossless: bool = False


def unmultiplied(color: Samples, alpha: Samples) -> Samples:
    """Colours of shape (H, W, C) as they were before they were multiplied by alpha, of shape (H, W)."""
    top = np.iinfo(color.dtype).max
    opacity = np.maximum(alpha, 1)[..., None].astype(np.float32) / top
    divided = np.rint(np.minimum(color / opacity, top))
    return divided.astype(np.uint8) if top == 255 else divided.astype(np.uint16)
