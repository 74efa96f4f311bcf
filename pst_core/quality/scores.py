"""A finished picture against its content and its style, quickly enough to be done for every picture."""

import numpy as np
from numpy.typing import NDArray

from pst_core.quality.distances import color_distance, structural_similarity
from pst_core.regions import Labels, Regions

__all__ = ["score_result"]

Floats = NDArray[np.float32]

SSIM_SIDE = 1024  # pixels: SSIM's window sees detail of about this size; the paper's pictures are 700 wide
COLOR_PIXELS = 20_000  # of a regular grid: enough for the distance to stand to 1 %


def score_result(image: Floats, content: Floats, style: Floats, regions: Regions) -> dict[str, float | None]:
    """Structure kept, and colours reached, with the content's own colours to compare them with.

    Parameters
    ----------
    image, content : ndarray, shape (3, H, W)
        The result and its content, on [0, 1].
    style : ndarray, shape (3, H', W')

    Returns
    -------
    dict
        ``ssim`` (on every n-th pixel so that the long side is at most 1024; None for pictures under 11
        pixels a side), ``color_distance`` region by region (None where no region has a counterpart) and
        ``color_distance_whole``, and of the content ``color_distance_before``; colour distances on a regular
        grid of about 20,000 pixels.
    """
    step = -(-max(content.shape[1:]) // SSIM_SIDE)
    small = [np.ascontiguousarray(each[:, ::step, ::step]) for each in (image, content)]
    ssim = structural_similarity(*small) if min(small[0].shape[1:]) >= 11 else None
    whole = Regions(np.zeros_like(regions.content), np.zeros_like(regions.style), regions.colors[:1])
    return {
        "ssim": ssim,
        "color_distance": _color_distance(image, style, regions),
        "color_distance_whole": _color_distance(image, style, whole),
        "color_distance_before": _color_distance(content, style, regions),
    }


def _color_distance(image: Floats, style: Floats, regions: Regions) -> float | None:
    (pixels, labels), (style_pixels, style_labels) = (
        _grid(image, regions.content),
        _grid(style, regions.style),
    )
    on_grid = [np.bincount(each.ravel(), minlength=regions.count) > 0 for each in (labels, style_labels)]
    matched = regions.matched & on_grid[0] & on_grid[1]
    if not matched.any():
        return None
    return color_distance(pixels, style_pixels, labels, style_labels, matched=matched)


def _grid(image: Floats, labels: Labels) -> tuple[Floats, Labels]:
    step = max(1, round((labels.size / COLOR_PIXELS) ** 0.5))
    return image[:, ::step, ::step], labels[::step, ::step]
