"""What a pair of maps marks, read so that equal codes mean the same on both sides.

Maps come as colours, as class numbers, as places in a palette, at 8 and at 16 bits, with holes. What a
viewer shows is what counts: a colour, or nothing where there is a hole. Only where that says nothing, another
reading of both files is looked for (`_by_numbers`, `_as_masks`), and a note says so.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pst_core.images.reading import SemanticMap
from pst_core.regions.labels import Labels
from pst_core.regions.tables import Flags, Integers, Places, Table, in_each, tabulate

Points = NDArray[np.float64]  # colours, shape (K, C)

COLOR_RADIUS = 40.0  # Euclidean, on 0..255: compression and anti-aliasing stay inside
SAME_COLOR = 10.0  # Euclidean: nearer colours, one in each map, are one that a program has rounded
SAME_GRAY = 4.0  # gray levels are numbers as often as colours
DARK, LIGHT = 64, 192  # of the two gray levels of a mask
FACTORS = (255, 85, 17)  # by which viewers show the numbers of gray PNGs of 1, 2 and 4 bits
HOLE = (0, 0, 0, 1)


@dataclass(frozen=True, eq=False)
class Codes:
    """Both maps over one list of K codes.

    Attributes
    ----------
    content, style : ndarray of int32, shape (H, W)
        Each pixel's code, as its place in `colors`.
    colors : ndarray of int64, shape (K, 4)
        Red, green and blue, and 1 where the code is a hole instead of a colour.
    counts : ndarray of int64, shape (2, K)
        Pixels of each code in content and style.
    areas : ndarray of bool, shape (K,)
        Whether a code fills 3x3 pixels in one of the maps.
    exact : tuple of bool
        Of each map, whether its values are codes as they stand, and not only near to them.
    notes : tuple of str
    """

    content: Places
    style: Places
    colors: Integers
    counts: Integers
    areas: Flags
    exact: tuple[bool, bool]
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """What to call each code: a number where all are gray, else a colour."""
        gray = (self.colors[:, :3] == self.colors[:, :1]).all()
        return [name_of(color.tolist(), as_number=bool(gray)) for color in self.colors]

    @property
    def points(self) -> Points:
        """Colours on 0..255, and with holes a channel more: a hole is far from any colour."""
        colors = self.colors.astype(np.float64)
        if colors[:, :3].max() > 255:
            colors[:, :3] = np.rint(colors[:, :3] / 257)
        return colors * [1, 1, 1, 255] if colors[:, 3].any() else colors[:, :3]

    @property
    def shares(self) -> NDArray[np.float64]:
        """Share of both maps, each counting the same, that has each code; shape (K,)."""
        shares: NDArray[np.float64] = (self.counts / self.counts.sum(axis=1, keepdims=True)).mean(axis=0)
        return shares


class Labelled(NamedTuple):
    """What codes became: labels of both maps, each one's code and name, and what was odd."""

    content: Labels
    style: Labels
    codes: Integers
    called: tuple[str, ...]
    notes: tuple[str, ...]


def read_together(content: SemanticMap, style: SemanticMap) -> Codes:
    """Read both maps in the one way in which they have their codes in common."""
    tables, notes = in_each(tabulate, (content, style)), []
    tables = _at_one_depth(tables)
    for step in (_by_numbers, _with_holes, _as_masks, _rounded_alike):
        tables, said = step(tables)
        notes += said
    codes = np.concatenate([table.codes for table in tables])
    colors, own = np.unique(codes, axis=0, return_inverse=True)
    places = np.split(own.ravel(), [len(tables[0].codes)])
    counts, areas = np.zeros((2, len(colors)), np.int64), np.zeros(len(colors), bool)
    for side, (table, place) in enumerate(zip(tables, places, strict=True)):
        np.add.at(counts[side], place, table.counts)
        areas[place[table.areas]] = True
    here, there = in_each(lambda place, table: place.astype(np.int32)[table.places], places, tables)
    exact = tables[0].is_exact, tables[1].is_exact
    return Codes(here, there, colors, counts, areas, exact, tuple(notes))


def _at_one_depth(tables: list[Table]) -> list[Table]:
    """Bring 16-bit values to what an 8-bit file would hold, if that takes nothing from them."""
    deep = [table for table in tables if table.deep]
    narrow = all(
        not table.is_exact or not (table.codes[:, :3] % 257).any() or table.codes.max() < 256
        for table in deep
    )
    return [_narrowed(table) if table.deep and narrow else table for table in tables]


def _narrowed(table: Table) -> Table:
    """A map of 16 bits at 8: numbers that fit stay as they are, levels of 16 bits are scaled."""
    if table.codes.max() < 256:
        return table._replace(deep=False)
    codes = table.codes.copy()
    codes[:, :3] = np.rint(codes[:, :3] / 257).astype(np.int64)
    return table._replace(codes=codes, deep=False)


def _by_numbers(tables: list[Table]) -> tuple[list[Table], list[str]]:
    """Read palettes by their numbers where their colours do not say what the file does.

    That is so where two numbers of one map have the same colour, where the other map is of bare numbers, and
    where two palettes have no colour in common.
    """
    with_palette = [table for table in tables if table.numbers is not None]
    if not with_palette or not all(table.numbers is not None or table.is_gray for table in tables):
        return tables, []
    numbered = [_numbered(table) for table in tables]
    as_colors, as_numbers = (_shared(_as_masks(each)[0]) for each in (tables, numbered))
    if any(len(np.unique(table.codes, axis=0)) < len(table.codes) for table in with_palette):
        better, why = as_numbers >= as_colors, "its palette has one colour for several of them"
    elif len(with_palette) == 1:
        better, why = as_numbers > as_colors, "the other map has numbers"
    else:
        better, why = as_numbers > as_colors == 0, "the palettes of both maps have no colour in common"
    if not better:
        return tables, []
    names = " and ".join(table.name for table in with_palette)
    return numbered, [f"{names}: read by the palette's numbers, for {why}."]


