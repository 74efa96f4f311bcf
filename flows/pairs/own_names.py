"""A name of its own for everybody who wants one, whoever else wants the same."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import count

from flows.layout import PAIR_FILES, RESERVED
from flows.pairs.names import fold


def settle(
    wishes: Sequence[Sequence[str]], is_usable: Callable[[str], bool], extension: str = ""
) -> list[str]:
    """Give each of many a name that no other has, however file systems spell and compare names.

    Who is alone in wanting a name gets it: a clash changes the names of those that clash, and no other's.
    Where even the last wishes are the same, they are numbered.

    Parameters
    ----------
    wishes
        For each the names it would take, best first.
    is_usable
        Whether a name can be had at all.
    extension
        What all names end with, behind a number.
    """
    names: dict[int, str] = {}
    taken: set[str] = set()
    waiting = list(range(len(wishes)))
    for turn in range(max(map(len, wishes), default=0)):
        wanted = {index: wishes[index][min(turn, len(wishes[index]) - 1)] for index in waiting}
        counts = Counter(map(fold, wanted.values()))
        granted = {
            index: name
            for index, name in wanted.items()
            if counts[fold(name)] == 1 and fold(name) not in taken and is_usable(name)
        }
        names |= granted
        taken.update(map(fold, granted.values()))
        waiting = [index for index in waiting if index not in granted]
    for index in waiting:
        numbered = _numbered(wishes[index][-1].removesuffix(extension), extension)
        names[index] = next(name for name in numbered if fold(name) not in taken)
        taken.add(fold(names[index]))
    return [names[index] for index in range(len(wishes))]


def can_be_folder(name: str) -> bool:
    """Whether a pair can be called so: not like what a batch's or a pair's folder holds of its own."""
    first, *others = fold(name).split("/")
    return first not in RESERVED and PAIR_FILES.isdisjoint(others)


def with_free_folders(name: str) -> str:
    """A pair's name in whose folders no name is one that a batch's or a pair's folder needs."""
    *folders, last = name.split("/")
    needed = [RESERVED if not index else PAIR_FILES for index in range(len(folders))]
    free = [f"{part}_" if fold(part) in names else part for part, names in zip(folders, needed, strict=True)]
    return "/".join([*free, last])


def digest(*parts: str | os.PathLike[str]) -> str:
    """A few letters that stay the same as long as the parts do, whatever else there is."""
    return hashlib.sha256(b"\0".join(map(os.fsencode, parts))).hexdigest()[:6]


def _numbered(name: str, extension: str) -> Iterable[str]:
    return (f"{name}-{number}{extension}" for number in count(1))
