"""How far a result is from the right answer, where one is known."""

import numpy as np
from numpy.typing import NDArray

from pst_core.errors import PstError
from pst_core.quality.distances import GRAY, gray_similarity
from pst_core.regions.labels import Mask

Floats = NDArray[np.floating]
MOST_DECIBELS = 100.0  # of equal pictures, whose ratio has no number


def peak_signal_to_noise(image: Floats, answer: Floats, counted: Mask | None = None) -> float:
    """Peak signal-to-noise ratio in decibels, of 8-bit colours.

    Parameters
    ----------
    image, answer : ndarray, shape (3, H, W)
        sRGB on [0, 1].
    counted : ndarray of bool, shape (H, W), optional
        Which pixels count; all unless given.

    Returns
    -------
    float
        10 log10(255^2 / mean squared error); 100 for equal pictures.

    Raises
    ------
    PstError
        The shapes differ, or nothing counts.

    Examples
    --------
    >>> answer = np.zeros((3, 4, 4))
    >>> round(peak_signal_to_noise(answer + 0.1, answer), 1)  # 26 of 255
    19.8
    """
    here, there = _counted(image, answer, counted)
    error = np.square(np.round(here * 255.0) - np.round(there * 255.0)).mean()
    return float(min(MOST_DECIBELS, 10 * np.log10(255**2 / error))) if error else MOST_DECIBELS


def answer_similarity(image: Floats, answer: Floats, counted: Mask | None = None) -> float:
    """Mean SSIM to the right answer, in gray that is not rounded; see `structural_similarity`.

    Rounded gray, which the paper's measures take, makes steps of its own in what is even; where the right
    answer is known they would count.

    Parameters
    ----------
    image, answer : ndarray, shape (3, H, W)
        sRGB on [0, 1].
    counted : ndarray of bool, shape (H, W), optional
        Windows around which pixels count; all unless given.

    Raises
    ------
    PstError
        The shapes differ, a side has less than 11 pixels, or no window counts.
    """
    _check_sizes(image, answer)
    gray = [np.tensordot(GRAY, np.round(value * 255.0), 1) for value in (image, answer)]
    return gray_similarity(gray[0], gray[1], counted)


def mean_ciede2000(image: Floats, answer: Floats, counted: Mask | None = None) -> float:
    """Mean colour difference from the right answer, CIEDE2000 (Sharma et al. 2005), by scikit-image.

    Parameters
    ----------
    image, answer : ndarray, shape (3, H, W)
        sRGB on [0, 1].
    counted : ndarray of bool, shape (H, W), optional
        Which pixels count; all unless given.

    Returns
    -------
    float
        0 for equal pictures; 1 is about the least that an eye tells apart.

    Raises
    ------
    PstError
        The shapes differ, or nothing counts.
    """
    from skimage.color import deltaE_ciede2000, rgb2lab

    here, there = (rgb2lab(each.T) for each in _counted(image, answer, counted))
    return float(deltaE_ciede2000(here, there).mean())


def _counted(image: Floats, answer: Floats, counted: Mask | None) -> tuple[Floats, Floats]:
    """Colours of what counts, shape (3, N) each."""
    _check_sizes(image, answer)
    if counted is not None and not counted.any():
        raise PstError("A comparison with the right answer needs something that is visible.")
    chosen = np.ones(image.shape[1:], bool) if counted is None else counted
    return image[:, chosen], answer[:, chosen]


def _check_sizes(image: Floats, answer: Floats) -> None:
    if image.shape != answer.shape:
        raise PstError(f"An answer has its result's size, not {answer.shape[1:]} for {image.shape[1:]}.")
