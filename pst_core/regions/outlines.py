"""Outlines drawn between the regions of a map: lines that stand for no region.

Black contours of a hand-painted map, the light border round every object in PASCAL VOC's. What makes a label
an outline is not its colour: it is thin, and nearly wherever two other regions meet it lies between them.
"""

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from pst_core.regions.labels import Labels, given_to_nearest
from pst_core.regions.tables import in_each

WIDTH = 0.012  # of the long side: PASCAL VOC's borders have 5 of 500 pixels
LEAST_WIDTH = 3  # pixels
TOUCHING = 0.25  # most that other regions meet without it, as a share of how much they meet it
MOST = 0.5  # of its edge and of its pixels


def without_outlines(
    content: Labels, style: Labels, called: Sequence[str], min_share: float
) -> tuple[Labels, Labels, tuple[str, ...]]:
    """Give the lines between the regions of each map to the regions on either side.

    Parameters
    ----------
    content, style : ndarray of int16, shape (H, W)
    called
        What to call each label.
    min_share
        A label that is a region elsewhere, by this share of its map, stays one there.

    Returns
    -------
    content, style : ndarray of int16, shape (H, W)
    notes : tuple of str
        Which labels were lines.
    """
    find = partial(_without, count=len(called), min_share=min_share)
    (content, here), (style, there) = in_each(find, (content, style))
    lines = ", ".join(called[label] for label in sorted({*here, *there}))
    note = f"Lines between regions are no region, and went to those on either side: {lines}."
    return content, style, (note,) if lines else ()


def _without(labels: Labels, count: int, min_share: float) -> tuple[Labels, list[int]]:
    """One map without its outlines, and which labels these were."""
    width = max(LEAST_WIDTH, round(WIDTH * max(labels.shape)))
    found: list[int] = []
    for label in _separating(labels, count):
        line = _line(labels, label, width)
        if line is None:
            continue
        rest = (labels == label) & ~line
        if rest.sum() < min_share * labels.size:
            line |= rest
        labels = given_to_nearest(labels, ~line)
        found.append(label)
    return labels, found


def _separating(labels: Labels, count: int) -> Iterator[int]:
    """Labels that lie between the others: without them, few of those would touch."""
    meetings = np.zeros((count, count), np.int64)
    for one, other in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
        differ = one != other
        pairs = one[differ].astype(np.int64) * count + other[differ]
        meetings += np.bincount(pairs, minlength=count * count).reshape(count, count)
    meetings += meetings.T
    total = meetings.sum() // 2
    for label, own in enumerate(meetings.sum(axis=1)):
        if np.count_nonzero(meetings[label]) >= 2 and total - own <= TOUCHING * own:
            yield label


def _line(labels: Labels, label: int, width: int) -> NDArray[np.bool_] | None:
    """Where a label is no wider than `width` pixels, if most of it is a line between different others."""
    from scipy.ndimage import maximum_filter, minimum_filter

    own = labels == label
    wide = maximum_filter(minimum_filter(own, width + 1), width + 1, origin=-(1 - (width + 1) % 2))
    thin: NDArray[np.bool_] = own & ~wide
    edge = _edge(own)
    if not thin.any() or (thin & edge).sum() < MOST * edge.sum():
        return None
    reach = 2 * width + 1
    highest = maximum_filter(np.where(own, -1, labels), reach)
    lowest = minimum_filter(np.where(own, np.iinfo(np.int16).max, labels), reach)
    between = (lowest < highest)[thin]
    return thin if between.mean() >= MOST else None


def _edge(own: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels of a set that have a neighbour outside it."""
    edge = np.zeros_like(own)
    down, across = own[1:] != own[:-1], own[:, 1:] != own[:, :-1]
    edge[1:] |= down
    edge[:-1] |= down
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    return edge & own
