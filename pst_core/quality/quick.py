"""Similarity and colour distance on some of the pixels: quick enough for every picture that is made."""

import numpy as np
from numpy.typing import NDArray

from pst_core.quality.distances import WINDOW, color_distance, structural_similarity
from pst_core.regions.labels import Labels, Mask, Regions, shares

Floats = NDArray[np.float32]

SSIM_SIDE = 1024  # pixels: SSIM's window sees detail of about this size; the paper's pictures are 700 wide
COLOR_PIXELS = 20_000  # of a regular grid: enough for the distance to stand to 1 %


def quick_similarity(image: Floats, content: Floats, counted: Mask | None = None) -> float:
    """SSIM on every n-th pixel, so that the long side is about 1024; up to there, SSIM itself.

    Parameters
    ----------
    image, content : ndarray, shape (3, H, W)
        On [0, 1].
    counted : ndarray of bool, shape (H, W), optional
        Which pixels count; all unless given.

    Raises
    ------
    PstError
        Nothing of it counts, or less than 11 pixels a side are left.
    """
    step = -(-max(content.shape[1:]) // SSIM_SIDE)
    step = max(1, min(step, min(content.shape[1:]) // WINDOW))  # a strip is to hold SSIM's window
    here, there = (np.ascontiguousarray(each[:, ::step, ::step]) for each in (image, content))
    return structural_similarity(here, there, None if counted is None else counted[::step, ::step])


def quick_color_distance(image: Floats, style: Floats, regions: Regions) -> float:
    """Colour distance, region by region, on a regular grid of about 20,000 pixels of each picture.

    Parameters
    ----------
    image, style : ndarray, shape (3, H, W) and (3, H', W')
        On [0, 1], at the sizes of the regions' label maps.

    Raises
    ------
    PstError
        The grid meets no region that both have.
    """
    here, there = _grid(image, regions.content), _grid(style, regions.style)
    on_grid = [shares(labels, regions.count) > 0 for _, labels in (here, there)]
    matched = regions.matched & on_grid[0] & on_grid[1]
    return color_distance(here[0], there[0], here[1], there[1], matched=matched)


def undivided(regions: Regions) -> Regions:
    """Both pictures as one region."""
    content, style = (np.minimum(labels, 0) for labels in (regions.content, regions.style))  # NOWHERE stays
    return Regions(content, style, regions.colors[:1])


def _grid(image: Floats, labels: Labels) -> tuple[Floats, Labels]:
    step = max(1, round((labels.size / COLOR_PIXELS) ** 0.5))
    return image[:, ::step, ::step], labels[::step, ::step]
