"""Regions of two photographs from their evidence: their backdrops, and what else clusters alike in both.

Colours and features are standardised within each photograph, or its part, so that a field by day and one by
dusk can fall into one cluster: what counts is how a cell stands out from what is around it.
"""

from typing import NamedTuple

import numpy as np

from pst_core.regions.backdrops import Pair, learn_backdrops
from pst_core.regions.confidence import confidence_of, separations, several_surfaces
from pst_core.regions.evidence import Evidence, Rows, standardised
from pst_core.regions.labels import Labels, Mask

COMPONENTS = 8  # principal components kept of the encoder's features
MOST_PARTS = 3  # of what stands before the backdrops, and of photographs without one
LEAST_SHARE = 0.06  # of each photograph, for a part that was found
LEAST_BACKDROP = 0.1  # of each photograph, for its backdrop and for what stands before it
LEAST_SEPARATION = 0.05  # of a part that was found, see `separations`
# How much each kind of evidence counts. Height tells sky from ground; where things stand from left to right
# differs from photograph to photograph.
WEIGHT_ROW, WEIGHT_COLUMN, WEIGHT_COLOR, WEIGHT_FEATURES, WEIGHT_BACKDROP = 1.0, 0.2, 0.8, 1.0, 2.0

Masks = tuple[Mask, Mask]
CellLabels = tuple[Labels, Labels]


class Clustered(NamedTuple):
    """Regions of cells.

    Attributes
    ----------
    labels : pair of ndarray of int16, shape (K,)
        Of the cells that count, row by row; a region means the same in both photographs.
    confidence : float
        How far to trust that it does, on [0, 1].
    """

    labels: CellLabels
    confidence: float


def cluster_pair(pair: Pair, regions: int | None, seed: int) -> Clustered:
    """Give each cell that counts a region.

    Parameters
    ----------
    pair : pair of Evidence
        Of content and style.
    regions
        R, exactly; found if not given.
    """
    learnt = learn_backdrops(pair)
    seen = pair[0].seen, pair[1].seen
    rows = standing(learnt.pair, seen)
    if regions:
        return Clustered(_clusters(rows, regions, seed), 1.0)
    before = seen[0] & ~learnt.behind[0], seen[1] & ~learnt.behind[1]
    if min(_shares(learnt.behind, seen) + _shares(before, seen)) < LEAST_BACKDROP:
        parts = _parts(learnt.pair, seen, seed)
        return Clustered(parts, _confidence(pair, rows, parts, learnt.stability))
    layers = before[0][seen[0]].astype(np.int16), before[1][seen[1]].astype(np.int16)
    parts = _parts(learnt.pair, before, seed)
    contrast = min(each.contrast for each in pair)
    return Clustered(
        (_joined(layers[0], parts[0]), _joined(layers[1], parts[1])),
        _confidence(pair, rows, layers, learnt.stability, contrast),
    )


def _confidence(
    pair: Pair, rows: tuple[Rows, Rows], labels: CellLabels, stability: float, contrast: float = 1.0
) -> float:
    """Confidence in regions of all cells; there is nothing to doubt about one."""
    count = 1 + int(max(side.max() for side in labels))
    if count == 1:
        return 1.0
    separation = float(separations(rows, labels, count).min())
    several = min(several_surfaces(each.contrast, each.variety) for each in pair)
    colored, strip = all(each.colored for each in pair), any(each.strip for each in pair)
    return confidence_of(separation, contrast, stability, several=several, colored=colored, strip=strip)


def standing(pair: Pair, parts: Masks) -> tuple[Rows, Rows]:
    """How the cells of a part of each photograph stand out from it: a row a cell.

    Position, colour, backdrop, and principal components of features.
    """
    from sklearn.decomposition import PCA

    features = [standardised(each.features[part.ravel()]) for each, part in zip(pair, parts, strict=True)]
    both = np.concatenate(features)
    components = PCA(min(COMPONENTS, *both.shape), svd_solver="covariance_eigh").fit_transform(both)
    components *= WEIGHT_FEATURES / max(np.sqrt(components.var(axis=0).sum()), 1e-9)
    cut = len(features[0])
    content, style = (
        np.concatenate([_plain(each, part), deep], axis=1)
        for each, part, deep in zip(pair, parts, (components[:cut], components[cut:]), strict=True)
    )
    return content, style


def _plain(evidence: Evidence, part: Mask) -> Rows:
    """Position, colour and backdrop of the cells of a part."""
    rows, columns = np.meshgrid(*(np.linspace(-1, 1, side) for side in part.shape), indexing="ij")
    position = [WEIGHT_ROW * rows[part], WEIGHT_COLUMN * columns[part]]
    colors = standardised(evidence.lab[:, part].T) * (WEIGHT_COLOR / 3**0.5)
    return np.column_stack([*position, colors, WEIGHT_BACKDROP * evidence.backdrop[part]])


def _shares(parts: Masks, seen: Masks) -> list[float]:
    """Share of each photograph in its part."""
    return [float(part.sum() / whole.sum()) for part, whole in zip(parts, seen, strict=True)]


def _joined(layers: Labels, parts: Labels) -> Labels:
    """Region 0 for the backdrop, then the parts of what stands before it."""
    labels = layers.copy()
    labels[layers == 1] = parts + 1
    return labels


def _parts(pair: Pair, parts: Masks, seed: int) -> CellLabels:
    """Clusters of a part of each photograph: as many as have a fair share of both and find each other.

    One where either is gray: clusters of texture and place alone take their colours at random.
    """
    rows = standing(pair, parts)
    most = MOST_PARTS if all(each.colored for each in pair) else 1
    for count in range(most, 1, -1):
        labels = _clusters(rows, count, seed)
        shares = [
            _least(side, count) * side.size / each.seen.sum() for side, each in zip(labels, pair, strict=True)
        ]
        if min(shares) >= LEAST_SHARE and separations(rows, labels, count).min() >= LEAST_SEPARATION:
            return labels
    return np.zeros(len(rows[0]), np.int16), np.zeros(len(rows[1]), np.int16)


def _least(labels: Labels, count: int) -> float:
    return float(np.bincount(labels, minlength=count).min() / labels.size)


def _clusters(rows: tuple[Rows, Rows], count: int, seed: int) -> CellLabels:
    """k-means over the cells of both photographs."""
    from sklearn.cluster import KMeans

    both, cut = np.concatenate(rows), len(rows[0])
    fitted = KMeans(min(count, len(both)), n_init=3, random_state=seed % 2**32).fit(both)
    labels = fitted.labels_.astype(np.int16)
    return labels[:cut], labels[cut:]
