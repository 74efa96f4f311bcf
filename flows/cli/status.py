"""`pst status`: where each pair of a batch stands, or each frame of a sequence."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from flows.cli.groups import Json
from flows.orders.batch_order import load_batch_order
from flows.orders.last_order import load_last_order
from flows.orders.sequence_order import SequenceOrder
from flows.runtime.failures import SOME_FAILED
from flows.runtime.garbage import pass_over_what_is_loaded
from pst_core.printing import counted

if TYPE_CHECKING:
    from flows.orders.batch_order import BatchOrder
    from flows.orders.sequence_order import FoundSequence
    from flows.results.sequence_standing import SequenceStanding
    from flows.results.standing import Standing

WAITING = ("new", "partly")


def status(out: Path, /, *, as_json: Json = False) -> int:
    """List the pairs of the order that a folder holds, or a sequence's frames; the exit status.

    Parameters
    ----------
    out
        Folder of the results.
    as_json
        One JSON object per line: event pair (name, state, steps, steps_kept, why), then summary.
    """
    order = load_last_order(out)
    if isinstance(order, SequenceOrder):
        return list_sequence(order, as_json=as_json)
    return list_standings(load_batch_order(out), as_json=as_json)


def list_standings(order: "BatchOrder", *, as_json: bool) -> int:
    """Print where each pair stands; exit status 3 if some cannot be done."""
    from flows.runtime.settings import import_prefect

    import_prefect()
    from flows.orders.batch_order import find_orders
    from flows.results.standing import find_standings

    found = find_orders(order)
    pass_over_what_is_loaded()
    listing = _Listing("pair", order.out, found.notes)
    return _exit_status(listing.show(find_standings(order, found), as_json=as_json))


def list_sequence(order: SequenceOrder, *, as_json: bool) -> int:
    """Print where a sequence's key frames, frames and video stand; exit status 3 if some cannot be done."""
    from flows.runtime.settings import import_prefect

    import_prefect()
    from flows import layout
    from flows.display.meter import emit
    from flows.orders.sequence_order import find_sequence
    from flows.results.sequence_standing import find_sequence_standing

    found = find_sequence(order)
    pass_over_what_is_loaded()
    standing = find_sequence_standing(order, found)
    notes = (*found.notes, *_told(order, found, standing))
    counts = Counter[str]()
    listings = [
        ("Key frames", _Listing("key frame", order.out / layout.KEYS), standing.keys),
        ("Frames", _Listing("frame", order.out, notes, in_runs=True), standing.frames),
    ]
    if standing.video is not None:
        listings.append(("Video", _Listing("video"), (standing.video,)))
    for title, listing, standings in listings:
        if as_json:
            emit("method", title=title)
        counts += listing.show(standings, as_json=as_json)
    return _exit_status(counts)


def _told(order: SequenceOrder, found: "FoundSequence", standing: "SequenceStanding") -> tuple[str, ...]:
    """What there is to know of a sequence as a whole, a sentence each."""
    from flows import layout

    width, height = found.footage.size
    cuts = "" if standing.cuts is None else f", with {counted(standing.cuts, 'cut')}"
    target = order.video_wanted
    film = "" if target is None else f", and as a video to {target}"
    told = f"Frames have {width}x{height} pixels{cuts}. Results go to {order.out / layout.FRAMES}{film}."
    if standing.cuts is None:
        return told, "Cuts are looked for when it runs; both sides of each are key frames, too."
    return (told,)


@dataclass(frozen=True)
class _Listing:
    """How standings are listed.

    Attributes
    ----------
    of : str
        What they are of.
    out : Path, optional
        Folder whose last batch says how long one takes.
    notes : tuple of str
    in_runs : bool
        Whether neighbours that stand alike share a row.
    """

    of: str
    out: Path | None = None
    notes: tuple[str, ...] = ()
    in_runs: bool = False

    def show(self, standings: "Iterable[Standing]", *, as_json: bool) -> Counter[str]:
        """Print them, and what they come to; how many there are of each state."""
        from flows.display.batch import print_table
        from flows.display.meter import clock, emit
        from flows.results.standing import estimate_seconds

        counts = Counter[str]()

        def counted_ones() -> "Iterator[Standing]":
            for standing in standings:
                counts[standing.state] += 1
                yield standing

        if as_json:
            for standing in counted_ones():
                emit("pair", **standing.model_dump(mode="json"))
        else:
            print_table((self.of, "state", "steps kept", "why"), map(_row, self._runs(counted_ones())))
        total, waiting = counts.total(), sum(counts[state] for state in WAITING)
        seconds = None if self.out is None else estimate_seconds(self.out, waiting)
        if as_json:
            emit("summary", pairs=total, seconds_estimated=seconds, notes=[*self.notes], **counts)
        else:
            told = ", ".join(f"{number} {state}" for state, number in counts.items())
            estimate = f"; about {clock(seconds)} of work" if seconds else ""
            for note in self.notes:
                print(note)
            print(f"{counted(total, self.of)}: {told}{estimate}.")
        return counts

    def _runs(self, standings: "Iterable[Standing]") -> "Iterator[Sequence[Standing]]":
        if not self.in_runs:
            return ([standing] for standing in standings)
        return ([*run] for _, run in groupby(standings, lambda each: (each.state, each.why)))


def _row(run: "Sequence[Standing]") -> tuple[str, ...]:
    """A row for neighbours that stand alike."""
    first, last = run[0], run[-1]
    steps = sum(each.steps for each in run)
    kept = f"{sum(each.steps_kept for each in run)} of {steps}" if steps else ""
    return first.name if len(run) == 1 else f"{first.name} to {last.name}", first.state, kept, first.why


def _exit_status(counts: Counter[str]) -> int:
    return SOME_FAILED if counts["failed"] else 0
