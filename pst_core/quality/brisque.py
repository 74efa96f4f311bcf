"""BRISQUE: how far a picture's statistics are from those of undistorted photographs, as people rated it.

References
----------
A. Mittal, A. K. Moorthy, A. C. Bovik: No-reference image quality assessment in the spatial domain, IEEE
Transactions on Image Processing 21 (12), 2012.
"""

import numpy as np
from numpy.typing import NDArray

from pst_core.quality.models import BrisqueModel
from pst_core.quality.scene_statistics import (
    MeasureError,
    fit_asymmetric,
    fit_symmetric,
    gray_levels,
    half_size,
    normalize,
    pair_products,
)

LEAST_SIDE = 32  # pixels: half of it is still several windows wide


def brisque(
    image: NDArray[np.floating], model: BrisqueModel, counted: NDArray[np.bool_] | None = None
) -> float:
    """Score a picture; lower is better, about 0 to 100, not clipped.

    Parameters
    ----------
    image : ndarray, shape (3, H, W)
        sRGB on [0, 1], at its native size: the score depends on scale.
    model
        A support vector regression with a radial basis, on features scaled to [-1, 1].
    counted : ndarray of bool, shape (H, W), optional
        Which pixels count; all unless given.

    Raises
    ------
    MeasureError
        The picture is too small, has no structure, or holds values that are no numbers.
    """
    scaled = 2 * (brisque_features(image, counted) - model.lower) / (model.upper - model.lower) - 1
    distances = np.square(model.vectors - scaled).sum(axis=1)
    return float(model.coefficients @ np.exp(-model.gamma * distances) - model.rho)


def brisque_features(
    image: NDArray[np.floating], counted: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """The paper's 36 features: 18 at full size, then 18 at half size.

    Parameters
    ----------
    image : ndarray, shape (3, H, W)
        sRGB on [0, 1].
    counted : ndarray of bool, shape (H, W), optional
        Which pixels count, and pairs of them; all unless given.

    Returns
    -------
    ndarray, shape (36,)
        At each size: shape and variance of the normalised luminance; then for each of its four pair
        products shape, mean, and left and right variance.
    """
    gray = gray_levels(image, measure="BRISQUE", least=LEAST_SIDE)
    features: list[NDArray[np.float64]] = []
    masks = (None, None) if counted is None else (counted[None], half_size(counted.astype(float))[None] > 0.5)
    for level, mask in zip((gray, half_size(gray)), masks, strict=True):
        normalized = normalize(level, "zero")[0][None]
        features += fit_symmetric(_among(normalized, mask))
        pairs = [None] * 4 if mask is None else [both > 0 for both in pair_products(mask.astype(float))]
        for product, both in zip(pair_products(normalized), pairs, strict=True):
            fit = fit_asymmetric(_among(product, both))
            features += [fit.shape, fit.mean, fit.left_deviation**2, fit.right_deviation**2]
    found = np.concatenate(features)
    if not np.isfinite(found).all():
        raise MeasureError("BRISQUE has no score for this image: too little of it has structure.")
    return found


def _among(values: NDArray[np.float64], mask: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    """Values of shape (1, H, W), or (1, K) of those that count."""
    if mask is None:
        return values
    if not mask.any():
        raise MeasureError("BRISQUE has no score for this image: too little of it is visible.")
    return values[mask][None]
