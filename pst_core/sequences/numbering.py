"""Frames by the numbers in their names: none missing, none twice."""

import re
from collections.abc import Sequence
from itertools import pairwise

from pst_core.errors import SequenceError
from pst_core.printing import printable

_NUMBER = re.compile(r"([0-9]+)[^0-9]*$")
MOST_NAMED = 5
"""Missing numbers that a sentence names."""


def in_order(names: Sequence[str], place: str) -> list[int]:
    """Places of frames in the order of the numbers in their names.

    Parameters
    ----------
    names
        Without extension; a frame's number is the last one in its name, as in ``shot2_0001`` or ``0001_b``.
    place
        What a sentence calls the folder.

    Raises
    ------
    SequenceError
        A name has no number, two have the same, or numbers between the first and the last are missing.

    Examples
    --------
    >>> in_order(["shot_010", "shot_009", "shot_011"], "shots")
    [1, 0, 2]
    """
    by_number: dict[int, int] = {}
    for index, name in enumerate(names):
        number = _number_of(name, place)
        if number in by_number:
            other = names[by_number[number]]
            raise SequenceError(
                f"{printable(other)} and {printable(name)} in {place} are both frame {number}: keep the "
                "frames of one sequence in a folder, each number once."
            )
        by_number[number] = index
    _refuse_gaps(sorted(by_number), place)
    return [by_number[number] for number in sorted(by_number)]


def _number_of(name: str, place: str) -> int:
    found = _NUMBER.search(name)
    if found is None:
        raise SequenceError(
            f"{printable(name)} in {place} has no number in its name, so it is no frame of a sequence: "
            "remove it, or number it."
        )
    return int(found[1])


def _refuse_gaps(numbers: Sequence[int], place: str) -> None:
    runs = [(before + 1, after - 1) for before, after in pairwise(numbers) if after > before + 1]
    if not runs:
        return
    shown = [str(first) if first == last else f"{first} to {last}" for first, last in runs]
    more = f" and {len(runs) - MOST_NAMED} more gaps" if len(runs) > MOST_NAMED else ""
    raise SequenceError(
        f"Frames are missing in {place}: {', '.join(shown[:MOST_NAMED])}{more}; add them, or number the rest "
        "without gaps."
    )
