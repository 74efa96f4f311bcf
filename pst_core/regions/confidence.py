"""How far to trust that a region that was found is one in both photographs."""

import numpy as np
from numpy.typing import NDArray

from pst_core.regions.labels import Labels

Rows = NDArray[np.float64]

SURE_SEPARATION = 0.15  # of two regions, from which they are trusted in full
SURE_CONTRAST = 0.3  # between the probabilities of a backdrop and of what stands before it, likewise
UNSURE_STABILITY = 0.7  # of backdrops, below which they are not trusted at all
SURE_STABILITY = 0.75  # and from which in full
WITHOUT_COLOR, IN_STRIPS = 0.75, 0.75  # most trust where hues tell nothing, and where height tells little


def confidence_of(
    separation: float,
    contrast: float = 1.0,
    stability: float = 1.0,
    *,
    colored: bool = True,
    strip: bool = False,
) -> float:
    """How far to trust a pair's regions, on [0, 1], for all of them alike.

    A region trusted less than its neighbours would take colours from them, and stand out as a patch.

    Parameters
    ----------
    separation
        The least of `separations`.
    contrast
        The least of both photographs, between 0 and 1.
    stability
        Of what was learnt of backdrops, between 0 and 1.
    colored
        Whether hues had their say in both photographs.
    strip
        Whether either is a strip.
    """
    doubts = (
        separation / SURE_SEPARATION,
        contrast / SURE_CONTRAST,
        (stability - UNSURE_STABILITY) / (SURE_STABILITY - UNSURE_STABILITY),
    )
    most = (1.0 if colored else WITHOUT_COLOR) * (IN_STRIPS if strip else 1.0)
    return round(most * float(np.prod(np.clip(doubts, 0, 1))), 4)


def separations(rows: tuple[Rows, Rows], labels: tuple[Labels, Labels], count: int) -> Rows:
    """How much nearer each region is to its counterpart than either is to another region's, shape (count,).

    As in a silhouette (Rousseeuw 1987), but between the photographs: 1 where the counterparts agree in full,
    0 where another region is as near, below 0 where one is nearer. 0 for what only one photograph has.

    Parameters
    ----------
    rows : pair of ndarray, shape (K, N)
        What each cell of content and style shows.
    labels : pair of ndarray of int16, shape (K,)
        The cells' regions, 0 to ``count - 1``.
    count
        At least 2.
    """
    content, style = (_means(*side, count) for side in zip(rows, labels, strict=True))
    distances = np.linalg.norm(content[:, None] - style[None], axis=2)
    own = np.diag(distances).copy()
    np.fill_diagonal(distances, np.nan)
    others = np.fmin.reduce(np.concatenate([distances, distances.T], axis=1), axis=1)
    found: Rows = np.nan_to_num(1 - own / np.maximum(others, 1e-9))
    return found


def _means(rows: Rows, labels: Labels, count: int) -> Rows:
    """Mean of each region, shape (count, N); NaN for one that has no cell."""
    sums = np.zeros((count, rows.shape[1]))
    np.add.at(sums, labels, rows)
    sizes = np.bincount(labels, minlength=count)[:, None]
    means: Rows = np.where(sizes > 0, sums / np.maximum(sizes, 1), np.nan)
    return means
