"""The flow of a batch: pair after pair, each by itself, and at the end who is done, who failed, and why."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from prefect import Flow, flow
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.states import Completed, Failed

from flows.display.batch import describe
from flows.display.pages import draw_sheet, show_batch
from flows.display.watching import watcher
from flows.layout import sheet_path
from flows.orders.batch_order import BatchOrder, FoundOrders, check_order
from flows.orders.conflicts import OnConflict
from flows.orders.planning import PairOrder, Prober, plan_pair
from flows.orders.saved import SavedOrder
from flows.pair import stylize_planned
from flows.pairs.pair import Pairing
from flows.results.finished import find_done
from flows.results.gallery import write_gallery
from flows.results.outcomes import PairOutcome, Summary, write_outcomes
from flows.runtime.cancellation import RunCancelled, ending_in_order, result_of, safe_points
from flows.runtime.failures import explain_failure
from flows.runtime.parameters import Parameter
from flows.runtime.trouble import is_server_trouble
from pst_core.errors import PstError
from pst_core.files import write_bytes_atomically
from pst_core.printing import printable
from pst_core.settings.config import PresetName
from pst_core.settings.overrides import Overrides, settings_of
from pst_core.store import open_store

Kind = TypeVar("Kind")


@flow(name="stylize-folder", flow_run_name="{source.name} {preset}", persist_result=False)
def stylize_folder(
    source: Path,
    out: Path,
    pairing: Pairing = "auto",
    style: Path | None = None,
    preset: PresetName = "default",
    settings: Overrides = Overrides(),  # noqa: B008 - frozen
    on_conflict: OnConflict = "changed",
    allow_outside: bool = False,
    picture_name: str | None = None,
) -> State:
    """Restyle a whole folder of photographs, pair by pair; what is done already is not done again.

    Args:
        source: Folder of photographs, or a manifest (.csv, .jsonl, .parquet).
        out: Folder for the results, one folder a pair.
        pairing: Which convention the folder follows; auto finds out.
        style: One style photograph for the whole folder.
        preset: Settings to begin with.
        settings: Settings that replace the preset's.
        on_conflict: What happens to results that are there already.
        allow_outside: Whether a manifest's paths may lead out of its folder.
        picture_name: Puts all pictures into the folder itself, named so; {name}{ext} is the pair's name.
    """
    order = BatchOrder(
        source=source, out=out, pairing=pairing, style=style, preset=preset, settings=settings_of(settings),
        on_conflict=on_conflict, allow_outside=allow_outside, picture_name=picture_name,
    )  # fmt: skip
    return _stylize(order, check_order(order))


def run_batch(order: BatchOrder, found: FoundOrders) -> Summary:
    """Run a batch whose pairs are known, as `check_order` finds them; see `run_found`."""
    return run_found(stylize_folder, order, lambda: _stylize(order, found), Summary)


def run_found(like: Flow[..., State], order: SavedOrder, run: Callable[[], State], kind: type[Kind]) -> Kind:
    """Run an order whose pairs are known as a flow with the name, and the runs' names, of a deployed one.

    Returns what it hands back, of its kind, whether its run counts as failed or not; raises what ended it.
    """
    run_name = printable(str(like.flow_run_name).format(**dict(order)))

    @flow(name=like.name, flow_run_name=lambda: run_name, persist_result=False)
    def found(order: Parameter) -> State:  # noqa: ARG001 - shown as the run's parameter
        return run()

    state: State[Any] = found(Parameter(value=order), return_state=True)
    if state.is_cancelled():
        raise RunCancelled
    ended = state.result(raise_on_failure=False)
    if not isinstance(ended, kind):
        state.result()
        raise PstError(f"The batch ended early ({state.name}): run the same command again.")
    return ended


def _stylize(order: BatchOrder, found: FoundOrders) -> State:
    return ending_in_order(lambda: _run_saved(order, found))


def _run_saved(order: BatchOrder, found: FoundOrders) -> State:
    order.save()
    summary = run_orders(order.out, found.pairs, Prober(), found.notes)
    # A failed pair makes the run one that an operator looks at; everything else in it is done all the same.
    ended: State = (Failed if summary.failed else Completed)(message=summary.sentence, data=summary)
    return ended


def run_orders(
    out: Path, orders: Sequence[PairOrder], prober: Prober, notes: tuple[str, ...] = ()
) -> Summary:
    """Run pairs one after another, and leave their table, contact sheet and gallery; within a flow run."""
    for note in notes:
        get_run_logger().info("%s", note)
    outcomes: list[PairOutcome] = []
    watcher().batch_started(len(orders), notes)
    try:
        _run_all(orders, outcomes, prober)
    finally:
        summary = Summary(out=out, outcomes=tuple(outcomes), total=len(orders), notes=notes)
        write_outcomes(summary)
        write_gallery(summary)
        watcher().batch_ended(summary)
    _show(summary, pictures_together=any(order.picture for order in orders))
    return summary


def _run_all(orders: Sequence[PairOrder], outcomes: list[PairOutcome], prober: Prober) -> None:
    # Heartbeats tell a dead run from a long one; the batch's own are enough, and a pair's cost a second each.
    with (
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
        open_store().in_use(),
        safe_points() as stop_if_asked,
    ):
        for order in orders:
            outcome = _run_pair(order, prober)
            stop_if_asked()
            outcomes.append(outcome)
            watcher().pair_ended(outcome)
            log = get_run_logger()
            (log.error if outcome.state == "failed" else log.info)("%s: %s", outcome.name, describe(outcome))


def _run_pair(order: PairOrder, prober: Prober) -> PairOutcome:
    """One pair's outcome, be it found done or made by a flow of its own; its failure is its own."""
    started = time.monotonic()
    if order.pair.problem is not None:
        outcome = _failed(order, order.pair.problem)
    else:
        try:
            plan = plan_pair(order, prober)
            known = find_done(plan)
            outcome = known or result_of(stylize_planned(Parameter(value=plan), return_state=True))
        except Exception as error:
            if is_server_trouble(error):
                raise
            outcome = _failed(order, explain_failure(error)[0])
    seconds = time.monotonic() - started
    return outcome.model_copy(update={"settings": dict(order.pair.given), "seconds": seconds})


def _failed(order: PairOrder, sentence: str) -> PairOutcome:
    files = {role: str(path) for role, path in order.paths.items()}
    return PairOutcome(name=order.name, state="failed", error=sentence, files=files)


def _show(summary: Summary, *, pictures_together: bool) -> None:
    """The contact sheet in the folder, and the batch's pages in the UI."""
    sheet = draw_sheet(summary)
    if sheet is not None:
        path = sheet_path(summary.out, pictures_together=pictures_together)
        write_bytes_atomically(path, sheet, overwrite=True)
    show_batch(summary, sheet)
