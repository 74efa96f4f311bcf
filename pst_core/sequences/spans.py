"""Which frames of a sequence are keys, and between which of them each other frame lies."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import ceil
from typing import NamedTuple


class Span(NamedTuple):
    """Frames in a row that take their looks from the same keys.

    Attributes
    ----------
    first, stop : int
        Places of the first frame, which is a key, and of the one behind the last.
    before, after : int
        Places of the keys; the same one where a shot has but one frame.
    """

    first: int
    stop: int
    before: int
    after: int

    def distance(self, place: int) -> float:
        """How far a frame is on the way from the key before it to the one after it, from 0 to 1."""
        return 0.0 if self.after == self.before else (place - self.before) / (self.after - self.before)


def plan_spans(count: int, cuts: Sequence[int], key_every: int) -> list[Span]:
    """Spans of a sequence: each shot has keys at its ends and, evenly between, so many frames apart at most.

    Parameters
    ----------
    count
        Frames there are.
    cuts
        Places of frames that begin another shot, see `pst_core.sequences.cuts.find_cuts`.
    key_every
        Frames from one key to the next at most.

    Examples
    --------
    >>> plan_spans(6, [4], 24)
    [Span(first=0, stop=4, before=0, after=3), Span(first=4, stop=6, before=4, after=5)]
    """
    shots = pairwise([0, *cuts, count])
    return [span for first, stop in shots for span in _spans_of_shot(first, stop - 1, key_every)]


def keys_of(spans: Iterable[Span]) -> list[int]:
    """Places of all keys, in order."""
    return sorted({key for span in spans for key in (span.before, span.after)})


def _spans_of_shot(first: int, last: int, key_every: int) -> list[Span]:
    if first == last:
        return [Span(first, first + 1, first, first)]
    parts = ceil((last - first) / key_every)
    keys = [first + round(part * (last - first) / parts) for part in range(parts + 1)]
    return [Span(before, after + (after == last), before, after) for before, after in pairwise(keys)]
