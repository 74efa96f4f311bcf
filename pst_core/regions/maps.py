"""Semantic maps to regions: one joint reading of both maps, so that a region means the same on both sides.

The paper (section 3) clusters "every pixel in the semantic map" with k = R. Where a map holds codes as
they stand, each code is a cluster (`label_codes`); where it was blended or compressed, the clustering is
k-means (`cluster_codes`).
"""

from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import NDArray

from pst_core.errors import MapError
from pst_core.images.fitting import Size, at_centers
from pst_core.images.reading import SemanticMap
from pst_core.regions.blended import cluster_codes
from pst_core.regions.coded import label_codes
from pst_core.regions.codes import COLOR_RADIUS, Codes, Labelled, Points, read_together
from pst_core.regions.labels import (
    NOWHERE,
    Labels,
    Mask,
    Regions,
    display_colors,
    given_to_nearest,
    hidden,
    match_regions,
    shares,
)
from pst_core.regions.tables import Integers, in_each

SEEN_COLOR, SEEN_GRAY = 20.0, 40.0  # Euclidean, on 0..255: what the eye tells apart in a picture of regions


def cluster_maps(
    content: SemanticMap,
    style: SemanticMap,
    *,
    regions: int | None = None,
    min_share: float = 0.005,
    counted: tuple[Mask | None, Mask | None] = (None, None),
) -> Regions:
    """Cluster the pixels of both maps together into R regions.

    Parameters
    ----------
    content, style
        The semantic maps; the regions have their sizes.
    regions
        R; found as the number of colours that cover at least `min_share` of both maps together
        if not given.
    counted : pair of ndarray of bool, shape (H, W), or None
        Which pixels of each photograph count; None counts all. The others have no region.

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
    find = label_codes if all(codes.exact) else cluster_codes
    found = find(codes, regions, min_share, names)
    ordered = _in_order_of_size(_where_counted(found, counted))
    notes = (*codes.notes, *plain, *_note_on_near(codes, min_share, names), *found.notes)
    return match_regions(replace(ordered, notes=notes), names)


def scale_regions(
    regions: Regions, content: Size, style: Size, counted: tuple[Mask | None, Mask | None] = (None, None)
) -> Regions:
    """Bring labels to the photographs' (height, width) by their nearest neighbours.

    Parameters
    ----------
    counted
        As in `cluster_maps`.
    """
    return replace(
        regions,
        content=_scaled(regions.content, content, counted[0]),
        style=_scaled(regions.style, style, counted[1]),
    )


def _scaled(labels: Labels, size: Size, counted: Mask | None) -> Labels:
    if labels.shape == size:
        return labels
    if counted is not None:  # what counts is known to the pixel, and a coarse map's border is not
        return hidden(_scaled(given_to_nearest(labels, labels != NOWHERE), size, None), counted)
    rows, columns = (np.arange(to) * of // to for of, to in zip(labels.shape, size, strict=True))
    scaled: Labels = labels[rows][:, columns]
    return scaled


def _where_counted(found: Labelled, counted: tuple[Mask | None, Mask | None]) -> Labelled:
    """Labels of what counts of the photographs, at the maps' own sizes."""
    content, style = (
        hidden(labels, None if mask is None else _resized(mask, labels.shape))
        for labels, mask in zip((found.content, found.style), counted, strict=True)
    )
    return found._replace(content=content, style=style)


def _resized(mask: Mask, shape: tuple[int, ...]) -> Mask:
    rows, columns = (at_centers(of, to) for of, to in zip(mask.shape, shape, strict=True))
    resized = mask[rows][:, columns]
    return resized if resized.any() else np.ones_like(resized)  # of a coarse map that misses it, all counts


def _refuse_plain(codes: Codes, names: tuple[str, str]) -> tuple[str, ...]:
    """Refuse a single map without regions; two of them say that each photograph is one whole."""
    plain = [_is_plain(codes, side) for side in (0, 1)]
    if all(plain):
        return ("Both maps have a single colour: each photograph is taken as one region.",)
    for side, name in enumerate(names):
        if plain[side]:
            raise MapError(f"{name} {_why_plain(codes, side, names[1 - side])}, or leave both maps out.")
    return ()


