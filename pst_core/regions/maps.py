"""Semantic maps to regions: one joint reading of both maps, so that a region means the same on both sides.

The paper (section 3) clusters "every pixel in the semantic map" with k = R. Where a map holds codes as
they stand, each code is a cluster (`label_codes`). Real maps are often anti-aliased and lossy: there the
clustering is k-means, and starts from the colours that form areas, not from those along borders.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from pst_core.errors import MapError
from pst_core.images.reading import SemanticMap
from pst_core.regions.coded import label_codes
from pst_core.regions.codes import COLOR_RADIUS, SAME_COLOR, Codes, name_of, read_together
from pst_core.regions.labels import (
    MAX_REGIONS,
    Labels,
    Regions,
    display_colors,
    given_to_nearest,
    match_regions,
    shares,
)
from pst_core.regions.outlines import without_outlines
from pst_core.regions.tables import Integers

Channels = NDArray[np.uint8]  # shape (H, W, C): red, green and blue, and 255 where there is a hole
Points = NDArray[np.float64]  # colours, shape (K, C)


def cluster_maps(
    content: SemanticMap, style: SemanticMap, *, regions: int | None = None, min_share: float = 0.005
) -> Regions:
    """Cluster the pixels of both maps together into R regions.

    Parameters
    ----------
    content, style
        The semantic maps; the regions have their sizes.
    regions
        R; found as the number of colours that cover at least `min_share` of both maps together
        if not given.

    Raises
    ------
    MapError
        If one of the maps has a single colour and the other has not, more regions are asked for than
        there are colours, or no region is found in both maps.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> content, style = np.zeros((2, 20, 30, 3), np.uint8)
    >>> content[:5], style[:, :10] = 1, 1  # a sky, by its class number
    >>> maps = [SemanticMap(colors, "", Path(name)) for colors, name in ((content, "a"), (style, "b"))]
    >>> regions = cluster_maps(*maps)
    >>> regions.names
    ('value 0', 'value 1')
    >>> regions.content_shares.tolist(), regions.style_shares.round(2).tolist()
    ([0.75, 0.25], [0.67, 0.33])
    """
    names = str(content.path), str(style.path)
    codes = read_together(content, style)
    plain = _refuse_plain(codes, names)
    if all(codes.exact):
        called = codes.names
        here, there, kept, notes = label_codes(codes, regions, min_share, names)
        shown = _shown(codes.colors[kept])
        found = _in_order_of_size(here, there, shown, [called[each] for each in kept])
    else:
        found, notes = _cluster(codes, regions, min_share, names)
    return match_regions(replace(found, notes=(*codes.notes, *plain, *notes)), names)


def scale_regions(regions: Regions, content: tuple[int, int], style: tuple[int, int]) -> Regions:
    """Bring labels to the photographs' (height, width) by their nearest neighbours."""
    return replace(regions, content=_scaled(regions.content, content), style=_scaled(regions.style, style))


