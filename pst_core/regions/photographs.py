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
from pst_core.regions.labels import Labels, Regions, display_colors, match_regions
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
    content: Floats, style: Floats, encoder: Encoder, settings: FoundRegionSettings
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

    Raises
    ------
    MapError
        If no region is found in both.
    """
    small = [_shrink(pixels, encoder) for pixels in (content, style)]
    shapes = [(max(1, image.shape[1] // CELL), max(1, image.shape[2] // CELL)) for image in small]
    evidence = _evidence(small, shapes, encoder)
    cells = shapes[0][0] * shapes[0][1]
    labels = _cluster(evidence, cells, settings)
    count = int(labels.max()) + 1
    maps = [
        _full_size(part.reshape(shape), count, image, pixels)
        for part, shape, image, pixels in zip(
            (labels[:cells], labels[cells:]), shapes, small, (content, style), strict=True
        )
    ]
    names = ("the content photograph", "the style photograph")
    found = Regions(maps[0], maps[1], display_colors(count), "cluster")
    return match_regions(found, names, "ask for fewer regions, or give maps")


def _shrink(pixels: Floats, encoder: Encoder) -> Tensor:
    image = torch.from_numpy(pixels)
    size = fit_size(image.shape[1], image.shape[2], GRID, encoder.least_side)
    return resize(image, size).clamp(0, 1).to(encoder.device)


def _evidence(small: list[Tensor], shapes: list[tuple[int, int]], encoder: Encoder) -> Rows:
    """One row a cell of content and style: position, colour, and principal components of features."""
    from sklearn.decomposition import PCA

    features = np.concatenate(
        [_standardised(_features(image, shape, encoder)) for image, shape in zip(small, shapes, strict=True)]
    )
    components = PCA(min(COMPONENTS, *features.shape), svd_solver="full").fit_transform(features)
    components *= WEIGHT_FEATURES / max(np.sqrt(components.var(axis=0).sum()), 1e-9)
    plain = np.concatenate(
        [_position_and_color(image, shape) for image, shape in zip(small, shapes, strict=True)]
    )
    return np.concatenate([plain, components], axis=1)


@torch.no_grad()
def _features(image: Tensor, shape: tuple[int, int], encoder: Encoder) -> Rows:
    layers = sorted(encoder.layers & {"conv2_1", "conv3_1", "conv4_1"}) or sorted(encoder.layers)
    maps = encoder(image[None])
    cells = [functional.adaptive_avg_pool2d(maps[layer].float(), shape) for layer in layers]
    rows: Rows = torch.cat(cells).flatten(1).T.cpu().double().numpy()
    return rows


def _position_and_color(image: Tensor, shape: tuple[int, int]) -> Rows:
    from skimage.color import rgb2lab

    cells = functional.adaptive_avg_pool2d(image, shape).cpu().double().numpy()
    lab = _standardised(rgb2lab(np.moveaxis(cells, 0, -1)).reshape(-1, 3)) * (WEIGHT_COLOR / 3**0.5)
    rows, columns = np.meshgrid(np.linspace(-1, 1, shape[0]), np.linspace(-1, 1, shape[1]), indexing="ij")
    position = np.stack([WEIGHT_ROW * rows.ravel(), WEIGHT_COLUMN * columns.ravel()], axis=1)
    return np.concatenate([position, lab], axis=1)


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
