"""Semantic maps to regions: one joint k-means over both maps, so that a region means the same on both sides.

The paper (section 3) clusters "every pixel in the semantic map" with k = R. Real maps are anti-aliased
and lossy, so the clustering starts from the colours that form areas, not from those along borders.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pst_core.errors import MapError
from pst_core.regions.labels import Labels, Regions, match_regions, shares

Colors = NDArray[np.uint8]
Points = NDArray[np.float64]  # colours, shape (K, 3)
Integers = NDArray[np.int64]

COLOR_RADIUS = 40.0  # Euclidean, on 0..255: compression and anti-aliasing stay inside, palettes stay apart
MAX_REGIONS = 64


def cluster_maps(
    content: Colors,
    style: Colors,
    *,
    regions: int | None = None,
    min_share: float = 0.005,
    names: tuple[str, str] = ("the content map", "the style map"),
) -> Regions:
    """Cluster the pixels of both maps together into R regions.

    Parameters
    ----------
    content, style : ndarray of uint8, shape (H, W, 3)
        The semantic maps, each with its photograph's size.
    regions
        R; found as the number of colours that cover at least `min_share` of both maps together
        if not given.
    names
        What to call the maps in messages.

    Raises
    ------
    MapError
        If one of the maps has a single colour and the other has not, more regions are asked for than
        there are colours, or no region is found in both maps.

    Examples
    --------
    >>> import numpy as np
    >>> content, style = np.zeros((2, 20, 30, 3), np.uint8)
    >>> content[:5], style[:, :10] = (0, 0, 255), (0, 0, 250)  # a sky, and one that JPEG has touched
    >>> regions = cluster_maps(content, style)
    >>> regions.colors.tolist()
    [[0, 0, 0], [0, 0, 252]]
    >>> regions.content_shares.tolist(), regions.style_shares.round(2).tolist()
    ([0.75, 0.25], [0.67, 0.33])
    """
    notes = _refuse_plain(content, style, names)
    palette, counts, inverse = _unique_colors(content, style)
    inside = np.concatenate([_flat(content).ravel(), _flat(style).ravel()])
    modes = _modes(palette, np.bincount(inverse[inside], minlength=len(palette)), counts, regions, min_share)
    if regions is not None and len(modes) < regions:
        raise MapError(
            f"{regions} regions were asked for, but {names[0]} and {names[1]} have only {len(modes)} "
            f"distinct colours: ask for {len(modes)} or fewer."
        )
    labels, centers = _k_means(palette, counts, modes)
    both = labels[inverse]
    content_labels = _absorb_borders(both[: content[..., 0].size].reshape(content.shape[:2]), content)
    style_labels = _absorb_borders(both[content[..., 0].size :].reshape(style.shape[:2]), style)
    found = _in_order_of_size(content_labels, style_labels, centers)
    return match_regions(replace(found, notes=notes), names)


def _refuse_plain(content: Colors, style: Colors, names: tuple[str, str]) -> tuple[str, ...]:
    """Refuse a single map without regions; two of them say that each photograph is one whole."""
    plain = [_is_plain(content), _is_plain(style)]
    if all(plain):
        return ("Both maps have a single colour: each photograph is taken as one region.",)
    for is_plain, name in zip(plain, names, strict=True):
        if is_plain:
            raise MapError(
                f"{name} has a single colour and marks no regions: "
                "paint at least two regions in it, or leave both maps out."
            )
    return ()


def _is_plain(colors: Colors) -> bool:
    flat = colors.reshape(-1, 3).astype(np.float64)
    return bool((np.linalg.norm(flat - np.median(flat, axis=0), axis=1) <= COLOR_RADIUS).all())


def _unique_colors(content: Colors, style: Colors) -> tuple[Points, Integers, Integers]:
    """Colours of both maps, how many pixels have each, and the place of each pixel's own."""
    pixels = np.concatenate([content.reshape(-1, 3), style.reshape(-1, 3)]).astype(np.uint32)
    codes = pixels[:, 0] << 16 | pixels[:, 1] << 8 | pixels[:, 2]
    unique, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
    palette = np.stack([unique >> 16, unique >> 8 & 255, unique & 255], axis=1).astype(np.float64)
    return palette, counts, inverse


def _flat(colors: Colors) -> NDArray[np.bool_]:
    """Whether each pixel's 3x3 neighbourhood is of one colour, but for compression noise."""
    from scipy.ndimage import maximum_filter, minimum_filter

    spread = maximum_filter(colors, size=(3, 3, 1)).astype(np.int16) - minimum_filter(colors, size=(3, 3, 1))
    flat: NDArray[np.bool_] = spread.max(axis=2) <= COLOR_RADIUS
    return flat


def _modes(
    palette: Points, inside: Integers, counts: Integers, regions: int | None, min_share: float
) -> Points:
    """Colours that areas are painted in, most frequent first; no two nearer than COLOR_RADIUS.

    Only pixels inside areas vote, so a blend along borders (grey between black and white) is no
    colour of its own. Where a given R needs more colours than areas show, borders vote too.
    """
    votes = inside.astype(np.float64)
    enough = min_share * counts.sum()
    modes: list[Points] = []
    free = np.ones(len(palette), dtype=bool)
    while free.any() and len(modes) < (regions or MAX_REGIONS):
        if regions is not None and not (votes[free] > 0).any():
            votes = counts.astype(np.float64)
        peak = palette[np.flatnonzero(free)[np.argmax(votes[free])]]
        near = free & (np.linalg.norm(palette - peak, axis=1) <= COLOR_RADIUS)
        if regions is None and votes[near].sum() < enough:
            break
        modes.append(peak)
        free &= ~near
    return np.array(modes or [palette[np.argmax(counts)]])


def _k_means(palette: Points, counts: Integers, modes: Points) -> tuple[Integers, Points]:
    """Weighted k-means over the unique colours, started at `modes`: no draw, so no seed."""
    from sklearn.cluster import KMeans

    fit = KMeans(n_clusters=len(modes), init=modes, n_init=1, max_iter=50).fit(palette, sample_weight=counts)
    return fit.labels_.astype(np.int64), fit.cluster_centers_


def _absorb_borders(labels: Integers, colors: Colors) -> Labels:
    """Give pixels of components that nowhere form an area to the nearest label that does."""
    from scipy.ndimage import distance_transform_edt
    from skimage.measure import label as components

    pieces = components(labels, connectivity=2, background=-1)
    flat = _flat(colors)
    solid = np.zeros(pieces.max() + 1, dtype=bool)
    solid[pieces[flat]] = True
    keep = solid[pieces]
    if keep.all() or not keep.any():
        return labels.astype(np.int16)
    nearest = distance_transform_edt(~keep, return_distances=False, return_indices=True)
    absorbed: Labels = labels[tuple(nearest)].astype(np.int16)
    return absorbed


def _in_order_of_size(content: Labels, style: Labels, centers: Points) -> Regions:
    """Number regions by their size, so that another palette gives the same numbers."""
    count = len(centers)
    size = shares(content, count) + shares(style, count)
    order = np.argsort(-size, kind="stable")
    order = order[size[order] > 0]
    rank = np.zeros(count, dtype=np.int16)
    rank[order] = np.arange(len(order))
    return Regions(rank[content], rank[style], np.round(centers[order]).astype(np.uint8))
