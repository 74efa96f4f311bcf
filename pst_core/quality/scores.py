"""A finished picture against its content and its style, quickly enough to be done for every picture."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pst_core.quality.brisque import brisque
from pst_core.quality.distances import color_distance, structural_similarity
from pst_core.quality.models import QualityModels
from pst_core.quality.niqe import niqe
from pst_core.quality.scene_statistics import MetricError
from pst_core.regions.labels import Labels, Regions

__all__ = ["score_naturalness", "score_result"]

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


def score_naturalness(image: Floats, models: QualityModels) -> dict[str, float | None]:
    """BRISQUE and NIQE at native size; None for a picture that is too small or too plain for them.

    Parameters
    ----------
    image : ndarray, shape (3, H, W)
    """
    return {
        "brisque": _or_none(lambda: brisque(image, models.brisque)),
        "niqe": _or_none(lambda: niqe(image, models.niqe)),
    }


def _or_none(measure: Callable[[], float]) -> float | None:
    try:
        return measure()
    except MetricError:
        return None


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
