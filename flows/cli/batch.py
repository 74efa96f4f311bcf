"""Batches from the command line: run, resume, status, store."""

import json
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from flows.cli.options import Choice
from flows.display.batch import BatchWatcher, choose_watcher, print_summary, print_table
from flows.display.picture import clock, emit
from flows.display.watching import watched_by
from flows.runtime.failures import SOME_FAILED
from flows.runtime.server import prefect_server, prepare_environment
from pst_core.errors import ConfigError, PstError
from pst_core.network.identity import UNTRAINED

if TYPE_CHECKING:
    from flows.batch import BatchOrder
    from flows.results.outcomes import Summary

__all__ = ["carry_out", "ended", "list_standings", "load_order", "make_order", "run_anywhere"]

Ran = TypeVar("Ran")
WAITING = ("new", "partly")
LOST = "Prefect's server went away: going on with one of our own, from what is finished."


def carry_out(order: "BatchOrder", *, quiet: bool, as_json: bool) -> int:
    """Run a batch to its end; the exit status.

    A server that goes away on the way is replaced by one of our own: what is finished is found done there.
    """
    from flows.batch import check_order

    check_order(order)  # known before a server is even started
    watcher = choose_watcher(quiet=quiet, as_json=as_json)
    summary, server_lost = run_anywhere(watcher, order.out, lambda: _run(order, watcher))
    if not (quiet or as_json):
        print_summary(summary)
    if summary.failed and not as_json:
        _tell_way_on(summary)
    status = SOME_FAILED if summary.failed else 0
    return ended(status, server_lost=server_lost)


def run_anywhere(watcher: BatchWatcher, out: Path, run: Callable[[], Ran]) -> tuple[Ran, bool]:
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
                if not _lost_server(error):
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


def _run(order: "BatchOrder", watcher: BatchWatcher) -> "Summary":
    from flows.batch import stylize_folder
    from pst_core.settings.overrides import overrides_of

    parameters = {name: getattr(order, name) for name in type(order).model_fields}
    parameters["settings"] = overrides_of(order.settings)
    state = stylize_folder(**parameters, return_state=True)
    summary = watcher.summary
    if summary is None or len(summary.outcomes) < summary.total:
        state.result()  # raises what ended it
        raise PstError(f"The batch ended early ({state.name}): run the same command again.")
    return summary


def _lost_server(error: BaseException) -> bool:
    from flows.batch import is_server_loss

    return is_server_loss(error)


def _tell_way_on(summary: "Summary") -> None:
    from flows.layout import FAILED

    out = summary.out
    if any(outcome.files for outcome in summary.failed):
        print(
            f"To run only what failed: pst run {out / FAILED} --out {out} --allow-outside",
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
    prepare_environment()
    from flows.batch import BatchOrder

    settings = choice.config.model_dump(include=set(choice.settings), mode="json")
    weights = settings.get("weights")
    if weights not in (None, UNTRAINED):  # the order may be taken up again from another folder
        settings["weights"] = str(Path(weights).expanduser().absolute())
    asked = {"source": source, "out": out, "preset": choice.preset, "settings": settings}
    return BatchOrder.model_validate(asked | details)


def load_order(out: Path) -> "BatchOrder":
    """The order of the batch that was last run into a folder.

    Raises
    ------
    ConfigError
        There is none, or it cannot be used.
    """
    from pydantic import ValidationError

    prepare_environment()
    from flows.batch import ORDER, BatchOrder
    from flows.evaluation import EVALUATION

    path = out / ORDER
    try:
        saved = json.loads(path.read_bytes())
        return BatchOrder(**{name: value for name, value in saved.items() if name != "program"})
    except FileNotFoundError as error:
        if (out / EVALUATION).exists():
            way_out = f"{out} holds an evaluation: pst resume {out} goes on with it, and finds what is done."
        else:
            way_out = f"{out} holds no batch: begin one with pst run FOLDER --out {out}."
        raise ConfigError(way_out) from error
    except (OSError, ValueError, TypeError, AttributeError, ValidationError) as error:
        raise ConfigError(
            f"{path} cannot be used ({type(error).__name__}): begin anew with pst run."
        ) from error


def list_standings(order: "BatchOrder", *, as_json: bool) -> int:
    """Print where each pair stands; exit status 3 if some cannot be done."""
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