def _why_plain(codes: Codes, side: int, other: str) -> str:
    """What is wrong with a map in which no regions are found, and the way out."""
    if np.count_nonzero(codes.counts[side]) == 1 or all(codes.exact):
        return "has a single colour and marks no regions: paint at least two regions in it"
    if codes.exact[side]:
        return (
            f"has colours or class numbers too near each other to be found again in {other}, which is "
            f"blended or compressed: save {other} as a PNG without soft edges"
        )
    return (
        "has a single colour, as far as a blended or compressed map tells, and marks no regions: "
        "paint at least two regions in it, save class numbers as a PNG"
    )


def _note_on_near(codes: Codes, min_share: float, names: tuple[str, str]) -> tuple[str, ...]:
    """A note where one map holds codes that the other one is too coarse for."""
    if codes.exact[0] == codes.exact[1]:
        return ()
    side = codes.exact.index(True)
    large = codes.areas & (codes.counts[side] >= min_share * codes.counts[side].sum())
    colors = codes.points[large]
    distances = np.linalg.norm(colors[:, None] - colors[None], axis=2)
    if not ((distances > 0) & (distances <= COLOR_RADIUS)).any():
        return ()
    return (
        f"{names[1 - side]} is blended or compressed, so near colours are taken for one in {names[side]}, "
        "too: save both as PNG without soft edges to keep them apart.",
    )


def _is_plain(codes: Codes, side: int) -> bool:
    """Whether a map has one colour: one code, or as many as compression makes of a colour."""
    if all(codes.exact):
        return int(np.count_nonzero(codes.counts[side] * codes.areas)) == 1
    colors, counts = codes.points, codes.counts[side]
    middle = _weighted_median(colors, counts)
    return bool((np.linalg.norm(colors[counts > 0] - middle, axis=1) <= COLOR_RADIUS).all())


def _weighted_median(colors: Points, counts: Integers) -> Points:
    """The median of each channel where each colour counts as often as its pixels, shape (C,)."""
    order = np.argsort(colors, axis=0, kind="stable")
    below = np.cumsum(counts[order], axis=0)
    places = (below > (counts.sum() - 1) // 2).argmax(axis=0)
    median: Points = np.take_along_axis(colors, np.take_along_axis(order, places[None], axis=0), axis=0)[0]
    return median


def _shown(colors: Integers) -> NDArray[np.uint8]:
    """Colours to show codes of shape (K, 4) in: their own, if the eye can tell them apart; shape (K, 3)."""
    seen = colors[:, 3] == 0
    own, shown = colors[seen, :3], np.zeros((len(colors), 3), np.uint8)
    gray = (own == own[:, :1]).all()
    distances = np.linalg.norm(own[:, None] - own[None], axis=2) + np.diag(np.full(len(own), np.inf))
    if len(own) and (own.max() > 255 or distances.min() < (SEEN_GRAY if gray else SEEN_COLOR)):
        return display_colors(len(colors))
    shown[seen] = own
    corners = np.array(list(product((0, 255), repeat=3))[::-1])
    farthest = np.linalg.norm(corners[:, None] - own[None], axis=2).min(axis=1, initial=np.inf).argmax()
    shown[~seen] = corners[farthest]
    return shown


def _in_order_of_size(found: Labelled) -> Regions:
    """Number regions by their size, so that another palette gives the same numbers."""
    count = len(found.called)
    here, there = in_each(partial(shares, count=count), (found.content, found.style))
    size = here + there
    order = np.argsort(-size, kind="stable")
    order = order[size[order] > 0]
    rank = np.full(count + 1, NOWHERE, np.int16)  # the last place is the one that NOWHERE finds
    rank[order] = np.arange(len(order))
    names = tuple(found.called[each] for each in order)
    content, style = in_each(rank.__getitem__, (found.content, found.style))
    return Regions(content, style, _shown(found.codes[order]), names=names)
