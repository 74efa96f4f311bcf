"""NIQE: distance of a picture's patches from those of undistorted photographs, with no ratings involved.

References
----------
A. Mittal, R. Soundararajan, A. C. Bovik: Making a "completely blind" image quality analyzer, IEEE Signal
Processing Letters 20 (3), 2013.
"""

import math
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pst_core.quality.models import NiqeModel
from pst_core.quality.scene_statistics import (
    MeasureError,
    fit_asymmetric,
    gray_levels,
    half_size,
    normalize,
    pair_products,
)

Floats = NDArray[np.float64]
T = TypeVar("T", np.float64, np.bool_)

PATCH = 96  # pixels
LEAST_SIDE = 2 * PATCH  # four patches: the covariance of fewer says nothing


def niqe(image: NDArray[np.floating], model: NiqeModel, counted: NDArray[np.bool_] | None = None) -> float:
    """Score a picture; lower is better, 0 at least.

    Parameters
    ----------
    image : ndarray, shape (3, H, W)
        sRGB on [0, 1], at its native size: the score depends on scale, and rises where patches are few.
        Photographs that score 3.8 at 700 pixels score 4.1 in their middle 384x384 and 7.4 in 192x192, by
        LIVE's model: compare pictures of one size.
    model
        Mean and covariance of the features of undistorted photographs' sharp patches.
    counted : ndarray of bool, shape (H, W), optional
        Which pixels count; all unless given.

    Raises
    ------
    MeasureError
        The picture is too small, has no structure, or holds values that are no numbers.
    """
    features, _ = patch_features(image, counted)
    covariance = np.cov(features, rowvar=False)
    return gaussian_distance(model.mean, model.covariance, features.mean(axis=0), covariance)


def gaussian_distance(mean: Floats, covariance: Floats, other: Floats, other_covariance: Floats) -> float:
    """Distance of two multivariate Gaussians (Mittal et al. 2013, equation 10), by a pseudo-inverse.

    Parameters
    ----------
    mean, other : ndarray, shape (F,)
    covariance, other_covariance : ndarray, shape (F, F)
    """
    difference = mean - other
    inverse = np.linalg.pinv((covariance + other_covariance) / 2, hermitian=True)
    return math.sqrt(max(float(difference @ inverse @ difference), 0.0))


def patch_features(
    image: NDArray[np.floating], counted: NDArray[np.bool_] | None = None
) -> tuple[Floats, Floats]:
    """36 features of every patch that has structure and counts throughout, and each patch's sharpness.

    Parameters
    ----------
    image : ndarray, shape (3, H, W)
        sRGB on [0, 1]; what is beyond whole patches, to the right and below, is left out.
    counted : ndarray of bool, shape (H, W), optional
        Which pixels count; all unless given.

    Returns
    -------
    features : ndarray, shape (P, 36)
        18 at full size, then 18 at half size: shape and mean scale of the normalised luminance; then for
        each of its four pair products shape, mean, and left and right scale.
    sharpness : ndarray, shape (P,)
        Mean of the local deviation, in gray levels (equation 6).

    Raises
    ------
    MeasureError
        As for `niqe`.
    """
    gray = gray_levels(image, measure="NIQE", least=LEAST_SIDE)
    height, width = gray.shape
    gray = gray[: height // PATCH * PATCH, : width // PATCH * PATCH]
    normalized, deviation = normalize(gray, "replicate")
    half, _ = normalize(half_size(gray), "replicate")
    features = np.concatenate(
        [_features(_patches(normalized, PATCH)), _features(_patches(half, PATCH // 2))], axis=1
    )
    usable = np.isfinite(features).all(axis=1)
    if counted is not None:
        usable &= _patches(counted[: gray.shape[0], : gray.shape[1]], PATCH).all(axis=(1, 2))
    if usable.sum() < 2:
        raise MeasureError(f"NIQE needs structure in at least two patches of {PATCH}x{PATCH} pixels.")
    return features[usable], _patches(deviation, PATCH).mean(axis=(1, 2))[usable]


def _features(patches: Floats) -> Floats:
    """Features at one size, shape (P, 18), of patches of shape (P, side, side)."""
    fit = fit_asymmetric(patches)
    columns = [fit.shape, (fit.left_scale + fit.right_scale) / 2]
    for product in pair_products(patches):
        fit = fit_asymmetric(product)
        columns += [fit.shape, fit.mean, fit.left_scale, fit.right_scale]
    return np.stack(columns, axis=1)


def _patches(pixels: NDArray[T], side: int) -> NDArray[T]:
    """Cut into squares, shape (P, side, side)."""
    rows, columns = pixels.shape[0] // side, pixels.shape[1] // side
    grid = pixels.reshape(rows, side, columns, side).swapaxes(1, 2)
    return grid.reshape(rows * columns, side, side)
