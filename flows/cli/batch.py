"""Batches from the command line: run, resume, status, store."""

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from flows.cli.options import Choice
from flows.display.batch import choose_watcher, print_summary, print_table
from flows.display.meter import clock, emit
from flows.display.watching import Watcher, watched_by
from flows.runtime.failures import SOME_FAILED
from flows.runtime.server import is_server_loss, prefect_server, prepare_environment
from pst_core.errors import ConfigError
from pst_core.network.identity import UNTRAINED

if TYPE_CHECKING:
    from flows.orders.batch_order import BatchOrder
    from flows.results.outcomes import Summary

__all__ = ["carry_out", "ended", "list_standings", "make_order", "run_anywhere"]

Ran = TypeVar("Ran")
WAITING = ("new", "partly")
LOST = "Prefect's server went away: going on with one of our own, from what is finished."


def carry_out(order: "BatchOrder", *, quiet: bool, as_json: bool) -> int:
    """Run a batch to its end; the exit status.

    A server that goes away on the way is replaced by one of our own: what is finished is found done there.
    """
    prepare_environment()
    from flows.batch import run_batch
    from flows.orders.batch_order import check_order

    orders = check_order(order)  # known before a server is even started
    watcher = choose_watcher(quiet=quiet, as_json=as_json)
    summary, server_lost = run_anywhere(watcher, order.out, lambda: run_batch(order, orders))
    if not (quiet or as_json):
        print_summary(summary)
    if summary.failed and not as_json:
        _tell_way_on(summary)
    status = SOME_FAILED if summary.failed else 0
    return ended(status, server_lost=server_lost)


def run_anywhere(watcher: Watcher, out: Path, run: Callable[[], Ran]) -> tuple[Ran, bool]:
    """Run on the server that is configured, or else on one of our own; and whether the former was lost.

    Parameters
    ----------
    out
        What to resume after a signal.
    run
        Called again on a server of our own if the first one was lost; what is finished is found done.
    """
    try:
        with watcher, watched_by(watcher), ExitStack() as stack:
            try:
                watcher.server_found(stack.enter_context(prefect_server()))
                return run(), False
            except Exception as error:
                if not is_server_loss(error):
                    raise
                print(LOST, file=sys.stderr)
                watcher.server_found(stack.enter_context(prefect_server(own=True)))
                return run(), True
    except BaseException as error:
        if not isinstance(error, Exception):  # a signal, be it during the second run
            print(f"What is finished is kept; to go on: pst resume {out}", file=sys.stderr)
        raise


def ended(status: int, *, server_lost: bool) -> int:
    """The exit status; after a lost server the process ends here, for Prefect would wait minutes for it."""
    if server_lost:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


def _tell_way_on(summary: "Summary") -> None:
    from flows.results.outcomes import FAILED_LIST

    out = summary.out
    if any(outcome.files for outcome in summary.failed):
        print(
            f"To run only what failed: pst run {out / FAILED_LIST} --out {out} --allow-outside",
            file=sys.stderr,
        )


def make_order(
    source: Path | None,
    out: Path | None,
    choice: Choice,
    **details: Any,  # noqa: ANN401 - BatchOrder's
) -> "BatchOrder":
    """An order from the command line.

    Raises
    ------
    ConfigError
        Folder or output is not named.
    """
    if source is None:
        raise ConfigError("A folder or a manifest is needed: pst run FOLDER --out DIR.")
    if out is None:
        raise ConfigError("Say where the results go, with --out DIR (or -o).")
    from flows.orders.batch_order import BatchOrder

    settings = choice.config.model_dump(include=set(choice.settings), mode="json")
    weights = settings.get("weights")
    if weights not in (None, UNTRAINED):  # the order may be taken up again from another folder
        settings["weights"] = str(Path(weights).expanduser().absolute())
    asked = {"source": source, "out": out, "preset": choice.preset, "settings": settings}
    return BatchOrder.model_validate(asked | details)


def list_standings(order: "BatchOrder", *, as_json: bool) -> int:
    """Print where each pair stands; exit status 3 if some cannot be done."""
    prepare_environment()
    from flows.results.standing import estimate_seconds, find_standings

    rows, states = [], []
    for standing in find_standings(order):
        states.append(standing.state)
        if as_json:
            emit("pair", **standing.model_dump(mode="json"))
            continue
        kept = f"{standing.steps_kept} of {standing.steps}" if standing.steps else ""
        rows.append((standing.name, standing.state, kept, standing.why))
    waiting = sum(state in WAITING for state in states)
    seconds = estimate_seconds(order.out, waiting)
    counts = {state: states.count(state) for state in dict.fromkeys(states)}
    if as_json:
        emit("summary", pairs=len(states), seconds_estimated=seconds, **counts)
    else:
        print_table(("pair", "state", "steps kept", "why"), rows)
        told = ", ".join(f"{number} {state}" for state, number in counts.items())
        estimate = f"; about {clock(seconds)} of work" if seconds else ""
        print(f"{len(states)} pairs: {told}{estimate}.")
    return SOME_FAILED if "failed" in states else 0
