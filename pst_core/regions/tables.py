"""One semantic map as a table of its values: how often each comes, and where."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from pst_core.images.reading import SemanticMap

Integers = NDArray[np.int64]
Places = NDArray[np.int32]
Flags = NDArray[np.bool_]
Found = TypeVar("Found")


class Table(NamedTuple):
    """One map as a table of its K values.

    Attributes
    ----------
    name : str
        What to call the map.
    places : ndarray of int32, shape (H, W)
        The place in the table of each pixel's value.
    codes : ndarray of int64, shape (K, 4)
        Red, green and blue, and 1 where there is a hole.
    numbers : ndarray of int64, shape (K,), optional
        Places in the file's palette.
    counts : ndarray of int64, shape (K,)
        Pixels of each value.
    areas : ndarray of bool, shape (K,)
        Whether a value fills 3x3 pixels somewhere.
    lossless : bool
        Whether the file's format keeps values.
    deep : bool
        Whether codes are on 0..65535.
    """

    name: str
    places: Places
    codes: Integers
    numbers: Integers | None
    counts: Integers
    areas: Flags
    lossless: bool
    deep: bool

    @property
    def is_exact(self) -> bool:
        """Whether values are codes: where a map is blended or compressed, most of its values form no area."""
        return self.lossless and 2 * int(self.areas.sum()) >= len(self.areas)

    @property
    def is_gray(self) -> bool:
        """Whether every value is a level of gray."""
        return bool((self.codes[:, :3] == self.codes[:, :1]).all() and not self.codes[:, 3].any())

    @property
    def grays(self) -> set[int]:
        """Gray levels that form areas."""
        return set(self.codes[self.areas, 0].tolist())


def in_each(find: Callable[..., Found], *parts: Iterable[Any]) -> list[Found]:
    """What a function finds in each map, in threads of their own: NumPy and OpenCV let one another run.

    Parameters
    ----------
    find
        Called as by `map`.
    parts
        Its arguments, one of each for each map.
    """
    with ThreadPoolExecutor() as side_by_side:
        return list(side_by_side.map(find, *parts))


def tabulate(semantic: SemanticMap) -> Table:
    """Find a map's values by its runs of equal pixels: there are far fewer of them than pixels."""
    keys = _keys(semantic).ravel()
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    unique, first, inverse = np.unique(keys[starts], return_index=True, return_inverse=True)
    lengths, pixels = np.diff(np.append(starts, keys.size)), starts[first]
    places = np.repeat(inverse.astype(np.int32), lengths).reshape(semantic.size)
    counts = np.bincount(inverse, weights=lengths, minlength=len(unique)).astype(np.int64)
    codes = np.zeros((len(unique), 4), np.int64)
    codes[:, :3] = semantic.colors.reshape(-1, 3)[pixels]
    codes[:, 3] = 0 if semantic.hole is None else semantic.hole.ravel()[pixels]
    numbers = None if semantic.numbers is None else semantic.numbers.ravel()[pixels].astype(np.int64)
    in_run = np.logical_or.reduceat(_inside(places).ravel(), starts)
    areas = np.bincount(inverse[in_run], minlength=len(unique)) > 0
    deep = semantic.colors.dtype == np.uint16
    return Table(str(semantic.path), places, codes, numbers, counts, areas, semantic.lossless, deep)


def _keys(semantic: SemanticMap) -> NDArray[Any]:
    """One integer a pixel, shape (H, W), which differs where anything about the pixels does."""
    if semantic.numbers is not None:
        return semantic.numbers.astype(np.uint32)  # a palette says the rest
    kind, bits = ("uint64", 16) if semantic.colors.dtype == np.uint16 else ("uint32", 8)
    keys: NDArray[Any] = semantic.colors[..., 0].astype(kind)
    for channel in (1, 2):
        keys <<= bits
        keys |= semantic.colors[..., channel]
    if semantic.hole is not None:
        keys |= semantic.hole.astype(kind) << 3 * bits
    return keys


def _inside(places: Places) -> Flags:
    """Whether each pixel's 3x3 neighbourhood has one value, shape (H, W)."""
    same = np.ones(places.shape, bool)
    across = places[:, 1:] == places[:, :-1]
    same[:, 1:] &= across
    same[:, :-1] &= across
    down = places[1:] == places[:-1]
    inside = same.copy()
    inside[1:] &= down & same[:-1]
    inside[:-1] &= down & same[1:]
    return inside
