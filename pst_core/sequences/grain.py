"""Grain of a frame, which its look is not to make stronger.

A look is a map of colours: where it is steep, as in a sky that becomes a night, it tears grain and the traces
of compression apart, and these dance from frame to frame. So looks change a frame without its grain, which is
added again as it was.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pst_core.color.baselines import LUMINANCE
from pst_core.images.profiles import Samples
from pst_core.shapes import expect_shapes

Floats = NDArray[np.float32]

RADIUS = 4  # pixels around each, over which grain is told from what is even
EVEN = 0.02  # on [0, 1]: a deviation of brightness far below it is grain, one far above it an edge


class Grained(NamedTuple):
    """A frame in two parts, which add up to it where nothing is clipped.

    Attributes
    ----------
    smooth : ndarray of float32, shape (3, H, W)
        Without its grain, on [0, 1].
    grain : ndarray of float32, shape (H, W)
        The same in all channels.
    """

    smooth: Floats
    grain: Floats


def part_grain(image: Floats) -> Grained:
    """Take a frame's grain: what a guided filter leaves of its brightness (He et al. 2013), guided by itself.

    Parameters
    ----------
    image : ndarray of float32, shape (3, H, W)
        On [0, 1].
    """
    import cv2

    expect_shapes("image: 3 H W", image)

    def mean_of(plane: Floats) -> Floats:
        return np.asarray(cv2.blur(plane, (2 * RADIUS + 1,) * 2), np.float32)

    gray: Floats = np.asarray(np.tensordot(np.array(LUMINANCE, np.float32), image, 1), np.float32)
    mean = mean_of(gray)
    variance = np.maximum(mean_of(gray * gray) - mean * mean, 0)
    slope: Floats = np.asarray(variance / (variance + EVEN**2), np.float32)
    grain = gray - (mean_of(slope) * gray + mean_of(mean - slope * mean))
    smooth = image - grain
    return Grained(np.clip(smooth, 0, 1, out=smooth), grain)


def with_grain(levels: Samples, grain: Floats) -> Samples:
    """Integers of a picture, shape (H, W, 3), with grain added again."""
    import cv2

    # Rounded, and clipped to the range.
    added: Any = cv2.merge([np.iinfo(levels.dtype).max * grain] * 3)
    found: Any = cv2.add(levels, added, dtype=cv2.CV_8U if levels.dtype == np.uint8 else cv2.CV_16U)
    grained: Samples = found
    return grained
