"""Semantic maps to regions: one joint k-means over both maps, so that a region means the same on both sides.

The paper (section 3) clusters "every pixel in the semantic map" with k = R. Real maps are anti-aliased
and lossy, so the clustering starts from the colours that form areas, not from those along borders.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pst_core.errors import MapError

__all__ = ["Regions", "cluster_maps", "fit_map", "match_regions"]

Labels = NDArray[np.int16]
Colors = NDArray[np.uint8]

COLOR_RADIUS = 40.0  # Euclidean, on 0..255: compression and anti-aliasing stay inside, palettes stay apart
PRESENT_SHARE = 5e-4  # below this share of an image a region has too few pixels to have a style
MAX_REGIONS = 64


@dataclass(frozen=True)
class Regions:
    """Label maps of both photographs with one meaning.

    Attributes
    ----------
    content, style : ndarray of int16, shape (H, W)
        Region index of every pixel, 0 to ``count - 1``; each has the size of its photograph.
    colors : ndarray of uint8, shape (count, 3)
        A colour to show each region in: the map's own, where there was a map.
    source : str
        ``maps``, ``cluster`` or ``deeplab``.
    notes : tuple of str
        What a person should know: regions without a counterpart, maps that were resized.
    """

    content: Labels
    style: Labels
    colors: Colors
    source: str = "maps"
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Number of regions R."""
        return len(self.colors)

    @property
    def content_shares(self) -> NDArray[np.float64]:
        """Share of the content photograph in each region, summing to 1."""
        return shares(self.content, self.count)

    @property
    def style_shares(self) -> NDArray[np.float64]:
        """Share of the style photograph in each region, summing to 1."""
        return shares(self.style, self.count)

    @property
    def matched(self) -> NDArray[np.bool_]:
        """Whether each region is found in both photographs."""
        return (self.content_shares >= PRESENT_SHARE) & (self.style_shares >= PRESENT_SHARE)

    @property
    def unmatched(self) -> NDArray[np.bool_]:
        """Whether each region is found in the content alone."""
        return (self.content_shares > 0) & (self.style_shares < PRESENT_SHARE)


def shares(labels: Labels, count: int) -> NDArray[np.float64]:
    """Share of pixels with each label."""
    return np.bincount(labels.ravel(), minlength=count)[:count] / labels.size


def fit_map(
    colors: Colors, height: int, width: int, *, name: str, photograph: str
) -> tuple[Colors, tuple[str, ...]]:
    """Bring a semantic map to its photograph's size.

    A map that is one pixel off is resized (nearest neighbour) with a note; any other size is refused,
    for nothing tells whether it was cropped, scaled, or belongs to another photograph.

    Raises
    ------
    MapError
        If the map's size differs by more than one pixel from the photograph's.
    """
    if colors.shape[:2] == (height, width):
        return colors, ()
    size = f"{colors.shape[1]}x{colors.shape[0]}"
    if abs(colors.shape[0] - height) > 1 or abs(colors.shape[1] - width) > 1:
        raise MapError(
            f"{name} is {size} pixels, but {photograph} is {width}x{height}: "
            "give a map of its photograph's size."
        )
    rows = np.minimum(np.arange(height) * colors.shape[0] // height, colors.shape[0] - 1)
    columns = np.minimum(np.arange(width) * colors.shape[1] // width, colors.shape[1] - 1)
    note = f"{name} is {size} pixels, one off {photograph}'s {width}x{height}: it was resized."
    return colors[rows][:, columns], (note,)


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


def match_regions(
    regions: Regions, names: tuple[str, str], way_out: str = "use the same colours for the same things"
) -> Regions:
    """Add a note for every region that only one photograph has.

    Raises
    ------
    MapError
        If no region is found in both.
    """
    if not regions.matched.any():
        raise MapError(f"{names[0]} and {names[1]} have no region in common: {way_out}.")
    notes = list(regions.notes)
    for index in range(regions.count):
        red, green, blue = regions.colors[index]
        label = f"Region {index} (#{red:02X}{green:02X}{blue:02X})"
        here, there = regions.content_shares[index], regions.style_shares[index]
        if regions.unmatched[index]:
            notes.append(f"{label}, {here:.1%} of the content, has no counterpart in the style.")
        elif there >= PRESENT_SHARE > here:
            notes.append(
                f"{label}, {there:.1%} of the style, has no counterpart in the content: it is unused."
            )
    return replace(regions, notes=tuple(notes))


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


def _unique_colors(
    content: Colors, style: Colors
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
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
    palette: NDArray[np.float64],
    inside: NDArray[np.int64],
    counts: NDArray[np.int64],
    regions: int | None,
    min_share: float,
) -> NDArray[np.float64]:
    """Colours that areas are painted in, most frequent first; no two nearer than COLOR_RADIUS.

    Only pixels inside areas vote, so a blend along borders (grey between black and white) is no
    colour of its own. Where a given R needs more colours than areas show, borders vote too.
    """
    votes = inside.astype(np.float64)
    enough = min_share * counts.sum()
    modes: list[NDArray[np.float64]] = []
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


def _k_means(
    palette: NDArray[np.float64], counts: NDArray[np.int64], modes: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Weighted k-means over the unique colours, started at `modes`: no draw, so no seed."""
    from sklearn.cluster import KMeans

    fit = KMeans(n_clusters=len(modes), init=modes, n_init=1, max_iter=50).fit(palette, sample_weight=counts)
    return fit.labels_.astype(np.int64), fit.cluster_centers_


def _absorb_borders(labels: NDArray[np.int64], colors: Colors) -> Labels:
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


def _in_order_of_size(content: Labels, style: Labels, centers: NDArray[np.float64]) -> Regions:
    """Number regions by their size, so that another palette gives the same numbers."""
    count = len(centers)
    size = shares(content, count) + shares(style, count)
    order = np.argsort(-size, kind="stable")
    order = order[size[order] > 0]
    rank = np.zeros(count, dtype=np.int16)
    rank[order] = np.arange(len(order))
    return Regions(rank[content], rank[style], np.round(centers[order]).astype(np.uint8))
