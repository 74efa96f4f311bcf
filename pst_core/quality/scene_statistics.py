"""What photographs have in common: the statistics of their normalised luminance, for BRISQUE and NIQE.

References
----------
A. Mittal, A. K. Moorthy, A. C. Bovik: No-reference image quality assessment in the spatial domain, IEEE
Transactions on Image Processing 21 (12), 2012.
N.-E. Lasmar, Y. Stitou, Y. Berthoumieu: Multiscale skewed heavy tailed model for texture analysis, ICIP 2009.
"""

from functools import cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pst_core.errors import PstError
from pst_core.quality.distances import GRAY

Floats = NDArray[np.float64]

WINDOW, SIGMA = 7, 7 / 6  # pixels, of the local mean and deviation
ROUNDING = 1e-8  # a normalised luminance below this is the rounding of a flat area
SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))  # rows, columns; going round, (1, -1) and (-1, 1) are the same
SHAPES = np.arange(0.2, 10.0005, 0.001)  # LIVE's range for a shape


class MeasureError(PstError):
    """A picture has no score by a measure: too small, without structure, or not made of numbers."""


class Asymmetric(NamedTuple):
    """Asymmetric generalised Gaussian distributions, one an entry; NaN where there was nothing to fit.

    Attributes
    ----------
    shape : ndarray, shape (P,)
        2 is a Gaussian, 1 a Laplacian.
    mean : ndarray, shape (P,)
        Mittal et al. 2012, equation 11.
    left_deviation, right_deviation : ndarray, shape (P,)
        Root mean squares of the values below and above zero.
    left_scale, right_scale : ndarray, shape (P,)
        The distribution's beta on either side.
    """

    shape: Floats
    mean: Floats
    left_deviation: Floats
    right_deviation: Floats
    left_scale: Floats
    right_scale: Floats


def gray_levels(image: NDArray[np.floating], *, measure: str, least: int) -> Floats:
    """Whole gray levels from 0 to 255, by MATLAB's weights, of a picture that can be measured.

    Parameters
    ----------
    image : ndarray, shape (3, H, W)
        sRGB on [0, 1]; read as the 8-bit picture that a file would hold.
    measure
        Name for the error.
    least
        Pixels that either side must have.

    Returns
    -------
    ndarray, shape (H, W)
    """
    if image.ndim != 3 or len(image) != 3:
        raise MeasureError(f"{measure} needs an image of shape (3, H, W), not {image.shape}.")
    if min(image.shape[1:]) < least:
        height, width = image.shape[1:]
        raise MeasureError(
            f"{measure} needs at least {least}x{least} pixels: this image has {width}x{height}."
        )
    if not np.isfinite(image).all():
        raise MeasureError(f"{measure} needs an image of numbers: this one has NaN or infinite values.")
    levels = np.rint(image.clip(0, 1) * 255)
    gray: Floats = np.rint(np.tensordot(GRAY, levels, 1))
    if gray.min() == gray.max():
        raise MeasureError(f"{measure} needs structure: this image has one gray level everywhere.")
    return gray


def normalize(gray: Floats, border: Literal["zero", "replicate"]) -> tuple[Floats, Floats]:
    """Mean-subtracted, contrast-normalised luminance and the local deviation (equations 1 to 3).

    Parameters
    ----------
    gray : ndarray, shape (H, W)
        On [0, 255]: the constant C = 1 belongs to this range.
    border
        What lies beyond the edge: BRISQUE has zeros, NIQE the nearest pixel.

    Returns
    -------
    normalized, deviation : ndarray, shape (H, W)
    """
    import cv2

    kernel = cv2.getGaussianKernel(WINDOW, SIGMA, cv2.CV_64F)
    beyond = cv2.BORDER_CONSTANT if border == "zero" else cv2.BORDER_REPLICATE
    mean = cv2.sepFilter2D(gray, -1, kernel, kernel, borderType=beyond)
    square = cv2.sepFilter2D(gray * gray, -1, kernel, kernel, borderType=beyond)
    deviation: Floats = np.sqrt(np.abs(square - mean * mean))
    normalized: Floats = (gray - mean) / (deviation + 1)
    normalized[np.abs(normalized) < ROUNDING] = 0
    return normalized, deviation


