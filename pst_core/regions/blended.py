"""Regions of maps whose colours are only near to what was painted: anti-aliased, soft, or compressed.

The clustering is k-means, and starts from the colours that form areas, not from those along borders.
"""

from functools import partial, reduce
from itertools import product

import numpy as np
from numpy.typing import NDArray

from pst_core.errors import MapError
from pst_core.regions.codes import COLOR_RADIUS, Codes, Labelled, Points, name_of
from pst_core.regions.labels import MAX_REGIONS, Labels, given_to_nearest
from pst_core.regions.outlines import without_outlines
from pst_core.regions.tables import Flags, Integers, Places, in_each

MOST_ROUNDS = 50  # of k-means: a few are enough
MOST_DOUBTFUL = 0.2  # of a map's pixels: of more, a list takes more memory than the map

Channels = NDArray[np.uint8]  # shape (K, C): red, green and blue, and 255 where there is a hole


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
    flat = in_each(partial(in_areas, palette=palette.astype(np.uint8)), maps)
    votes = counts - sum(  # of all but those along borders, which are few
        np.bincount(places[~inside], minlength=len(palette))
        for places, inside in zip(maps, flat, strict=True)
    )
    modes, notes = _modes(palette, votes, counts, regions, min_share)
    if regions is not None and len(modes) < regions:
        raise MapError(
            f"{regions} regions were asked for, but {names[0]} and {names[1]} have only {len(modes)} "
            f"distinct colours: ask for {len(modes)} or fewer."
        )
    labels, centers = k_means(palette, counts, modes)
    content, style = in_each(lambda places, inside: _absorb_borders(labels[places], inside), maps, flat)
    colors = np.zeros((len(centers), 4), np.int64)
    colors[:, : centers.shape[1]] = np.round(centers)
    colors[:, 3] = colors[:, 3] > 127
    called = tuple(name_of(color.tolist()) for color in colors)
    if regions is None:
        content, style, lines = without_outlines(content, style, called, min_share)
        notes = (*notes, *lines)
    return Labelled(content, style, colors, called, notes)


def in_areas(places: Places, palette: Channels) -> Flags:
    """Whether each pixel's 3x3 neighbourhood is of one colour, but for compression noise; shape (H, W).

    Parameters
    ----------
    places : ndarray of int32, shape (H, W)
        Each pixel's colour, as its place in the palette.
    palette : ndarray of uint8, shape (K, C)
    """
    import cv2

    around = np.ones((3, 3), np.uint8)

    def is_flat(channel: Channels) -> Flags:
        # Channel by channel: pixels of three bytes take ten times as long.
        highest_less_lowest = cv2.morphologyEx(channel[places], cv2.MORPH_GRADIENT, around)
        flat: Flags = highest_less_lowest <= COLOR_RADIUS
        return flat

    return reduce(np.bitwise_and, in_each(is_flat, palette.T))


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


def _absorb_borders(labels: Labels, flat: Flags) -> Labels:
    """Give pixels of pieces that nowhere form an area to the nearest label that does."""
    few = flat.mean() >= 1 - MOST_DOUBTFUL
    keep = (_along_borders if few else _everywhere)(labels, flat)
    return given_to_nearest(labels, keep) if keep.any() else labels


def _everywhere(labels: Labels, flat: Flags) -> Flags:
    """Which pixels are in pieces, connected and of one label, that are flat somewhere; shape (H, W)."""
    from skimage.measure import label as components

    pieces = components(labels, connectivity=2, background=-1)
    solid = np.zeros(pieces.max() + 1, dtype=bool)
    solid[pieces[flat]] = True
    kept: Flags = solid[pieces]
    return kept


def _along_borders(labels: Labels, flat: Flags) -> Flags:
    """The same, looking at pixels that are not flat alone: in a tenth of the time where they are few."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    doubtful = np.flatnonzero(~flat)
    if not len(doubtful):
        return flat
    number = np.empty(labels.size, np.int32)
    number[doubtful] = np.arange(len(doubtful))
    touches, links = np.zeros(len(doubtful), bool), []
    for step in product((-1, 0, 1), repeat=2):
        there = _stepped(doubtful, step, labels.shape)
        alike, solid = labels.ravel()[there] == labels.ravel()[doubtful], flat.ravel()[there]
        touches |= alike & solid
        if step > (0, 0):  # the other four are the same links from their other ends
            here = np.flatnonzero(alike & ~solid)
            links.append((here, number[there[here]]))
    ends = tuple(np.concatenate(each) for each in zip(*links, strict=True))
    graph = coo_matrix((np.ones(len(ends[0]), bool), ends), (len(doubtful), len(doubtful)))
    pieces = connected_components(graph, directed=False)[1]
    kept = flat.copy()
    kept.ravel()[doubtful] = np.isin(pieces, np.unique(pieces[touches]))
    return kept


def _stepped(pixels: NDArray[np.intp], step: tuple[int, ...], shape: tuple[int, ...]) -> NDArray[np.intp]:
    """Neighbours of pixels of a flattened picture; where that would be outside, the pixel itself."""
    (height, width), (down, right) = shape, step
    rows, columns = np.divmod(pixels, width)
    inside = (rows + down >= 0) & (rows + down < height) & (columns + right >= 0) & (columns + right < width)
    return np.where(inside, pixels + down * width + right, pixels)
