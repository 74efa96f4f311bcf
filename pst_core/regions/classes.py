"""Regions from what a network of semantic segmentation says about each photograph, class by class.

Classes that are one thing to a colour transfer are one region: see `pst_core.regions.ade20k`. A class that
one photograph has hardly any of leaves its pixels to what else the network sees there, and a group that only
the content has takes the nearest one that the style has. Borders follow the photographs' edges.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pst_core.errors import ConfigError
from pst_core.filters.guided import guided_coefficients, upsampled_strips
from pst_core.filters.resizing import fit_size, resize
from pst_core.regions.ade20k import GROUPS, NEAREST
from pst_core.regions.labels import (
    MAX_REGIONS,
    Labels,
    Mask,
    Regions,
    display_colors,
    hidden,
    match_regions,
    one_region,
)

Floats = NDArray[np.float32]
Merges = Mapping[str, Sequence[str]]

SURE = 0.75  # mean probability from which on a region is trusted in full; below, in proportion
LEAST_SHARE = 0.005  # of its photograph, for a group; as of maps
GRID = 256  # long side in pixels at which borders are found
BORDER_RADIUS, BORDER_EPSILON = 4, 1e-3  # at that size
TOLD = 8  # classes that a sentence names
PHOTOGRAPHS = ("the content photograph", "the style photograph")


@dataclass(frozen=True)
class Scores:
    """What a network says about one photograph.

    Attributes
    ----------
    classes : tuple of str
        Names of its C classes.
    probabilities : Tensor, shape (C, h, w)
        On [0, 1], over the whole photograph, at whatever size the network answers; on the CPU.
    """

    classes: tuple[str, ...]
    probabilities: Tensor


Segmenter = Callable[[Floats], Scores]
"""Takes a photograph of shape (3, H, W) on [0, 1]."""


class Seen(NamedTuple):
    """One photograph, shape (3, H, W), and what counts of it at the grid's size.

    Attributes
    ----------
    small : Tensor, shape (3, h, w)
    groups : Tensor, shape (G, h, w)
        Probability of each group of classes.
    counted : Tensor of bool, shape (h, w)
    """

    pixels: Tensor
    small: Tensor
    groups: Tensor
    counted: Tensor


class Paired(NamedTuple):
    """One region: the groups that are in it in the content, and in the style."""

    name: str
    content: tuple[int, ...]
    style: tuple[int, ...]


def regions_of_classes(
    pair: tuple[Floats, Floats],
    segmenter: Segmenter,
    *,
    merges: Merges,
    most: int | None,
    counted: tuple[Mask | None, Mask | None],
    source: str,
    model: str,
) -> Regions:
    """Find the regions of both photographs by a network's classes.

    Parameters
    ----------
    pair : pair of ndarray of float32, shape (3, H, W)
        Content and style, on [0, 1].
    merges
        Group -> classes that are one region, besides those of ADE20K.
    most
        How many regions there are at most; None: as many as there are groups.
    counted : pair of ndarray of bool, shape (H, W), or None
        Which pixels of each photograph count; None counts all.
    source, model
        See `Regions`.

    Raises
    ------
    ConfigError
        If a merged class is none of the network's.
    """
    scores = [segmenter(pixels) for pixels in pair]
    group_of = assign_groups(scores[0].classes, merges)
    groups = tuple(dict.fromkeys(group_of))
    places = [groups.index(group) for group in group_of]
    content, style = (
        _seen(pixels, each.probabilities, places, mask)
        for pixels, each, mask in zip(pair, scores, counted, strict=True)
    )
    regions, notes = _pair_up(groups, _shares(content), _shares(style), min(most or MAX_REGIONS, MAX_REGIONS))
    here, on_here = _labelled(content, [each.content for each in regions])
    there, on_there = _labelled(style, [each.style for each in regions])
    here, there = hidden(here, counted[0]), hidden(there, counted[1])
    found = Regions(
        here, there, display_colors(len(regions)), source, notes, tuple(each.name for each in regions), model,
        tuple(map(min, on_here, on_there)),
    )  # fmt: skip
    if not found.matched.any():
        note = "The network saw nothing that both photographs have: all of both is one region."
        return replace(one_region(pair, counted), source=source, model=model, notes=(note,))
    return match_regions(found, PHOTOGRAPHS)


def assign_groups(classes: Sequence[str], merges: Merges) -> tuple[str, ...]:
    """The group of each class, shape (C,): a person's own, else ADE20K's, else the class by itself.

    Raises
    ------
    ConfigError
        If a merged class is none of the network's.
    """
    known = [_plain(name) for name in classes]
    usual = {_plain(name): group for group, names in GROUPS.items() for name in names}
    own = {_plain(name): group for group, names in merges.items() for name in names}
    if strange := next((name for name in own if name not in known), None):
        raise ConfigError(
            f"segmentation_merges names the class {strange!r}, which the network does not have: "
            f"it has {', '.join(known[:TOLD])}{', and so on' if len(known) > TOLD else ''}."
        )
    return tuple(own.get(name) or usual.get(name) or name for name in known)


def _plain(name: str) -> str:
    """A class's first name, as models write it in several ways: ``Windowpane;window`` is ``windowpane``."""
    return re.sub("[_-]", " ", re.split("[,;]", name)[0]).strip().lower()


