"""Photographs take a look, one after another: a task for each, which is kept like any step.

While one takes it, the one before is encoded and published, see `flows.runtime.lanes`.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flows.orders.photograph_order import PhotographOrder
from flows.orders.planning import Prober
from flows.results.conflicts import choose
from flows.results.looks import LookSource
from flows.results.outcomes import PairOutcome
from flows.results.under_look import KnownLook, UnderLook
from flows.runtime.cancellation import safe_points
from flows.runtime.failures import explain_failure
from flows.runtime.lanes import Lanes, jobs_behind, leave_lane, seconds_waited, take_lane
from flows.runtime.trouble import is_server_trouble
from pst_core.store import Reference, open_store
from tasks.looks import apply, fit
from tasks.pair import passing_in_memory
from tasks.progress import announcing
from tasks.results import Applied, Fitted
from tasks.unit import returned

Ended = Callable[[int, PairOutcome], None]


def look_from(source: LookSource) -> Reference:
    """The look of a source, fitted first where it is not there."""
    if source.kept is not None:
        return source.kept
    assert source.fitted_to is not None
    with passing_in_memory():
        fitted: Fitted = fit(**source.fitted_to)
    return fitted.look


def apply_to_each(
    known: KnownLook,
    orders: Sequence[PhotographOrder],
    prober: Prober,
    ended: Ended,
    shown: tuple[str, str] = ("content", "result"),
) -> None:
    """Let photographs take a look, each by itself; within a flow run.

    Parameters
    ----------
    ended
        Called with a photograph's place and how it ended, in their order.
    shown
        What the small pictures of the photograph and of its result are called.
    """
    with open_store().in_use(), safe_points() as stop_if_asked:

        def run(place: int) -> PairOutcome:
            return _outcome(known, orders[place], prober, shown)

        places = range(len(orders))
        if behind := jobs_behind():
            Lanes(run, ended, lambda _: None, stop_if_asked, behind).do(places)
            return
        for place in places:
            stop_if_asked()
            ended(place, run(place))


def _outcome(known: KnownLook, order: PhotographOrder, prober: Prober, shown: tuple[str, str]) -> PairOutcome:
    """How a photograph ends; its failure is its own."""
    started = time.monotonic()
    take_lane()  # before it is read: a large one takes far more memory until it is encoded
    photograph = order.photograph
    told: dict[str, Any] = {"name": photograph.name, "files": {"content": str(photograph.content)}}
    try:
        with passing_in_memory():
            told |= _end(known, order, prober, shown)
    except Exception as error:
        if is_server_trouble(error):
            raise
        told |= {"state": "failed", "error": explain_failure(error)[0]}
    return PairOutcome(**told, seconds=time.monotonic() - started - seconds_waited())


def _end(
    known: KnownLook, order: PhotographOrder, prober: Prober, shown: tuple[str, str]
) -> Mapping[str, Any]:
    if order.photograph.problem is not None:
        return {"state": "failed", "error": order.photograph.problem}
    planned = UnderLook.planned(order, known, prober)
    if choose(planned.wanted) is not None:
        with announcing(leave_lane):
            run = apply(**planned.inputs, return_state=True)
        applied: Applied = returned(run)
        if (place := planned.publish(applied)) is not None:
            state = "cached" if run.name == "Cached" else "done"
            return {
                "state": state, "folder": str(place.picture.parent), "picture": str(place.picture),
                "steps": 1, "steps_cached": int(state == "cached"), "notes": applied.notes,
                "previews": dict(zip(shown, (applied.before, applied.after), strict=True)),
            }  # fmt: skip
    picture = order.place.picture
    return {"state": "skipped", "folder": str(picture.parent), "picture": str(picture)}
