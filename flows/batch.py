"""The flow of a batch: pairs done here or handed out, and at the end who is done, who failed, and why."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from prefect import Flow, flow
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Completed, Failed

from flows.applying import Ended
from flows.display.pages import draw_sheet, show_batch
from flows.display.watching import watcher
from flows.layout import sheet_path
from flows.orders.batch_order import BatchOrder, FoundOrders, check_order
from flows.orders.conflicts import OnConflict
from flows.orders.planning import PairOrder, Prober
from flows.orders.saved import KeptOrder
from flows.pairs.pair import Pairing
from flows.results.gallery import write_gallery
from flows.results.outcomes import Outcomes, PairOutcome, Summary
from flows.results.table import write_outcomes
from flows.runtime.cancellation import RunCancelled, ending_in_order
from flows.runtime.parameters import Parameter
from flows.series import run_series
from flows.shard import log_outcome, run_pairs
from flows.shards.handing import hand_out
from pst_core.errors import PstError
from pst_core.files import names_synced_together, write_bytes_atomically
from pst_core.parquet import have_library
from pst_core.printing import counted, printable
from pst_core.settings.config import PresetName
from pst_core.settings.overrides import Overrides, settings_of

Kind = TypeVar("Kind")
PASSED_TOGETHER = 500
"""Pairs in a row that took no work are told of together in the log, up to so many."""


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
    pool: str | None = None,
    look: bool = False,
    anchor: str | None = None,
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
        pool: Work pool whose workers do the pairs; without one they are done here.
        look: Whether each result's look is written beside it, for other programs.
        anchor: Name of the pair whose look all others take, each at its own exposure.
    """
    order = BatchOrder(
        source=source, out=out, pairing=pairing, style=style, preset=preset, settings=settings_of(settings),
        on_conflict=on_conflict, allow_outside=allow_outside, picture_name=picture_name,
        look=look, anchor=anchor,
    )  # fmt: skip
    found = check_order(order)
    return run_kept(order, lambda: _stylize(order, found, pool))


def run_batch(order: BatchOrder, found: FoundOrders, pool: str | None = None) -> Summary:
    """Run a batch whose pairs are known, as `check_order` finds them; see `run_found` and `run_orders`."""
    return run_found(stylize_folder, order, lambda: _stylize(order, found, pool), Summary)


def run_found(like: Flow[..., State], order: KeptOrder, run: Callable[[], State], kind: type[Kind]) -> Kind:
    """Run an order whose pairs are known as a flow with the name, and the runs' names, of a deployed one.

    Returns what it hands back, of its kind, whether its run counts as failed or not; raises what ended it.
    """
    run_name, kept = printable(str(like.flow_run_name).format(**dict(order))), partial(run_kept, order, run)

    @flow(name=like.name, flow_run_name=lambda: run_name, persist_result=False)
    def found(order: Parameter) -> State:  # noqa: ARG001 - shown as the run's parameter
        return kept()

    state: State[Any] = found(Parameter(value=order), return_state=True)
    if state.is_cancelled():
        raise RunCancelled
    ended = state.result(raise_on_failure=False)
    if not isinstance(ended, kind):
        state.result()
        raise PstError(f"The batch ended early ({state.name}): run the same command again.")
    return ended


def run_kept(order: KeptOrder, run: Callable[[], State]) -> State:
    """Run an order once it lies in its results' folder, to be taken up again; within a flow run."""

    def kept() -> State:
        order.save()
        return run()

    return ending_in_order(kept)


def _stylize(order: BatchOrder, found: FoundOrders, pool: str | None) -> State:
    summary = run_orders(order.out, found.pairs, Prober(), found.notes, pool, found.anchor)
    # A failed pair makes the run one that an operator looks at; everything else in it is done all the same.
    ended: State = (Failed if summary.failed else Completed)(message=summary.sentence, data=summary)
    return ended


def run_orders(
    out: Path,
    orders: Sequence[PairOrder],
    prober: Prober,
    notes: tuple[str, ...] = (),
    pool: str | None = None,
    anchor: int | None = None,
) -> Summary:
    """Run pairs, and leave their table, contact sheet and gallery; within a flow run.

    They run here, see `flows.shard.run_pairs`, or in shards by the workers of a pool. Of a series only the
    anchor is such a pair, see `flows.series`.
    """
    have_library()  # for the table at the end
    for note in notes:
        get_run_logger().info("%s", note)
    outcomes, log = Outcomes(), _Log()
    watcher().batch_started(len(orders), notes)
    try:
        run, ended = partial(_run_pairs, out, pool, prober), partial(_ended, outcomes, log)
        if anchor is None:
            run(orders, ended)
        else:
            run_series(orders, anchor, prober, run, ended)
    finally:
        log.tell_passed()
        summary = Summary(out=out, outcomes=outcomes, total=len(orders), notes=notes)
        with names_synced_together():
            write_outcomes(summary)
            write_gallery(summary)
        watcher().batch_ended(summary)
    _show(summary, pictures_together=any(order.picture for order in orders))
    return summary


def _run_pairs(
    out: Path, pool: str | None, prober: Prober, orders: Sequence[PairOrder], ended: Ended
) -> None:
    if pool is None:
        run_pairs(orders, prober, ended)
    else:
        hand_out(orders, out, pool, prober, ended)


class _Log:
    """Says in the flow run's log how pairs ended: of those that took no work, now and then, only how many.

    A batch that is run again may have very many of them, and each line is a row in the server's database.
    """

    def __init__(self) -> None:
        self._passed: Counter[str] = Counter()

    def tell(self, outcome: PairOutcome) -> None:
        """Hear how a pair ended, and say it now or later."""
        if outcome.state not in ("cached", "skipped"):
            self.tell_passed()
            log_outcome(outcome)
            return
        self._passed[outcome.state] += 1
        if self._passed.total() == PASSED_TOGETHER:
            self.tell_passed()

    def tell_passed(self) -> None:
        """Say how many pairs took no work since this was said last."""
        if self._passed:
            states = ", ".join(f"{number} {state}" for state, number in sorted(self._passed.items()))
            get_run_logger().info("%s: %s", counted(self._passed.total(), "pair"), states)
            self._passed.clear()


def _ended(outcomes: Outcomes, log: _Log, place: int, outcome: PairOutcome) -> None:
    outcomes.add(place, outcome)
    watcher().pair_ended(outcome)
    log.tell(outcome)


def _show(summary: Summary, *, pictures_together: bool) -> None:
    """The contact sheet in the folder, and the batch's pages in the UI."""
    sheet = draw_sheet(summary)
    if sheet is not None:
        path = sheet_path(summary.out, pictures_together=pictures_together)
        write_bytes_atomically(path, sheet, overwrite=True)
    show_batch(summary, sheet)