def _scaled(labels: Labels, size: tuple[int, int]) -> Labels:
    if labels.shape == size:
        return labels
    rows, columns = (np.arange(to) * of // to for of, to in zip(labels.shape, size, strict=True))
    scaled: Labels = labels[rows][:, columns]
    return scaled


def _refuse_plain(codes: Codes, names: tuple[str, str]) -> tuple[str, ...]:
    """Refuse a single map without regions; two of them say that each photograph is one whole."""
    plain = [_is_plain(codes, side) for side in (0, 1)]
    if all(plain):
        return ("Both maps have a single colour: each photograph is taken as one region.",)
    for is_plain, name in zip(plain, names, strict=True):
        if is_plain:
            raise MapError(
                f"{name} has a single colour and marks no regions: "
                "paint at least two regions in it, or leave both maps out."
            )
    return ()


def _is_plain(codes: Codes, side: int) -> bool:
    """Whether a map has one colour: one code, or as many as compression makes of a colour."""
    if all(codes.exact):
        return int(np.count_nonzero(codes.counts[side] * codes.areas)) == 1
    colors, counts = _points(codes), codes.counts[side]
    middle = _weighted_median(colors, counts)
    return bool((np.linalg.norm(colors[counts > 0] - middle, axis=1) <= COLOR_RADIUS).all())


def _weighted_median(colors: Points, counts: Integers) -> Points:
    """The median of each channel where each colour counts as often as its pixels, shape (C,)."""
    order = np.argsort(colors, axis=0, kind="stable")
    below = np.cumsum(counts[order], axis=0)
    places = (below > (counts.sum() - 1) // 2).argmax(axis=0)
    median: Points = np.take_along_axis(colors, np.take_along_axis(order, places[None], axis=0), axis=0)[0]
    return median


def _points(codes: Codes) -> Points:
    """Colours on 0..255, and with holes a channel more: a hole is far from any colour."""
    colors = codes.colors.astype(np.float64)
    if colors[:, :3].max() > 255:
        colors[:, :3] = np.rint(colors[:, :3] / 257)
    return colors * [1, 1, 1, 255] if colors[:, 3].any() else colors[:, :3]


def _cluster(
    codes: Codes, regions: int | None, min_share: float, names: tuple[str, str]
) -> tuple[Regions, tuple[str, ...]]:
    """Regions by weighted k-means, for maps whose colours are only near to what was painted."""
    palette, counts = _points(codes), codes.counts.sum(axis=0)
    maps = [palette.astype(np.uint8)[places] for places in (codes.content, codes.style)]
    flat = [_flat(colors) for colors in maps]
    votes = sum(
        np.bincount(places[inside], minlength=len(palette))
        for places, inside in zip((codes.content, codes.style), flat, strict=True)
    )
    modes, notes = _modes(palette, np.asarray(votes), counts, regions, min_share)
    if regions is not None and len(modes) < regions:
        raise MapError(
            f"{regions} regions were asked for, but {names[0]} and {names[1]} have only {len(modes)} "
            f"distinct colours: ask for {len(modes)} or fewer."
        )
    labels, centers = _k_means(palette, counts, modes)
    content, style = (
        _absorb_borders(labels[places], inside)
        for places, inside in zip((codes.content, codes.style), flat, strict=True)
    )
    colors = np.zeros((len(centers), 4), np.int64)
    colors[:, : centers.shape[1]] = np.round(centers)
    colors[:, 3] = colors[:, 3] > 127
    called = [name_of(color.tolist()) for color in colors]
    if regions is None:
        content, style, lines = without_outlines(content, style, called, min_share)
        notes = (*notes, *lines)
    return _in_order_of_size(content, style, _shown(colors), called), notes


def _flat(colors: Channels) -> NDArray[np.bool_]:
    """Whether each pixel's 3x3 neighbourhood is of one colour, but for compression noise."""
    from scipy.ndimage import maximum_filter, minimum_filter

    spread = maximum_filter(colors, size=(3, 3, 1)).astype(np.int16) - minimum_filter(colors, size=(3, 3, 1))
    flat: NDArray[np.bool_] = spread.max(axis=2) <= COLOR_RADIUS
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


def _k_means(palette: Points, counts: Integers, modes: Points) -> tuple[Labels, Points]:
    """Weighted k-means over the unique colours, started at `modes`: no draw, so no seed."""
    from sklearn.cluster import KMeans

    fit = KMeans(n_clusters=len(modes), init=modes, n_init=1, max_iter=50).fit(palette, sample_weight=counts)
    return fit.labels_.astype(np.int16), fit.cluster_centers_


def _absorb_borders(labels: Labels, flat: NDArray[np.bool_]) -> Labels:
    """Give pixels of components that nowhere form an area to the nearest label that does."""
    from skimage.measure import label as components

    pieces = components(labels, connectivity=2, background=-1)
    solid = np.zeros(pieces.max() + 1, dtype=bool)
    solid[pieces[flat]] = True
    keep = solid[pieces]
    return given_to_nearest(labels, keep) if keep.any() else labels


def _shown(colors: Integers) -> NDArray[np.uint8]:
    """Colours to show codes of shape (K, 4) in: their own, if the eye can tell them apart; shape (K, 3)."""
    seen = colors[:, 3] == 0
    own, shown = colors[seen, :3], np.zeros((len(colors), 3), np.uint8)
    gray = (own == own[:, :1]).all()
    distances = np.linalg.norm(own[:, None] - own[None], axis=2) + np.diag(np.full(len(own), np.inf))
    if len(own) and (own.max() > 255 or distances.min() < (COLOR_RADIUS if gray else SAME_COLOR)):
        return display_colors(len(colors))
    shown[seen] = own
    corners = np.array(list(product((0, 255), repeat=3))[::-1])
    farthest = np.linalg.norm(corners[:, None] - own[None], axis=2).min(axis=1, initial=np.inf).argmax()
    shown[~seen] = corners[farthest]
    return shown


def _in_order_of_size(
    content: Labels, style: Labels, colors: NDArray[np.uint8], called: Sequence[str]
) -> Regions:
    """Number regions by their size, so that another palette gives the same numbers."""
    count = len(colors)
    size = shares(content, count) + shares(style, count)
    order = np.argsort(-size, kind="stable")
    order = order[size[order] > 0]
    rank = np.zeros(count, dtype=np.int16)
    rank[order] = np.arange(len(order))
    names = tuple(called[each] for each in order)
    return Regions(rank[content], rank[style], colors[order], names=names)
