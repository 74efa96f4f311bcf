"""Label maps of both photographs with one meaning, however they were found."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pst_core.errors import MapError

Colors = NDArray[np.uint8]
Labels = NDArray[np.int16]
PRESENT_SHARE = 5e-4  # below this share of an image a region has too few pixels to have a style


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
    """Share of pixels with each label from 0 to ``count - 1``, shape (count,)."""
    return np.bincount(labels.ravel(), minlength=count)[:count] / labels.size


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


def describe_regions(regions: Regions) -> dict[str, Any]:
    """Where regions come from, their colours, and their shares of both photographs."""
    return {
        "source": regions.source,
        "count": regions.count,
        "colors": [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in regions.colors.tolist()],
        "content_shares": [round(share, 6) for share in regions.content_shares.tolist()],
        "style_shares": [round(share, 6) for share in regions.style_shares.tolist()],
        "matched": regions.matched.tolist(),
    }
