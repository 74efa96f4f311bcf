"""Regions of maps whose values are codes as they stand: each is a region, however near another it is."""

import numpy as np

from pst_core.errors import MapError
from pst_core.regions.codes import Codes, Labelled
from pst_core.regions.labels import MAX_REGIONS, Labels, given_to_nearest, shares
from pst_core.regions.outlines import without_outlines
from pst_core.regions.tables import Integers, Places

LISTED = 6  # names that a sentence bears


def label_codes(codes: Codes, regions: int | None, min_share: float, names: tuple[str, str]) -> Labelled:
    """Make a region of each of the largest codes; the others' pixels go to the regions nearest to them.

    Parameters
    ----------
    names
        What to call the maps in messages.

    Raises
    ------
    MapError
        If there are fewer codes than regions asked for, or none is large enough.
    """
    order = np.lexsort((-codes.shares, ~codes.areas))  # those that form areas first, each sort by size
    large = order[(codes.shares[order] >= min_share) & codes.areas[order]]
    kept = (large if regions is None else order)[:MAX_REGIONS]
    for name, counts in zip(names, codes.counts, strict=True):
        if not counts[kept].any():
            raise MapError(
                f"{name} has no colour that covers {min_share:.1%} of both maps: paint larger regions, "
                "or lower min_region_share."
            )
    content, style = (_labelled(places, kept, len(order)) for places in (codes.content, codes.style))
    called = tuple(codes.names[each] for each in kept)
    content, style, lines = without_outlines(content, style, called, min_share)
    if regions is not None:
        content, style = _largest(content, style, regions, names)
        return Labelled(content, style, codes.colors[kept], called, lines)
    dropped = _notes_on_dropped(codes, kept, large, min_share)
    return Labelled(content, style, codes.colors[kept], called, (*lines, *dropped))


def _largest(content: Labels, style: Labels, regions: int, names: tuple[str, str]) -> tuple[Labels, Labels]:
    """Keep as many regions as were asked for, the largest of both maps together."""
    count = int(max(content.max(), style.max())) + 1
    size = shares(content, count) + shares(style, count)
    found = np.argsort(-size, kind="stable")[: np.count_nonzero(size)]
    if regions > len(found):
        raise MapError(
            f"{regions} regions were asked for, but {names[0]} and {names[1]} have only {len(found)} "
            f"distinct colours: ask for {len(found)} or fewer."
        )
    kept = np.isin(np.arange(count), found[:regions])
    content, style = (given_to_nearest(labels, kept[labels]) for labels in (content, style))
    return content, style


def _notes_on_dropped(codes: Codes, kept: Integers, large: Integers, min_share: float) -> tuple[str, ...]:
    """What became of codes that form areas."""
    notes, names = [], codes.names
    if len(large) > len(kept):
        rest = codes.shares[large[len(kept) :]].sum()
        notes.append(
            f"The maps have {len(large)} colours of {min_share:.1%} and more: the {len(kept)} largest are "
            f"regions, the others, {rest:.1%} of the maps, went to the regions beside them."
        )
    small = np.flatnonzero(codes.areas & (codes.shares < min_share))
    if len(small):
        told = [names[each] for each in small[np.argsort(-codes.shares[small], kind="stable")]]
        listed = ", ".join(told[:LISTED]) + (f" and {len(told) - LISTED} more" if len(told) > LISTED else "")
        notes.append(
            f"Too small to be regions (setting min_region_share), and given to those beside them: {listed}."
        )
    return tuple(notes)


def _labelled(places: Places, kept: Integers, count: int) -> Labels:
    rank = np.full(count, -1, np.int16)
    rank[kept] = np.arange(len(kept))
    labels: Labels = rank[places]
    return given_to_nearest(labels, labels >= 0)
