"""Places worth magnifying: where the results of several methods differ most in detail."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pst_core.errors import ConfigError
from pst_core.images.light import LUMINANCE

Floats = NDArray[np.float32]
SIDE = 1500  # pixels: in larger pictures, what is finer is not to be seen in a crop that is shown small
DETAIL = 0.01  # of the long side: what is finer than this standard deviation counts as detail
BORDER = 0.02  # of each side: results differ there by how they are padded, which says little
SPACE = 0.5  # of a crop's sides: room between two crops, so that they show two places


@dataclass(frozen=True)
class Crop:
    """A rectangle in pixels of a picture.

    Attributes
    ----------
    left, top : int
        Its upper left pixel.
    width, height : int
    """

    left: int
    top: int
    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.left},{self.top},{self.width},{self.height}"


def parse_crop(text: str) -> Crop:
    """Read a crop as a person writes it: ``left,top,width,height``.

    Raises
    ------
    ConfigError
        If it is anything but four whole numbers, the first two not negative and the last two positive.
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 4 or not all(part.isascii() and part.isdigit() and len(part) < 8 for part in parts):
        raise ConfigError(
            f"A crop is written left,top,width,height in whole pixels, such as 120,80,200,150, not {text!r}."
        )
    crop = Crop(*map(int, parts))
    if not crop.width or not crop.height:
        raise ConfigError(f"The crop {crop} has no pixels: its width and height must be 1 or more.")
    return crop


def check_crop(crop: Crop, size: tuple[int, int]) -> None:
    """Make sure that a crop lies in a picture.

    Parameters
    ----------
    size
        Height and width of the picture in pixels.

    Raises
    ------
    ConfigError
        If it does not.
    """
    height, width = size
    if min(crop.left, crop.top) < 0 or min(crop.width, crop.height) < 1:
        raise ConfigError(f"The crop {crop} is no rectangle of pixels: give left,top,width,height.")
    if crop.left + crop.width > width or crop.top + crop.height > height:
        raise ConfigError(
            f"The crop {crop} (left,top,width,height) reaches outside the picture, which is {width} pixels "
            f"wide and {height} high: choose one inside it."
        )


def choose_crops(pictures: Sequence[Floats], *, count: int = 2, share: float = 0.18) -> tuple[Crop, ...]:
    """Find where pictures of one scene differ most from one another in detail.

    Detail is luminance less its Gaussian blur. Its variance from picture to picture, averaged over a window,
    tells how much there is to compare; the best window is taken first, then the best that stands clear of
    it, and so on. A single picture is judged by how much detail it has.

    Parameters
    ----------
    pictures : sequence of ndarray, shape (3, H, W)
        On [0, 1], all of one size.
    count
        How many crops; fewer are returned where the picture has no room for more.
    share
        Sides of a crop as a share of the picture's sides.

    Returns
    -------
    tuple of Crop
        From left to right.

    Raises
    ------
    ConfigError
        If there is no picture, the sizes differ, or a number is out of its range.
    """
    _check(pictures, count, share)
    disagreement = _disagreement(pictures)
    window = _share_of(disagreement.shape, share)
    scores = _window_means(disagreement, window)
    _forbid_borders(scores, [round(BORDER * side) for side in disagreement.shape])
    corners: list[tuple[int, int]] = []
    while len(corners) < count and np.isfinite(scores).any():
        top, left = divmod(int(scores.argmax()), scores.shape[1])
        corners.append((top, left))
        _forbid_around(scores, top, left, window)
    size = pictures[0].shape[1:]
    crops = [_crop(corner, disagreement.shape, size, _share_of(size, share)) for corner in corners]
    return tuple(sorted(crops, key=lambda crop: (crop.left, crop.top)))


def _share_of(size: tuple[int, ...], share: float) -> tuple[int, int]:
    height, width = size
    return max(1, round(share * height)), max(1, round(share * width))


def _crop(
    corner: tuple[int, int], small: tuple[int, ...], size: tuple[int, ...], window: tuple[int, int]
) -> Crop:
    """The crop in the picture itself, for a corner that was found in a smaller one."""
    top, left = (
        min(round(place * full / shrunk), full - side)
        for place, shrunk, full, side in zip(corner, small, size, window, strict=True)
    )
    return Crop(left, top, window[1], window[0])


def _check(pictures: Sequence[Floats], count: int, share: float) -> None:
    if not pictures:
        raise ConfigError("There is no picture to choose crops in.")
    if len(sizes := {picture.shape[1:] for picture in pictures}) > 1:
        listed = " and ".join(f"{width}x{height}" for height, width in sorted(sizes))
        raise ConfigError(f"Crops are chosen in pictures of one size, not of {listed} pixels.")
    if count < 1 or not 0 < share <= 1:
        raise ConfigError(f"There must be 1 crop or more, of a share in (0, 1], not {count} of {share:g}.")


def _disagreement(pictures: Sequence[Floats]) -> Floats:
    """Variance of the detail from picture to picture, on at most `SIDE` pixels a side."""
    details = np.stack([_detail(picture) for picture in pictures])
    return np.asarray(details.var(axis=0) if len(details) > 1 else details[0] ** 2, np.float32)


def _detail(picture: Floats) -> Floats:
    import cv2

    luminance = np.tensordot(LUMINANCE, picture.astype(np.float32, copy=False), 1)
    if (step := -(-max(luminance.shape) // SIDE)) > 1:
        size = max(1, luminance.shape[1] // step), max(1, luminance.shape[0] // step)
        luminance = cv2.resize(luminance, size, interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(luminance, (0, 0), max(1.0, DETAIL * max(luminance.shape)))
    return np.asarray(luminance - blurred, np.float32)


def _window_means(values: Floats, window: tuple[int, int]) -> NDArray[np.float64]:
    """Mean over every window that lies inside, at its upper left pixel, by way of an integral image."""
    height, width = window
    integral = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    integral[1:, 1:] = values.cumsum(0, np.float64).cumsum(1)
    sums = integral[height:, width:] - integral[:-height, width:]
    sums -= integral[height:, :-width] - integral[:-height, :-width]
    means: NDArray[np.float64] = sums / (height * width)
    return means


def _forbid_borders(scores: NDArray[np.float64], border: Sequence[int]) -> None:
    """Rule out windows near the border, as far as that leaves any."""
    for axis, wide in enumerate(border):
        reach = min(wide, (scores.shape[axis] - 1) // 2)
        along = np.moveaxis(scores, axis, 0)
        along[:reach] = -np.inf
        along[len(along) - reach :] = -np.inf


def _forbid_around(scores: NDArray[np.float64], top: int, left: int, window: tuple[int, int]) -> None:
    """Rule out the windows that overlap one that was chosen, or come close to it."""
    reach = [round((1 + SPACE) * side) for side in window]
    rows = slice(max(0, top - reach[0] + 1), top + reach[0])
    columns = slice(max(0, left - reach[1] + 1), left + reach[1])
    scores[rows, columns] = -np.inf
