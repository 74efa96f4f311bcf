"""How far a result is from its content in structure, and from its style in colour and texture."""

import numpy as np
from numpy.typing import NDArray

from pst_core.errors import PstError

Floats = NDArray[np.floating]
WINDOW = 11  # pixels a side, of SSIM
DIRECTIONS = 64
QUANTILES = 256
GRAY = np.array([0.298936, 0.587043, 0.114021])  # MATLAB's rgb2gray, as the paper's measures use


def structural_similarity(image: Floats, content: Floats, counted: NDArray[np.bool_] | None = None) -> float:
    """Mean SSIM of two photographs in gray (Wang et al. 2004), by scikit-image.

    Parameters
    ----------
    image, content : ndarray, shape (3, H, W)
        On [0, 1]; compared as 8-bit gray: Gaussian window, sigma 1.5, population covariance, data range 255.
    counted : ndarray of bool, shape (H, W), optional
        Windows around which pixels count; all unless given.

    Returns
    -------
    float
        At most 1, for equal pictures.

    Raises
    ------
    PstError
        The shapes differ, a side has less than 11 pixels, or no window counts.

    Examples
    --------
    >>> import numpy as np
    >>> content = np.tile(np.linspace(0, 1, 64), (3, 48, 1))
    >>> structural_similarity(content, content)
    1.0
    >>> round(structural_similarity(content / 2, content), 2)
    0.73
    """
    if image.shape != content.shape:
        raise PstError(f"SSIM needs images of one size, not {image.shape[1:]} and {content.shape[1:]}.")
    gray = [np.round(np.tensordot(GRAY, np.round(value * 255.0), 1)) for value in (image, content)]
    return gray_similarity(gray[0], gray[1], counted)


def gray_similarity(here: Floats, there: Floats, counted: NDArray[np.bool_] | None = None) -> float:
    """Mean SSIM of two gray images of shape (H, W), on [0, 255]; see `structural_similarity`."""
    from skimage.metrics import structural_similarity as ssim

    if min(here.shape) < WINDOW:
        raise PstError(f"SSIM needs images of at least {WINDOW} pixels a side.")
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    if counted is None:
        return float(ssim(here, there, **settings))
    whole = slice(WINDOW // 2, -(WINDOW // 2))  # windows, as without a mask
    inner = whole, whole
    if not counted[inner].any():
        raise PstError("SSIM needs something that is visible, away from the borders.")
    return float(ssim(here, there, full=True, **settings)[1][inner][counted[inner]].mean())


def color_distance(
    image: Floats, style: Floats, image_labels: NDArray[np.integer], style_labels: NDArray[np.integer],
    *, matched: NDArray[np.bool_], seed: int = 0,
) -> float:  # fmt: skip
    """Sliced Wasserstein distance of colours in CIELAB per matched region, averaged by content area.

    Per region, over 64 random directions on the sphere: the mean absolute difference of 256 quantiles
    between 0 and 1.

    Parameters
    ----------
    image, style : ndarray, shape (3, H, W)
        sRGB on [0, 1].
    image_labels, style_labels : ndarray of int, shape (H, W)
    matched : ndarray of bool, shape (R,)
        Regions to compare.

    Returns
    -------
    float
        In CIELAB units; 0 means the same colours.

    Raises
    ------
    PstError
        No region is matched.
    """
    from skimage.color import rgb2lab

    directions = np.random.default_rng(seed).standard_normal((DIRECTIONS, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    levels = np.linspace(0, 1, QUANTILES)
    here, there = rgb2lab(np.moveaxis(image, 0, -1)), rgb2lab(np.moveaxis(style, 0, -1))
    distances, areas = [], []
    for region in np.flatnonzero(matched):
        inside, outside = here[image_labels == region], there[style_labels == region]
        quantiles = [_quantiles(directions @ colors.T, levels) for colors in (inside, outside)]
        distances.append(np.abs(quantiles[0] - quantiles[1]).mean())
        areas.append(len(inside))
    if not distances:
        raise PstError("The colour distance needs a region that both images have.")
    return float(np.average(distances, weights=areas))


def _quantiles(values: Floats, levels: Floats) -> Floats:
    """Quantiles along each row, linear between values; one sort is far faster than `numpy.quantile`."""
    ordered = np.sort(values, axis=1)
    place = levels * (ordered.shape[1] - 1)
    below = np.floor(place).astype(np.intp)
    above = np.minimum(below + 1, ordered.shape[1] - 1)
    share = place - below
    found: Floats = ordered[:, below] * (1 - share) + ordered[:, above] * share
    return found
