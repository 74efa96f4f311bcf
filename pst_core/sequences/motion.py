"""How a scene moved from one frame to another, at a small size: dense optical flow (DIS).

References
----------
Kroeger, Timofte, Dai, Van Gool: Fast optical flow using dense inverse search. ECCV 2016.
"""

from functools import cached_property
from typing import NamedTuple, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from pst_core.shapes import expect_shapes

Floats = NDArray[np.float32]

WINDOW = 9  # pixels over which structure is compared
FAINT = 2.5**2  # variance, of 8 bits, that is noise
FAR_OFF = 1.5  # pixels by which a way there and back may miss before it is doubted
OTHER_COLOR = 0.06  # difference on [0, 1] at which a colour is another one
SOFTNESS = 3.0  # pixels over which trust fades, as standard deviation


class Small:
    """A frame at a small size, as motion is looked for in it.

    Parameters
    ----------
    image : ndarray of float32, shape (3, h, w)
        On [0, 1].
    """

    def __init__(self, image: Floats) -> None:
        expect_shapes("image: 3 h w", image)
        self.image = image

    @classmethod
    def of(cls, image: Floats, side: int) -> Self:
        """A frame of any size, shape (3, H, W), shrunk to a long side of so many pixels."""
        height, width = image.shape[1:]
        scale = min(1.0, side / max(height, width))
        return cls(shrunk(image, (max(1, round(height * scale)), max(1, round(width * scale)))))

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.image.shape[1], self.image.shape[2]

    @cached_property
    def gray(self) -> NDArray[np.uint8]:
        """Its luma in 8 bits, shape (h, w)."""
        luma = np.tensordot(np.array([0.299, 0.587, 0.114], np.float32), self.image, 1)
        return np.rint(luma * 255).clip(0, 255).astype(np.uint8)


def shrunk(planes: Floats, size: tuple[int, int]) -> Floats:
    """Planes, shape (K, H, W), as means over areas; shape (K, h, w) for a height and width."""
    height, width = size
    return np.stack([cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA) for plane in planes])


class Motion(NamedTuple):
    """Where each pixel of a frame was in another one.

    Attributes
    ----------
    x, y : ndarray of float32, shape (h, w)
        Places in the other frame, in pixels.
    agreement : float
        How much of the structure is the same once it is moved, from -1 to 1.
    """

    x: Floats
    y: Floats
    agreement: float

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Which pixels of the frame the other one shows, to a pixel, shape (h, w)."""
        height, width = self.x.shape
        within: NDArray[np.bool_] = (self.x >= -1) & (self.x <= width) & (self.y >= -1) & (self.y <= height)
        return within

    def bring(self, planes: Floats) -> Floats:
        """What the other frame has, shape (K, h, w), as it lies in this one."""
        return np.stack([
            cv2.remap(plane, self.x, self.y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            for plane in planes
        ])  # fmt: skip


def motion_between(frame: Small, other: Small) -> Motion:
    """Where each pixel of a frame was in another frame of its size.

    The flow begins at rest, or where the whole picture moved by phase correlation: whichever ends better.
    """
    found = [_flow(frame.gray, other.gray, shift) for shift in _beginnings(frame.gray, other.gray)]
    return max(found, key=lambda motion: motion.agreement)


def _beginnings(frame: NDArray[np.uint8], other: NDArray[np.uint8]) -> list[tuple[float, float]]:
    height, width = frame.shape
    window = cv2.createHanningWindow((width, height), cv2.CV_32F)
    (right, down), _ = cv2.phaseCorrelate(frame.astype(np.float32), other.astype(np.float32), window)
    return [(0.0, 0.0)] if abs(right) < 1 and abs(down) < 1 else [(0.0, 0.0), (right, down)]


def _flow(frame: NDArray[np.uint8], other: NDArray[np.uint8], shift: tuple[float, float]) -> Motion:
    height, width = frame.shape
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    begin = np.broadcast_to(np.array(shift, np.float32), (height, width, 2)).copy()
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    flow = search.calc(frame, other, begin)
    there = Motion(columns + flow[..., 0], rows + flow[..., 1], 0.0)
    return there._replace(agreement=_agreement(frame, other, there))


def _agreement(frame: NDArray[np.uint8], other: NDArray[np.uint8], motion: Motion) -> float:
    """Twice the covariance over the sum of the variances, in windows all over what both show (as in SSIM)."""
    here, inside = frame.astype(np.float32), motion.inside.astype(np.float32)
    there = motion.bring(other.astype(np.float32)[None])[0]
    mean_here, mean_there = _mean(here), _mean(there)
    variances = _mean(here**2) - mean_here**2 + _mean(there**2) - mean_there**2
    covariance = _mean(here * there) - mean_here * mean_there
    faint = FAINT * max(float(inside.sum()), 1.0)
    return float((2 * (covariance * inside).sum() + faint) / ((variances * inside).sum() + faint))


def _mean(plane: Floats) -> Floats:
    mean: Floats = cv2.blur(plane, (WINDOW, WINDOW))
    return mean


def trust_in(frame: Small, other: Small, there: Motion, back: Motion) -> Floats:
    """How far to trust what is brought along a motion, on [0, 1], shape (h, w).

    What the other frame does not show is not trusted, nor what is another place by the way back and another
    colour as well: in a plain sky the way is never sure, and does not matter.

    Parameters
    ----------
    there, back
        Motion from the frame to the other one, and from that to the frame.
    """
    rows, columns = np.mgrid[: frame.shape[0], : frame.shape[1]].astype(np.float32)
    x, y = there.bring(np.stack([back.x, back.y]))
    missed = 1 - np.exp(-(((x - columns) ** 2 + (y - rows) ** 2) / FAR_OFF**2))
    differs = _difference(frame.image, there.bring(other.image), there.inside)
    doubt = missed * (1 - np.exp(-((differs / OTHER_COLOR) ** 2)))
    trust = np.where(there.inside, 1 - doubt, 0).astype(np.float32)
    softened: Floats = cv2.GaussianBlur(trust, (0, 0), SOFTNESS)
    return softened


def _difference(frame: Floats, brought: Floats, inside: NDArray[np.bool_]) -> Floats:
    """How far colours differ beyond what another exposure does to all of them, shape (h, w)."""
    total = np.zeros(frame.shape[1:], np.float32)
    for here, there in zip(frame, brought, strict=True):
        gain, offset = _line(there[inside], here[inside])
        total += (here - gain * there - offset) ** 2
    root: Floats = np.sqrt(total / 3)
    return root


def _line(x: Floats, y: Floats) -> tuple[float, float]:
    """Slope and offset by least squares; none for too little."""
    if x.size < 2 or (variance := float(x.var())) < 1e-6:
        return 1.0, 0.0
    gain = float(((x - x.mean()) * (y - y.mean())).mean()) / variance
    return gain, float(y.mean() - gain * x.mean())
