"""A semantic map laid on its photograph: whether it has its shape, and lies as the photograph does."""

import operator
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pst_core.errors import MapError
from pst_core.images.reading import Photograph, SemanticMap
from pst_core.images.writing import to_levels

Size = tuple[int, int]  # height and width in pixels

GRID = 256  # long side in pixels at which borders are held against edges
CLEARLY = 1.25  # borders that lie on edges so many times as strong leave no doubt
# By EXIF orientation: how a photograph that was stored so lay before it was turned upright.
HOW_STORED = {
    2: "mirrored", 3: "upside down", 4: "mirrored and upside down", 5: "mirrored and on its side",
    6: "on its side", 7: "mirrored and on its side", 8: "on its side",
}  # fmt: skip
ROUNDINGS = (
    (-0.5, 0.5),
    (0, 1),
    (-1, 0),
)  # how far off a side may have been before: to the nearest, down, up
UNDONE_BY = {6: 8, 8: 6}  # every other orientation undoes itself


def fit_map(semantic: SemanticMap, photograph: Photograph) -> tuple[SemanticMap, tuple[str, ...]]:
    """Find how a semantic map lies on its photograph, and say what is odd about it.

    A map of the photograph's shape is taken whatever its size: the regions found in it are scaled. One that
    fits only when turned is turned, for there is one way in which it may have come about. Where it fits
    either way nothing tells for certain, so it is left as it is, with a note.

    Returns
    -------
    SemanticMap
        Of the photograph's shape, as large as it was.
    tuple of str
        Sentences for a person.

    Raises
    ------
    MapError
        If it has another shape.
    """
    goal = photograph.height, photograph.width
    ways = list(_ways_to_lie(semantic, photograph))
    for fits in (operator.eq, _is_one_off, _has_shape_of):
        for turned, how in ways:
            if fits(turned.size, goal):
                notes = [how, _note_on_size(turned, photograph), _doubt(semantic, turned, photograph)]
                return turned, tuple(note for note in notes if note)
    raise MapError(
        f"{semantic.path} is {_in_words(semantic.size)} pixels, but {photograph.path} is {_in_words(goal)}: "
        f"give a map of its photograph's shape{_hint(semantic, photograph)}."
    )


def _ways_to_lie(semantic: SemanticMap, photograph: Photograph) -> Iterator[tuple[SemanticMap, str]]:
    """The map as it is, as the photograph's EXIF turns it, and as it was before its own EXIF turned it."""
    yield semantic, ""
    if photograph.turn != 1:
        how = (
            f"{semantic.path} was made of {photograph.path} as it is stored, {HOW_STORED[photograph.turn]}: "
            f"it was turned by the photograph's EXIF orientation ({photograph.turn})."
        )
        yield semantic.turned(photograph.turn), how
    if semantic.turn != 1:
        how = (
            f"{semantic.path} lies as {photograph.path} does only without its own EXIF orientation "
            f"({semantic.turn}), which was ignored."
        )
        yield semantic.turned(UNDONE_BY.get(semantic.turn, semantic.turn)), how


def _is_one_off(size: Size, goal: Size) -> bool:
    return all(abs(here - there) <= 1 for here, there in zip(size, goal, strict=True))


def _has_shape_of(size: Size, goal: Size) -> bool:
    """Whether one scale gives both sides of `size`, rounded in the same way."""
    for least, most in ROUNDINGS:
        low, high = (
            [(side + by) / there for side, there in zip(size, goal, strict=True)] for by in (least, most)
        )
        if max(low) <= min(high):
            return True
    return False


def _note_on_size(semantic: SemanticMap, photograph: Photograph) -> str:
    goal = photograph.height, photograph.width
    if semantic.size == goal:
        return ""
    here, there = _in_words(semantic.size), _in_words(goal)
    if _is_one_off(semantic.size, goal):
        return f"{semantic.path} is {here} pixels, one off {photograph.path}'s {there}: it was resized."
    return f"{semantic.path} is {here} pixels and was scaled to {photograph.path}'s {there}."


def _doubt(given: SemanticMap, taken: SemanticMap, photograph: Photograph) -> str:
    """A note where a map would fit turned as well, with what the photograph's edges say to it."""
    if photograph.turn == 1 or given.turn != 1 or taken is not given:
        return ""
    turned = given.turned(photograph.turn)
    if not _has_shape_of(turned.size, (photograph.height, photograph.width)):
        return ""
    gradient = _gradient(photograph.filled)
    as_it_is, as_turned = (_strength_under_borders(each, gradient) for each in (given, turned))
    said = (
        f"{photograph.path} is stored {HOW_STORED[photograph.turn]} and was turned upright; {given.path}, "
        "which fits either way, was taken as made of the upright photograph"
    )
    if as_turned > CLEARLY * as_it_is:
        return (
            f"{said}, but its borders follow the photograph's edges better if it is turned by the same EXIF "
            f"orientation ({photograph.turn}): turn it, if that is so."
        )
    if as_it_is > CLEARLY * as_turned:
        return f"{said}, as its borders follow the photograph's edges so."
    return f"{said}: turn it, if the picture of the regions shows it {HOW_STORED[photograph.turn]}."


def _gradient(pixels: NDArray[np.float32]) -> NDArray[np.float64]:
    """How strongly a photograph of shape (3, H, W) changes from place to place, at most GRID a side."""
    small = Image.fromarray(to_levels(pixels))
    small.thumbnail((GRID, GRID), Image.Resampling.BOX)
    down, across = np.gradient(np.asarray(small, np.float64), axis=(0, 1))
    strength: NDArray[np.float64] = np.sqrt((down**2 + across**2).sum(axis=2))
    return strength


def _strength_under_borders(semantic: SemanticMap, gradient: NDArray[np.float64]) -> float:
    """Mean strength of the photograph's edges where the map changes its colour."""
    height, width = gradient.shape
    rows, columns = at_centers(semantic.size[0], height), at_centers(semantic.size[1], width)
    colors = semantic.colors[rows][:, columns]
    border = np.zeros(gradient.shape, bool)
    border[1:] |= (colors[1:] != colors[:-1]).any(axis=2)
    border[:, 1:] |= (colors[:, 1:] != colors[:, :-1]).any(axis=2)
    return float(gradient[border].mean()) if border.any() else 0.0


def at_centers(source: int, target: int) -> NDArray[np.int64]:
    """Of each of `target` rows or columns, the one among `source` under its centre; shape (target,)."""
    return (2 * np.arange(target) + 1) * source // (2 * target)


def _hint(semantic: SemanticMap, photograph: Photograph) -> str:
    """What else may be wrong with a map that fits no way known."""
    lying = semantic.size[::-1]
    if _has_shape_of(lying, (photograph.height, photograph.width)):
        return "; it has that, lying on its side: turn it by a quarter"
    return ", neither cut nor stretched"


def _in_words(size: Size) -> str:
    return f"{size[1]}x{size[0]}"
