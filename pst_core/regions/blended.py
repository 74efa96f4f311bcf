"""Regions of maps whose colours are only near to what was painted: anti-aliased, soft, or compressed.

The clustering is k-means, and starts from the colours that form areas, not from those along borders.
"""

import numpy as np
from numpy.typing import NDArray

from pst_core.errors import MapError
from pst_core.regions.codes import COLOR_RADIUS, Codes, Labelled, Points, name_of
from pst_core.regions.labels import MAX_REGIONS, Labels, given_to_nearest
from pst_core.regions.outlines import without_outlines
from pst_core.regions.tables import Integers

MOST_ROUNDS = 50  # of k-means: a few are enough

Channels = NDArray[np.uint8]  # shape (H, W, C): red, green and blue, and 255 where there is a hole


def cluster_codes(codes: Codes, regions: int | None, min_share: float, names: tuple[str, str]) -> Labelled:
    """Find regions by weighted k-means over the colours of both maps.

    Parameters
    ----------
    names
        What to call the maps in messages.

    Raises
    ------
    MapError
        If there are fewer colours than regions asked for.
    """
    palette, counts = codes.points, codes.counts.sum(axis=0)
    maps = codes.content, codes.style
    flat = [in_areas(palette.astype(np.uint8)[places]) for places in maps]
    votes = sum(
        np.bincount(places[inside], minlength=len(palette)) for places, inside in zip(maps, flat, strict=True)
    )
    modes, notes = _modes(palette, np.asarray(votes), counts, regions, min_share)
    if regions is not None and len(modes) < regions:
        raise MapError(
            f"{regions} regions were asked for, but {names[0]} and {names[1]} have only {len(modes)} "
            f"distinct colours: ask for {len(modes)} or fewer."
        )
    labels, centers = k_means(palette, counts, modes)
    content, style = (
        _absorb_borders(labels[places], inside) for places, inside in zip(maps, flat, strict=True)
    )
    colors = np.zeros((len(centers), 4), np.int64)
    colors[:, : centers.shape[1]] = np.round(centers)
    colors[:, 3] = colors[:, 3] > 127
    called = tuple(name_of(color.tolist()) for color in colors)
    if regions is None:
        content, style, lines = without_outlines(content, style, called, min_share)
        notes = (*notes, *lines)
    return Labelled(content, style, colors, called, notes)


def in_areas(colors: Channels) -> NDArray[np.bool_]:
    """Whether each pixel's 3x3 neighbourhood is of one colour, but for compression noise."""
    import cv2

    around = np.ones((3, 3), np.uint8)
    spread = cv2.morphologyEx(colors, cv2.MORPH_GRADIENT, around)  # the highest less the lowest
    channels = iter(np.moveaxis(spread, -1, 0))
    widest = next(
        channels
    ).copy()  # channel by channel: a maximum over so short an axis takes ten times as long
    for channel in channels:
        np.maximum(widest, channel, out=widest)
    flat: NDArray[np.bool_] = widest <= COLOR_RADIUS
    return flat


def _modes(
    palette: Points, inside: Integers, counts: Integers, regions: int | None, min_share: float
) -> tuple[Points, tuple[str, ...]]:
    """Colours that areas are painted in, most frequent first; no two nearer than COLOR_RADIUS.

    Only pixels inside areas vote, so a blend along borders (grey between black and white) is no
    colour of its own. Where a given R needs more colours than areas show, borders vote too.
    """
    votes = inside.astype(np.float64)
    enough = min_share * counts.sum()
    modes: list[Points] = []
    notes: tuple[str, ...] = ()
    free = np.ones(len(palette), dtype=bool)
    while free.any() and len(modes) < (regions or np.inf):
        if regions is not None and not (votes[free] > 0).any():
            votes = counts.astype(np.float64)
        peak = palette[np.flatnonzero(free)[np.argmax(votes[free])]]
        near = free & (np.linalg.norm(palette - peak, axis=1) <= COLOR_RADIUS)
        if regions is None and votes[near].sum() < enough:
            break
        if len(modes) == MAX_REGIONS:
            notes = (
                f"The maps have more than {MAX_REGIONS} colours of {min_share:.1%} and more: the "
                f"{MAX_REGIONS} largest are regions, the others went to those of the nearest colours.",
            )
            break
        modes.append(peak)
        free &= ~near
    return np.array(modes or [palette[np.argmax(counts)]]), notes


def k_means(points: Points, counts: Integers, centers: Points) -> tuple[Labels, Points]:
    """Weighted k-means (Lloyd 1982) started at given centres: no draw, so no seed.

    To import scikit-learn's takes longer than all else that a pair's maps need.

    Parameters
    ----------
    points : ndarray, shape (K, C)
        Different colours.
    counts : ndarray, shape (K,)
        Pixels of each: what it weighs.
    centers : ndarray, shape (R, C)
        To start from; one that no colour is nearest to stays where it is.

    Returns
    -------
    labels : ndarray of int16, shape (K,)
        The nearest centre of each.
    centers : ndarray, shape (R, C)
        Means of their colours.
    """
    labels = _nearest(points, centers)
    for _ in range(MOST_ROUNDS):
        weights = np.bincount(labels, counts, len(centers))
        sums = [np.bincount(labels, counts * channel, len(centers)) for channel in points.T]
        held = weights > 0
        centers = np.where(held[:, None], np.transpose(sums) / np.where(held, weights, 1)[:, None], centers)
        earlier, labels = labels, _nearest(points, centers)
        if (labels == earlier).all():
            break
    return labels, centers


def _nearest(points: Points, centers: Points) -> Labels:
    # |p - c|^2 without |p|^2, which is the same for every centre: a table of K by R, and not by C as well.
    nearest: Labels = ((centers**2).sum(axis=1) - 2 * points @ centers.T).argmin(axis=1).astype(np.int16)
    return nearest


def _absorb_borders(labels: Labels, flat: NDArray[np.bool_]) -> Labels:
    """Give pixels of components that nowhere form an area to the nearest label that does."""
    from skimage.measure import label as components

    pieces = components(labels, connectivity=2, background=-1)
    solid = np.zeros(pieces.max() + 1, dtype=bool)
    solid[pieces[flat]] = True
    keep = solid[pieces]
    return given_to_nearest(labels, keep) if keep.any() else labels