def half_size(gray: Floats) -> Floats:
    """Shrink to half, rounded up, by the antialiased bicubic kernel (a = -0.5), as MATLAB's imresize does.

    Parameters
    ----------
    gray : ndarray, shape (H, W)
        Mirrored at the edges.
    """
    import cv2

    distance = np.abs(np.arange(-3.5, 4)) / 2  # a result's centre lies between two pixels
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    kernel = np.where(distance <= 1, near, far)
    kernel /= kernel.sum()
    smooth = cv2.sepFilter2D(gray, -1, kernel, kernel, anchor=(3, 3), borderType=cv2.BORDER_REFLECT)
    return np.ascontiguousarray(smooth[::2, ::2])


def pair_products(normalized: Floats) -> list[Floats]:
    """Products with the neighbour to the right, below, and on both diagonals, going round at the edges.

    Parameters
    ----------
    normalized : ndarray, shape (P, h, w)
        Patches, each going round by itself.

    Returns
    -------
    list of ndarray, shape (P, h, w)
        Equations 7 to 10.
    """
    return [normalized * np.roll(normalized, shift, (1, 2)) for shift in SHIFTS]


def fit_symmetric(values: Floats) -> tuple[Floats, Floats]:
    """Fit generalised Gaussians of mean zero by matching moments (equations 4 to 6).

    Parameters
    ----------
    values : ndarray, shape (P, ...)

    Returns
    -------
    shape, variance : ndarray, shape (P,)
    """
    flat = values.reshape(len(values), -1)
    variance = np.vecdot(flat, flat) / flat.shape[1]
    return _shape_of(np.abs(flat).mean(axis=1) ** 2, variance), variance


def fit_asymmetric(values: Floats) -> Asymmetric:
    """Fit asymmetric generalised Gaussians of mode zero by matching moments (Lasmar et al. 2009).

    Parameters
    ----------
    values : ndarray, shape (P, ...)
    """
    from scipy.special import gamma

    flat = values.reshape(len(values), -1)
    below, above = np.minimum(flat, 0), np.maximum(flat, 0)
    squares = [np.vecdot(side, side) for side in (below, above)]
    with np.errstate(divide="ignore", invalid="ignore"):  # a side without values gives NaN
        left, right = (
            np.sqrt(square / np.count_nonzero(side, axis=1))
            for square, side in zip(squares, (below, above), strict=True)
        )
        balance = left / right
        skew = (balance**3 + 1) * (balance + 1) / (balance**2 + 1) ** 2
        absolute = (above.sum(axis=1) - below.sum(axis=1)) / flat.shape[1]
        shape = _shape_of(skew * absolute**2, (squares[0] + squares[1]) / flat.shape[1])
    scale = np.sqrt(gamma(1 / shape) / gamma(3 / shape))
    mean = (right - left) * scale * gamma(2 / shape) / gamma(1 / shape)
    return Asymmetric(shape, mean, left, right, left * scale, right * scale)


def _shape_of(squared_mean: Floats, mean_square: Floats) -> Floats:
    """Shape whose distribution has this ratio of E|x|^2 to E(x^2), between the ends of `SHAPES`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = squared_mean / mean_square
    shape: Floats = np.interp(ratio, _ratios(), SHAPES)
    return np.where(np.isnan(ratio), np.nan, shape)


@cache
def _ratios() -> Floats:
    """Gamma(2/a)^2 / (Gamma(1/a) Gamma(3/a)) at every shape a; it grows with a."""
    from scipy.special import gamma

    ratios: Floats = gamma(2 / SHAPES) ** 2 / (gamma(1 / SHAPES) * gamma(3 / SHAPES))
    return ratios
