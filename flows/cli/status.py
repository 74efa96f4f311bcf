"""`pst status`: where each pair of a batch stands."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from flows.cli.groups import Json
from flows.orders.batch_order import load_batch_order
from flows.runtime.failures import SOME_FAILED
from flows.runtime.garbage import pass_over_what_is_loaded
from pst_core.printing import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flows.orders.batch_order import BatchOrder
    from flows.results.standing import Standing

WAITING = ("new", "partly")


def status(out: Path, /, *, as_json: Json = False) -> int:
    """List the pairs of the order that a folder holds; the exit status.

    Parameters
    ----------
    out
        Folder of the results.
    as_json
        One JSON object per line: event pair (name, state, steps, steps_kept, why), then summary.
    """
    return list_standings(load_batch_order(out), as_json=as_json)


def list_standings(order: "BatchOrder", *, as_json: bool) -> int:
    """Print where each pair stands; exit status 3 if some cannot be done."""
    from flows.runtime.settings import import_prefect

    import_prefect()
    from flows.display.batch import print_table
    from flows.display.meter import clock, emit
    from flows.orders.batch_order import find_orders
    from flows.results.standing import estimate_seconds, find_standings

    found = find_orders(order)
    pass_over_what_is_loaded()
    counts = Counter[str]()

    def counted_ones() -> "Iterator[Standing]":
        for standing in find_standings(order, found):
            counts[standing.state] += 1
            yield standing

    if as_json:
        for standing in counted_ones():
            emit("pair", **standing.model_dump(mode="json"))
    else:
        print_table(("pair", "state", "steps kept", "why"), map(_row, counted_ones()))
    pairs, seconds = counts.total(), estimate_seconds(order.out, sum(counts[state] for state in WAITING))
    if as_json:
        emit("summary", pairs=pairs, seconds_estimated=seconds, notes=[*found.notes], **counts)
    else:
        told = ", ".join(f"{number} {state}" for state, number in counts.items())
        estimate = f"; about {clock(seconds)} of work" if seconds else ""
        for note in found.notes:
            print(note)
        print(f"{counted(pairs, 'pair')}: {told}{estimate}.")
    return SOME_FAILED if counts["failed"] else 0


def _row(standing: "Standing") -> tuple[str, ...]:
    kept = f"{standing.steps_kept} of {standing.steps}" if standing.steps else ""
    return standing.name, standing.state, kept, standing.why