def _seen(pixels: Floats, probabilities: Tensor, places: Sequence[int], counted: Mask | None) -> Seen:
    """A photograph and its groups' probabilities, each the sum of its classes', at the grid's size."""
    image = torch.from_numpy(pixels)
    small = resize(image, fit_size(image.shape[1], image.shape[2], GRID)).clamp(0, 1)
    members = functional.one_hot(torch.tensor(places)).T.float()
    groups = (members @ probabilities.flatten(1)).view(-1, *probabilities.shape[1:])
    size = small.shape[1], small.shape[2]
    return Seen(image, small, resize(groups, size), _counted_cells(counted, size))


def _counted_cells(counted: Mask | None, size: tuple[int, int]) -> Tensor:
    """Which cells of the grid count, shape (h, w): those that do for the larger part, or most of all."""
    if counted is None:
        return torch.ones(size, dtype=torch.bool)
    parts = functional.adaptive_avg_pool2d(torch.from_numpy(counted).float()[None], size)[0]
    return parts >= min(0.5, float(parts.max()))


def _shares(seen: Seen) -> list[float]:
    """Share of the photograph that is most likely each group."""
    labels = seen.groups.argmax(dim=0)[seen.counted]
    counts = torch.bincount(labels, minlength=len(seen.groups)).double()
    shares: list[float] = (counts / max(labels.numel(), 1)).tolist()
    return shares


def _pair_up(
    groups: Sequence[str], here: Sequence[float], there: Sequence[float], most: int
) -> tuple[list[Paired], tuple[str, ...]]:
    """The regions that groups make in both photographs, the content's largest first, and notes on them.

    Parameters
    ----------
    here, there
        Share of each group in content and style.
    """
    contents, styles = ([part >= LEAST_SHARE for part in parts] for parts in (here, there))
    place_of = {name: place for place, name in enumerate(groups)}
    takers: dict[int, list[int]] = {place: [] for place in range(len(groups)) if styles[place]}
    alone, notes = [], []
    for place in (place for place in range(len(groups)) if contents[place]):
        near = (place_of.get(name, place) for name in NEAREST.get(groups[place], ()))
        target = place if styles[place] else next((each for each in near if styles[each]), None)
        if target is None:
            alone.append(place)
            continue
        takers[target].append(place)
        if target != place:
            notes.append(f"The content's {groups[place]} takes the look of the style's {groups[target]}.")
    regions = [
        Paired(_called(groups, taken, place), tuple(taken), (place,)) for place, taken in takers.items()
    ]
    regions += [Paired(groups[place], (place,), ()) for place in alone]
    regions.sort(key=lambda each: (-sum(here[p] for p in each.content), -sum(there[p] for p in each.style)))
    return regions[:most], tuple(notes)


def _called(groups: Sequence[str], taken: Sequence[int], place: int) -> str:
    """What to call a region: by its group in the style, and what else of the content it holds."""
    return " + ".join([groups[place], *(groups[each] for each in taken if each != place)])


def _labelled(seen: Seen, regions: Sequence[tuple[int, ...]]) -> tuple[Labels, list[float]]:
    """The most likely region of every pixel, and how sure each is, on [0, 1], where it lies.

    Parameters
    ----------
    regions
        Of each region, the groups that are in it in this photograph: none where it is only the other's.
    """
    held = [index for index, groups in enumerate(regions) if groups]
    confidence = [1.0] * len(regions)
    if not held:
        return np.zeros(tuple(seen.pixels.shape[1:]), np.int16), confidence
    likely = torch.stack([seen.groups[list(regions[index])].sum(dim=0) for index in held])
    best, winner = likely.max(dim=0)
    for place, index in enumerate(held):
        inside = best[(winner == place) & seen.counted]
        confidence[index] = min(float(inside.mean()) / SURE, 1.0) if inside.numel() else 0.0
    labels = np.empty(tuple(seen.pixels.shape[1:]), np.int16)
    models = guided_coefficients(likely, seen.small, BORDER_RADIUS, BORDER_EPSILON)
    for rows, strip in upsampled_strips(*models, seen.pixels):
        labels[rows] = np.array(held, np.int16)[strip.argmax(dim=0).numpy()]
    return labels, confidence
