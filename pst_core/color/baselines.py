"""Colour transfer without a network: Reinhard's, linear, by histograms, and of luminance alone.

Images are RGB on [0, 1], and are worked on as they are stored, gamma and all, as the papers do. Whole images
are changed, without regions. What grows with the image are the result and, for histograms, 8-bit copies.
Arrays of other shapes than those stated raise `ValueError`.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pst_core.errors import ImageError
from pst_core.shapes import expect_shapes

Floats = NDArray[np.floating]
Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
Counted = tuple[Mask | None, Mask | None]

ALL: Counted = (None, None)  # pixels count, of both pictures
STRIP_PIXELS = 1 << 18
DARKEST = 1 / 255  # logarithms need a floor: the darkest level of 8 bits that is not black
NOISE = 1e-5  # variance on [0, 1] squared: covariances have an inverse
FLAT = 1e-6  # a deviation below this is rounding, and has no shape to stretch
RGB_TO_LMS = np.array([[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]])
LMS_TO_LAB = np.diag([3**-0.5, 6**-0.5, 2**-0.5]) @ np.array([[1, 1, 1], [1, 1, -2], [1, -1, 0]])
# Not the paper's four digits of the inverse, with which even an unchanged image comes back changed.
LMS_TO_RGB, LAB_TO_LMS = np.linalg.inv(RGB_TO_LMS), np.linalg.inv(LMS_TO_LAB)
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # Y of YIQ


def reinhard(content: Floats, style: Floats, counted: Counted = ALL) -> Image:
    """Give the content the style's mean and deviation on each axis of l-alpha-beta (Reinhard et al. 2001).

    Parameters
    ----------
    content, style : ndarray, shape (3, H, W) and (3, H', W')
        Levels below 1/255 count as 1/255, for the space is logarithmic.
    counted : pair of ndarray of bool, shape (H, W) and (H', W'), or None
        Which pixels of content and style count; None counts all. Every pixel is moved.

    Returns
    -------
    ndarray of float32, shape (3, H, W)
        Clipped to [0, 1]. An axis on which the content has no deviation is only moved.

    Examples
    --------
    >>> import numpy as np
    >>> content = np.random.default_rng(0).random((3, 40, 60))
    >>> dusk = np.full((3, 20, 20), 0.3)
    >>> dusk[2] = 0.6
    >>> reinhard(content, dusk)[:, 7, 9].round(3)
    array([0.3, 0.3, 0.6], dtype=float32)
    """
    expect_shapes("content: 3 H W, style: 3 h w", content, style)
    (mean, deviation), (target_mean, target_deviation) = (
        _moments(image, mask) for image, mask in zip((content, style), counted, strict=True)
    )
    flat = deviation < FLAT
    gain = np.where(flat, 1, target_deviation / np.where(flat, 1, deviation))
    result = np.empty(content.shape, np.float32)
    for rows in _strips(content):
        lab = gain * (_to_lab(content[:, rows]) - mean) + target_mean
        rgb = 10 ** (lab @ LAB_TO_LMS.T) @ LMS_TO_RGB.T
        result[:, rows] = np.clip(rgb.T, 0, 1).reshape(result[:, rows].shape)
    return result


def _strips(image: Floats) -> Iterator[slice]:
    """Rows of an image, so many at a time that memory is bounded."""
    _, height, width = image.shape
    step = max(1, STRIP_PIXELS // width)
    return (slice(top, min(top + step, height)) for top in range(0, height, step))


def _to_lab(image: Floats) -> NDArray[np.float64]:
    """Colours of an image in l-alpha-beta, shape (pixels, 3)."""
    colors = np.maximum(image.reshape(3, -1).T, DARKEST)
    lab: NDArray[np.float64] = np.log10(colors @ RGB_TO_LMS.T) @ LMS_TO_LAB.T
    return lab


def _moments(image: Floats, counted: Mask | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and deviation of what counts on each axis of l-alpha-beta."""

    def strips() -> Iterator[NDArray[np.float64]]:
        for rows in _strips(image):
            yield _to_lab(image[:, rows] if counted is None else image[:, rows][:, counted[rows]])

    count = image[0].size if counted is None else np.count_nonzero(counted)
    mean = sum(lab.sum(axis=0) for lab in strips()) / count
    squares = sum(np.square(lab - mean).sum(axis=0) for lab in strips())
    return mean, np.sqrt(squares / count)


def linear(content: Floats, style: Floats, counted: Counted = ALL) -> Image:
    """Give the content the style's mean and covariance by the linear map that moves colours least.

    Pitie and Kokaram (2007), "The linear Monge-Kantorovitch linear colour mapping for example-based colour
    transfer", equation 11, over the whole image, and as it stands: no direction's gain is limited.

    Parameters
    ----------
    content, style : ndarray, shape (3, H, W) and (3, H', W')
    counted : pair of ndarray of bool, shape (H, W) and (H', W'), or None
        Which pixels of content and style count; None counts all. Every pixel is moved.

    Returns
    -------
    ndarray of float32, shape (3, H, W)
        Clipped to [0, 1].
    """
    expect_shapes("content: 3 H W, style: 3 h w", content, style)
    (mean, spread), (target_mean, target_spread) = (
        _spread(image.reshape(3, -1) if mask is None else image[:, mask])
        for image, mask in zip((content, style), counted, strict=True)
    )
    root = _matrix_root(spread)
    inverse = np.linalg.inv(root)
    gain = inverse @ _matrix_root(root @ target_spread @ root) @ inverse
    shift = (target_mean - gain @ mean).astype(np.float32)
    moved = np.tensordot(gain.astype(np.float32), np.asarray(content, np.float32), 1)
    moved += shift[:, None, None]
    return np.clip(moved, 0, 1, out=moved)


