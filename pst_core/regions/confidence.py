"""How far to trust that a region that was found is one in both photographs."""

import numpy as np
from numpy.typing import NDArray

from pst_core.regions.labels import Labels

Rows = NDArray[np.float64]

UNSURE_SEPARATION, SURE_SEPARATION = 0.1, 0.25  # of two regions: up to here no trust, from there full trust
UNSURE_STABILITY, SURE_STABILITY = 0.7, 0.75  # of backdrops, likewise
SURE_CONTRAST = 0.3  # between the probabilities of a backdrop and of what stands before it, for full trust
# What tells that a photograph shows more than one surface, either of them, from none to certain: contrast, as
# above, and variety (see `evidence`).
ONE_CONTRAST, SEVERAL_CONTRAST = 0.4, 0.55
ONE_VARIETY, SEVERAL_VARIETY = 0.55, 0.62
WITHOUT_COLOR, IN_STRIPS = 0.4, 0.4  # most trust where hues tell nothing, and where height or width does


def confidence_of(
    separation: float,
    contrast: float = 1.0,
    stability: float = 1.0,
    *,
    several: float = 1.0,
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
    several
        How sure it is that both photographs show more than one surface, see `several_surfaces`.
    colored
        Whether hues had their say in both photographs.
    strip
        Whether either is a strip.
    """
    trusted = (
        _between(UNSURE_SEPARATION, separation, SURE_SEPARATION),
        _between(0, contrast, SURE_CONTRAST),
        _between(UNSURE_STABILITY, stability, SURE_STABILITY),
        several,
    )
    most = (1.0 if colored else WITHOUT_COLOR) * (IN_STRIPS if strip else 1.0)
    return round(most * float(np.prod(trusted)), 4)


def several_surfaces(contrast: float, variety: float) -> float:
    """How sure it is that a photograph shows more than one surface, on [0, 1].

    On a lawn or a wall, too, one half is a little more like a backdrop than the other.

    Parameters
    ----------
    contrast
        Between the probabilities of its backdrop and of what stands before it.
    variety
        Of its texture, see `pst_core.regions.evidence.Evidence`.
    """
    return max(
        _between(ONE_CONTRAST, contrast, SEVERAL_CONTRAST), _between(ONE_VARIETY, variety, SEVERAL_VARIETY)
    )


def _between(low: float, value: float, high: float) -> float:
    """Where a value lies from low, 0, to high, 1."""
    return float(np.clip((value - low) / (high - low), 0, 1))


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
