"""Label maps of both photographs with one meaning, however they were found."""

import colorsys
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pst_core.errors import MapError

Colors = NDArray[np.uint8]
Labels = NDArray[np.int16]
Mask = NDArray[np.bool_]
MAX_REGIONS = 64
NOWHERE = -1
"""Label of pixels that count for nothing, being invisible: they are in no region."""
PRESENT_SHARE = 5e-4  # below this share of an image a region has too few pixels to have a style


@dataclass(frozen=True)
class Regions:
    """Label maps of both photographs with one meaning.

    Attributes
    ----------
    content, style : ndarray of int16, shape (H, W)
        Region index of every pixel, 0 to ``count - 1``, or `NOWHERE`; each has the size of its photograph.
    colors : ndarray of uint8, shape (count, 3)
        A colour to show each region in: the map's own, where there was a map.
    source : str
        ``maps``, or the way in which they were found: see `pst_core.network.finder.Finder`.
    notes : tuple of str
        What a person should know: regions without a counterpart, odd maps.
    names : tuple of str
        What the maps call each region, where that is not the colour that shows it.
    model : str
        The network that found them, if one did, with what tells it from others.
    confidence : tuple of float
        Of each region, on [0, 1]: how sure it is that it is one in both photographs. Empty where nobody
        says, as of maps.
    """

    content: Labels
    style: Labels
    colors: Colors
    source: str = "maps"
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    model: str = ""
    confidence: tuple[float, ...] = ()

    @property
    def count(self) -> int:
        """Number of regions R."""
        return len(self.colors)

    @property
    def called(self) -> tuple[str, ...]:
        """What to call each region in a sentence: ``#00FF00``, ``value 9``, ``transparent``."""
        return self.names or tuple(f"#{red:02X}{green:02X}{blue:02X}" for red, green, blue in self.colors)

    @property
    def trust(self) -> NDArray[np.float64]:
        """How far to trust that each region is one in both photographs, on [0, 1], shape (count,)."""
        return np.array(self.confidence or (1.0,) * self.count)

    @cached_property
    def content_counted(self) -> Mask | None:
        """Which pixels of the content count, shape (H, W); None where all do."""
        return _counted(self.content)

    @cached_property
    def style_counted(self) -> Mask | None:
        """Which pixels of the style count, shape (H, W); None where all do."""
        return _counted(self.style)

    @cached_property
    def content_shares(self) -> NDArray[np.float64]:
        """Share of what counts of the content photograph in each region, summing to 1."""
        return shares(self.content, self.count)

    @cached_property
    def style_shares(self) -> NDArray[np.float64]:
        """Share of what counts of the style photograph in each region, summing to 1."""
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
    """Share of pixels with each label from 0 to ``count - 1`` among those in any region, shape (count,)."""
    counts = np.array([np.count_nonzero(labels == region) for region in range(count)], np.float64)
    found: NDArray[np.float64] = counts / max(int(np.count_nonzero(labels != NOWHERE)), 1)
    return found


def hidden(labels: Labels, counted: Mask | None) -> Labels:
    """Labels of what counts, shape (H, W), and `NOWHERE` elsewhere; None counts everywhere."""
    return labels if counted is None else np.where(counted, labels, np.int16(NOWHERE))


def one_region(
    pair: tuple[NDArray[np.float32], NDArray[np.float32]], counted: tuple[Mask | None, Mask | None]
) -> Regions:
    """All that counts of both photographs, shape (3, H, W), as a single region."""
    content, style = (
        hidden(np.zeros(pixels.shape[1:], np.int16), mask) for pixels, mask in zip(pair, counted, strict=True)
    )
    return Regions(content, style, display_colors(1), "one", names=("everything",))


def _counted(labels: Labels) -> Mask | None:
    inside: Mask = labels != NOWHERE
    return None if inside.all() else inside


def display_colors(count: int) -> Colors:
    """Colours that tell regions apart, shape (count, 3)."""
    golden = 0.618034
    colors = [colorsys.hsv_to_rgb(0.6 + golden * index, 0.65, 0.95) for index in range(count)]
    return np.round(np.array(colors) * 255).astype(np.uint8).reshape(count, 3)


def given_to_nearest(labels: NDArray[np.int16], keep: NDArray[np.bool_]) -> Labels:
    """Give each pixel that is not kept the label of the nearest one that is; shape (H, W)."""
    from scipy.ndimage import distance_transform_edt

    if keep.all():
        return labels
    rows, columns = np.flatnonzero(~keep.all(axis=1)), np.flatnonzero(~keep.all(axis=0))
    # The nearest pixel that is kept lies outside the box of all that are not by one pixel at most, or inside.
    box = tuple(slice(max(each[0] - 1, 0), each[-1] + 2) for each in (rows, columns))
    nearest = distance_transform_edt(~keep[box], return_distances=False, return_indices=True)
    given = labels.copy()
    given[box] = labels[box][tuple(nearest)]
    return given


def match_regions(
    regions: Regions, names: tuple[str, str], way_out: str = "use the same colours for the same things"
) -> Regions:
    """Add a note for every region that only one photograph has.

    Parameters
    ----------
    names
        What a message calls what the content's and the style's regions come from.
    way_out
        What a message tells its reader to do.

    Raises
    ------
    MapError
        If no region is found in both.
    """
    if not regions.matched.any():
        raise MapError(f"{names[0]} and {names[1]} have no region in common{_marked(regions)}: {way_out}.")
    notes = list(regions.notes)
    for index in range(regions.count):
        label = f"Region {index} ({regions.called[index]})"
        here, there = regions.content_shares[index], regions.style_shares[index]
        if regions.unmatched[index]:
            notes.append(f"{label}, {here:.1%} of the content, has no counterpart in the style.")
        elif there >= PRESENT_SHARE > here:
            notes.append(
                f"{label}, {there:.1%} of the style, has no counterpart in the content: it is unused."
            )
    # Without a new note the same ones: they have counted their shares already.
    return regions if tuple(notes) == regions.notes else replace(regions, notes=tuple(notes))


def _marked(regions: Regions) -> str:
    """What each map marks, to be seen beside the other's."""
    if regions.source != "maps":
        return ""
    here, there = (
        ", ".join(name for name, share in zip(regions.called, side, strict=True) if share >= PRESENT_SHARE)
        for side in (regions.content_shares, regions.style_shares)
    )
    return f" ({here} in the one, {there} in the other)"


def describe_regions(regions: Regions) -> dict[str, Any]:
    """Where regions come from, their colours, and their shares of both photographs."""
    return {
        "source": regions.source,
        "model": regions.model or None,
        "count": regions.count,
        "colors": [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in regions.colors.tolist()],
        "names": list(regions.called),
        "content_shares": [round(share, 6) for share in regions.content_shares.tolist()],
        "style_shares": [round(share, 6) for share in regions.style_shares.tolist()],
        "matched": regions.matched.tolist(),
        "confidence": [round(each, 4) for each in regions.confidence],
    }