def _numbered(table: Table) -> Table:
    if table.numbers is None:
        return table
    codes = np.repeat(table.numbers[:, None], 4, axis=1)
    codes[:, 3] = 0
    return table._replace(codes=codes)


def _shared(tables: list[Table]) -> float:
    """Share of the map that has less in common with the other."""
    here, there = ({tuple(code) for code in table.codes.tolist()} for table in tables)
    return min(
        float(table.counts[[tuple(code) in here & there for code in table.codes.tolist()]].sum())
        / float(table.counts.sum())
        for table in tables
    )


def _with_holes(tables: list[Table]) -> tuple[list[Table], list[str]]:
    """Make all of a hole one code, unless the other map has painted what is hidden in it."""
    with_hole = [table for table in tables if table.codes[:, 3].any()]
    if len(with_hole) == 1:
        (table,), (other,) = with_hole, [table for table in tables if table is not with_hole[0]]
        hole = table.codes[:, 3] == 1
        hidden, seen = ({tuple(code) for code in table.codes[on, :3].tolist()} for on in (hole, ~hole))
        painted = {tuple(code) for code in other.codes[other.areas, :3].tolist()}
        if len(hidden) == 1 and hidden <= painted - seen:
            shown = table.codes.copy()
            shown[:, 3] = 0
            return [each._replace(codes=shown) if each is table else each for each in tables], []
    holed = [np.where(table.codes[:, 3:] == 1, HOLE, table.codes) for table in tables]
    return [table._replace(codes=codes) for table, codes in zip(tables, holed, strict=True)], []


def _as_masks(tables: list[Table]) -> tuple[list[Table], list[str]]:
    """Make one of a map of numbers from 0 on and of one that holds the same numbers stretched to be seen."""
    for one, (numbers, shown) in enumerate((tables, tables[::-1])):
        levels = _stretched(numbers, shown)
        if levels is None:
            continue
        codes = np.array([(*3 * (levels.get(code[0], code[0]),), 0) for code in numbers.codes.tolist()])
        changed = numbers._replace(codes=codes)
        pairs = " and ".join(f"{low} with {high}" for low, high in sorted(levels.items()))
        note = f"{numbers.name} and {shown.name} are taken as one pair of masks: {pairs}."
        return [changed, shown] if one == 0 else [shown, changed], [note]
    return tables, []


def _stretched(numbers: Table, shown: Table) -> dict[int, int] | None:
    """Levels of the map that shows numbers, by number; None where it does not."""
    if not (numbers.is_gray and shown.is_gray and numbers.is_exact):
        return None
    low, high = sorted(numbers.grays), sorted(shown.grays)
    if len(low) < 2 or low == high:
        return None
    if low == list(range(len(low))):
        if shown.is_exact:
            factors = (*FACTORS, 255 // (len(low) - 1), 255 / (len(low) - 1))
            matches = any(high == [round(factor * number) for number in low] for factor in factors)
            return dict(zip(low, high, strict=True)) if matches else None
        is_mask = len(low) == 2 and high[:1] <= [DARK] and high[-1:] >= [LIGHT]
        return {0: 0, 1: 255} if is_mask else None
    both = len(low) == len(high) == 2 and shown.is_exact
    if both and max(low[0], high[0]) < DARK and LIGHT < min(low[1], high[1]) < 256:
        return dict(zip(low, high, strict=True))
    return None


def _rounded_alike(tables: list[Table]) -> tuple[list[Table], list[str]]:
    """Make one of two colours, one in each map, that differ by some program's rounding.

    Not where a map has codes near each other, as class numbers and crowded palettes are.
    """
    here, there = tables
    if not (here.is_exact and there.is_exact) or any(map(_is_crowded, tables)):
        return tables, []
    are_plain = here.areas.sum() == there.areas.sum() == 1
    codes, notes = there.codes.copy(), []
    painted = [table.codes[table.areas].tolist() for table in tables]
    for own in (code for code in painted[0] if code not in painted[1]):
        for other in (code for code in painted[1] if code not in painted[0]):
            if not _is_rounded(own, other, are_plain):
                continue
            codes[(there.codes == other).all(axis=1)] = own
            if not are_plain:
                notes.append(f"{there.name}: {name_of(other)} is taken for {here.name}'s {name_of(own)}.")
    return [here, there._replace(codes=codes)], notes


def _is_crowded(table: Table) -> bool:
    colors = table.codes[table.areas & (table.codes[:, 3] == 0), :3]
    if len(colors) > 256:
        return True
    distances = np.linalg.norm(colors[:, None] - colors[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    return bool((distances <= COLOR_RADIUS).any()) or table.deep


def _is_rounded(one: list[int], other: list[int], are_plain: bool) -> bool:
    if one[3] or other[3]:
        return False
    is_gray = len({*one[:3]}) == len({*other[:3]}) == 1
    most = COLOR_RADIUS if are_plain else SAME_GRAY if is_gray else SAME_COLOR
    return bool(np.linalg.norm(np.subtract(one, other)) < most)


def name_of(code: list[int], *, as_number: bool = False) -> str:
    """What to call a code: its colour, or the number that a gray one is."""
    red, green, blue, hole = code
    if hole:
        return "transparent"
    if as_number:
        return f"value {red}"
    if max(red, green, blue) > 255:
        return f"value {red}, {green}, {blue}"
    return f"#{red:02X}{green:02X}{blue:02X}"
