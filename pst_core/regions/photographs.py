"""Regions of two bare photographs: one clustering of both by position, colour and encoder features.

Colours and features are standardised within each photograph, so that a sky by day and a sky by dusk
can fall into one cluster: what counts is how a pixel stands out from its own photograph.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pst_core.filters.guided import upsample_through_guide
from pst_core.filters.resizing import fit_size, resize
from pst_core.network.encoder import Encoder
from pst_core.regions.labels import (
    NOWHERE,
    Labels,
    Mask,
    Regions,
    display_colors,
    given_to_nearest,
    hidden,
    match_regions,
)
from pst_core.settings.config import FoundRegionSettings

Floats = NDArray[np.float32]
Rows = NDArray[np.float64]

GRID = 256  # long side in pixels at which features are taken
CELL = 4  # pixels of that side to a clustered cell
COMPONENTS = 8  # principal components kept of the encoder's features
MOST_REGIONS = 5
LEAST_SHARE = 0.06  # of each photograph, for a found region
# How much each kind of evidence counts. Height tells sky from ground; where things stand from left to right
# differs from photograph to photograph.
WEIGHT_ROW, WEIGHT_COLUMN, WEIGHT_COLOR, WEIGHT_FEATURES = 1.0, 0.2, 0.8, 1.0
BORDER_RADIUS, BORDER_EPSILON = 3, 1e-3


def cluster_photographs(
    content: Floats,
    style: Floats,
    encoder: Encoder,
    settings: FoundRegionSettings,
    counted: tuple[Mask | None, Mask | None] = (None, None),
) -> Regions:
    """Find regions that both photographs have.

    Parameters
    ----------
    content, style : ndarray, shape (3, H, W)
        On [0, 1].
    encoder
        Its shallower style layers are used.
    settings
        ``regions`` clusters, or the most for which each covers a fair share of both photographs.
    counted : pair of ndarray of bool, shape (H, W), or None
        Which pixels of each photograph count; None counts all. The others have no say, and no region.

    Raises
    ------
    MapError
        If no region is found in both.
    """
    small = [_shrink(pixels, encoder) for pixels in (content, style)]
    seen = [_seen_cells(image, mask) for image, mask in zip(small, counted, strict=True)]
    evidence = _evidence(small, seen, encoder)
    cells = int(seen[0].sum())
    labels = _cluster(evidence, cells, settings)
    count = int(labels.max()) + 1
    maps = [
        hidden(_full_size(_on_cells(part, there), count, image, pixels), mask)
        for part, there, image, pixels, mask in zip(
            (labels[:cells], labels[cells:]), seen, small, (content, style), counted, strict=True
        )
    ]
    names = ("the content photograph", "the style photograph")
    found = Regions(maps[0], maps[1], display_colors(count), "cluster")
    return match_regions(found, names, "ask for fewer regions, or give maps")


def _shrink(pixels: Floats, encoder: Encoder) -> Tensor:
    image = torch.from_numpy(pixels)
    size = fit_size(image.shape[1], image.shape[2], GRID, encoder.least_side)
    return resize(image, size).clamp(0, 1).to(encoder.device)


def _seen_cells(image: Tensor, counted: Mask | None) -> Mask:
    """Which cells of a photograph are clustered: those that count for the larger part, or most of all."""
    shape = max(1, image.shape[1] // CELL), max(1, image.shape[2] // CELL)
    if counted is None:
        return np.ones(shape, np.bool_)
    shares = functional.adaptive_avg_pool2d(torch.from_numpy(counted).float()[None], shape)[0].numpy()
    seen: Mask = shares >= min(0.5, shares.max())
    return seen


def _on_cells(labels: Labels, seen: Mask) -> Labels:
    """Labels of all cells, shape (h, w), from those of the cells that were clustered."""
    cells = np.full(seen.shape, NOWHERE, np.int16)
    cells[seen] = labels
    return given_to_nearest(cells, seen)


def _evidence(small: list[Tensor], seen: list[Mask], encoder: Encoder) -> Rows:
    """One row a cell of content and style: position, colour, and principal components of features."""
    from sklearn.decomposition import PCA

    features = np.concatenate(
        [_standardised(_features(image, cells, encoder)) for image, cells in zip(small, seen, strict=True)]
    )
    components = PCA(min(COMPONENTS, *features.shape), svd_solver="full").fit_transform(features)
    components *= WEIGHT_FEATURES / max(np.sqrt(components.var(axis=0).sum()), 1e-9)
    plain = np.concatenate(
        [_position_and_color(image, cells) for image, cells in zip(small, seen, strict=True)]
    )
    return np.concatenate([plain, components], axis=1)


@torch.no_grad()
def _features(image: Tensor, seen: Mask, encoder: Encoder) -> Rows:
    layers = sorted(encoder.layers & {"conv2_1", "conv3_1", "conv4_1"}) or sorted(encoder.layers)
    maps = encoder(image[None])
    cells = [functional.adaptive_avg_pool2d(maps[layer].float(), seen.shape) for layer in layers]
    rows: Rows = torch.cat(cells).flatten(1).T.cpu().double().numpy()
    return _those(rows, seen)


def _position_and_color(image: Tensor, seen: Mask) -> Rows:
    from skimage.color import rgb2lab

    cells = functional.adaptive_avg_pool2d(image, seen.shape).cpu().double().numpy()
    lab = _those(rgb2lab(np.moveaxis(cells, 0, -1)).reshape(-1, 3), seen)
    rows, columns = np.meshgrid(*(np.linspace(-1, 1, side) for side in seen.shape), indexing="ij")
    position = np.stack([WEIGHT_ROW * rows[seen], WEIGHT_COLUMN * columns[seen]], axis=1)
    return np.concatenate([position, _standardised(lab) * (WEIGHT_COLOR / 3**0.5)], axis=1)


def _those(rows: Rows, seen: Mask) -> Rows:
    """Rows of the cells that are clustered; as they lie in memory where that is all of them."""
    return rows if seen.all() else rows[seen.ravel()]


def _standardised(values: Rows) -> Rows:
    """Zero mean, unit deviation per column; a constant column becomes zero."""
    centered = values - values.mean(axis=0)
    deviation = centered.std(axis=0)
    standardised: Rows = centered / np.where(deviation > 1e-9, deviation, 1)
    return standardised


def _cluster(evidence: Rows, cells: int, settings: FoundRegionSettings) -> NDArray[np.int16]:
    """Cluster; without a given R, the largest one whose clusters all matter on both sides."""
    from sklearn.cluster import KMeans

    for count in [settings.regions] if settings.regions else range(MOST_REGIONS, 1, -1):
        count_ = min(count, len(evidence))
        fit = KMeans(n_clusters=count_, n_init=3, random_state=settings.seed % 2**32).fit(evidence)
        labels: NDArray[np.int16] = fit.labels_.astype(np.int16)
        least = min(
            np.bincount(part, minlength=count_).min() / len(part) for part in (labels[:cells], labels[cells:])
        )
        if settings.regions or least >= LEAST_SHARE:
            return labels
    return np.zeros(len(evidence), dtype=np.int16)


def _full_size(labels: NDArray[np.int16], count: int, small: Tensor, pixels: Floats) -> Labels:
    """Enlarge labels through the photograph, so that borders follow its edges."""
    if count == 1:
        return np.zeros(pixels.shape[1:], dtype=np.int16)
    hot = functional.one_hot(torch.from_numpy(labels.astype(np.int64)), count).permute(2, 0, 1).float()
    coarse = resize(hot.to(small.device), (small.shape[1], small.shape[2]))
    full = upsample_through_guide(
        coarse, small, torch.from_numpy(pixels).to(small.device), BORDER_RADIUS * CELL, BORDER_EPSILON
    )
    found: Labels = full.argmax(dim=0).to(torch.int16).cpu().numpy()
    return found