def _spread(colors: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and covariance of colours of shape (3, N); of a flat image, with a little noise."""
    return colors.mean(axis=1, dtype=np.float64), np.cov(colors, ddof=0, dtype=np.float64) + NOISE * np.eye(3)


def _matrix_root(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(matrix)
    root: NDArray[np.float64] = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return root


def match_histograms(content: Floats, style: Floats, counted: Counted = ALL) -> Image:
    """Give each channel of the content the style's cumulative histogram, by scikit-image.

    Parameters
    ----------
    content, style : ndarray, shape (3, H, W) and (3, H', W')
        Their histograms are those of 8-bit levels.
    counted : pair of ndarray of bool, shape (H, W) and (H', W'), or None
        Which pixels of content and style count; None counts all. Every pixel is moved.

    Returns
    -------
    ndarray of float32, shape (3, H, W)
        On [0, 1]; the levels that those of the content become are not rounded to 8 bits again.
    """
    from skimage import exposure

    expect_shapes("content: 3 H W, style: 3 h w", content, style)
    result = np.empty(content.shape, np.float32)
    for matched, *channels in zip(result, content, style, strict=True):
        # One channel at a time: given all three, scikit-image cuts results off to whole levels.
        levels = [_levels(channel) for channel in channels]
        here, there = (
            each.ravel() if mask is None else each[mask] for each, mask in zip(levels, counted, strict=True)
        )
        moved = exposure.match_histograms(here, there) / 255
        if counted[0] is not None:  # what does not count goes where its level would, between those that do
            known, first = np.unique(here, return_index=True)
            moved = np.interp(levels[0].ravel(), known, moved[first])
        matched[:] = moved.reshape(matched.shape)
    return result


def _levels(channel: Floats) -> NDArray[np.uint8]:
    return np.round(np.clip(channel, 0, 1) * 255).astype(np.uint8)


def luminance_of(image: Floats) -> Image:
    """Luminance Y of YIQ, shape (H, W), of an image of shape (3, H, W)."""
    expect_shapes("image: 3 H W", image)
    luminance: Image = np.tensordot(LUMINANCE, np.asarray(image, np.float32), 1)
    return luminance


def in_gray(image: Floats) -> Image:
    """An image of shape (3, H, W) without its colours: its luminance, three times."""
    return np.repeat(luminance_of(image)[None], 3, axis=0)


def match_luminance(style: Floats, content: Floats, counted: Counted = ALL) -> Image:
    """The style's luminance, moved to the mean and deviation of the content's, in gray.

    Gatys et al. (2017), "Controlling perceptual factors in neural style transfer", section 5.1:
    L' = sigma_C / sigma_S (L_S - mu_S) + mu_C, so that the style is transferred between luminances that are
    alike. What comes of it takes its colours from the content, by `with_color_of`.

    Parameters
    ----------
    style, content : ndarray, shape (3, H, W) and (3, H', W')
    counted : pair of ndarray of bool, shape (H, W) and (H', W'), or None
        Which pixels of style and content count; None counts all. Every pixel is moved.

    Returns
    -------
    ndarray of float32, shape (3, H, W)
        Three equal channels, clipped to [0, 1]. A style without any deviation is only moved.
    """
    expect_shapes("style: 3 H W, content: 3 h w", style, content)
    moved, there = luminance_of(style), luminance_of(content)
    (mean, deviation), (target_mean, target_deviation) = (
        (values.mean(dtype=np.float64), values.std(dtype=np.float64))
        for values in (
            each if mask is None else each[mask] for each, mask in zip((moved, there), counted, strict=True)
        )
    )
    moved -= np.float32(mean)
    moved *= np.float32(target_deviation / deviation if deviation > FLAT else 1)
    moved += np.float32(target_mean)
    return np.repeat(np.clip(moved, 0, 1, out=moved)[None], 3, axis=0)


def with_color_of(content: Floats, result: Floats) -> Image:
    """The result's luminance with the content's chrominance (Gatys et al. 2017, section 5.1).

    Parameters
    ----------
    content, result : ndarray, shape (3, H, W)

    Returns
    -------
    ndarray of float32, shape (3, H, W)
        Clipped to [0, 1].

    Raises
    ------
    ImageError
        If the two are of different sizes.
    """
    expect_shapes("content: 3 H W, result: 3 h w", content, result)
    if content.shape != result.shape:
        sizes = ["x".join(map(str, image.shape[:0:-1])) for image in (content, result)]
        raise ImageError(
            f"Colours can be kept only from a content of the result's size, {sizes[1]}, not {sizes[0]}: "
            f"resize one of them."
        )
    # To add to Y alone, I and Q as they are, is to add the same to red, green and blue.
    moved = np.array(content, np.float32)
    moved += luminance_of(result) - luminance_of(content)
    return np.clip(moved, 0, 1, out=moved)
