"""The flow of a batch: pair after pair, each by itself, and at the end who is done, who failed, and why."""

import json
import time
from pathlib import Path
from typing import Any

from prefect import flow, runtime
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.states import Completed, Failed
from pydantic import BaseModel, ConfigDict

from flows.display.batch import describe
from flows.display.pages import draw_sheet, show_batch
from flows.display.watching import watcher
from flows.orders.planning import OnConflict, PairOrder, Prober, plan_pair
from flows.pair import describe_outcome, find_made, republish, stylize_pair
from flows.pairs.find import Pair, Pairing, find_pairs
from flows.results.gallery import write_gallery
from flows.results.outcomes import PairOutcome, Summary, write_outcomes
from flows.results.publication import choose_folder
from flows.runtime.failures import explain_failure
from flows.runtime.interrupts import deferring_signals
from pst_core.files import check_writable, write_bytes_atomically
from pst_core.report import PROGRAM
from pst_core.settings.config import PresetName
from pst_core.settings.overrides import Overrides, overrides_of, settings_of
from pst_core.store.store import StoreMiss, open_store

__all__ = [
    "ORDER",
    "SHEET",
    "BatchOrder",
    "ServerLost",
    "check_order",
    "find_orders",
    "is_server_loss",
    "run_orders",
    "stylize_folder",
]

ORDER, SHEET = "batch.json", "contact.png"


class ServerLost(Exception):  # noqa: N818 - an event, and no fault of the batch's
    """Prefect's server stopped answering in mid-run; everything that was finished is kept."""


class BatchOrder(BaseModel):
    """A batch as it was ordered; see `stylize_folder`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Path
    out: Path
    pairing: Pairing = "auto"
    style: Path | None = None
    preset: PresetName = "default"
    settings: dict[str, Any] = {}
    on_conflict: OnConflict = "changed"
    allow_outside: bool = False

    def pair_order(self, pair: Pair) -> PairOrder:
        """The order of one of its pairs; a pair's own settings go before the batch's."""
        settings = {**self.settings, **pair.settings}
        preset = settings.pop("preset", self.preset)
        roles = ("content", "style", "content_map", "style_map")
        paths = {role: path for role in roles if (path := getattr(pair, role)) is not None}
        return PairOrder(pair.name, paths, self.out, preset, settings, self.on_conflict)


def find_orders(order: BatchOrder) -> tuple[tuple[Pair, PairOrder], ...]:
    """Every pair of a batch.

    Raises
    ------
    PairingError
        There are none, or names collide, or a manifest is wrong.
    """
    pairs = find_pairs(
        order.source, pairing=order.pairing, style=order.style, allow_outside=order.allow_outside,
        out=order.out,
    )  # fmt: skip
    return tuple((pair, order.pair_order(pair)) for pair in pairs)


def check_order(order: BatchOrder) -> tuple[tuple[Pair, PairOrder], ...]:
    """Every pair of a batch, after looking whether its results can be written.

    Raises
    ------
    PairingError, OutputError
        There are no pairs, or they cannot be told apart, or the output folder cannot be written.
    """
    orders = find_orders(order)
    check_writable(order.out)
    return orders


def _run_name() -> str:
    parameters = runtime.flow_run.parameters
    return f"{Path(parameters['source']).name} {parameters['preset']}"


@flow(name="stylize-folder", flow_run_name=_run_name, persist_result=False)
def stylize_folder(
    source: Path,
    out: Path,
    pairing: Pairing = "auto",
    style: Path | None = None,
    preset: PresetName = "default",
    settings: Overrides = Overrides(),  # noqa: B008 - frozen
    on_conflict: OnConflict = "changed",
    allow_outside: bool = False,
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
    """
    order = BatchOrder(
        source=source, out=out, pairing=pairing, style=style, preset=preset,
        settings=settings_of(settings), on_conflict=on_conflict,
        allow_outside=allow_outside,
    )  # fmt: skip
    orders = check_order(order)
    _save_order(order)
    summary = run_orders(order.out, orders)
    # A failed pair makes the run one that an operator looks at; everything else in it is done all the same.
    ended: State = (Failed if summary.failed else Completed)(message=summary.sentence)
    return ended


def run_orders(out: Path, orders: tuple[tuple[Pair, PairOrder], ...]) -> Summary:
    """Run pairs one after another, and leave their table, contact sheet and gallery; within a flow run."""
    outcomes: list[PairOutcome] = []
    watcher().batch_started(len(orders))
    try:
        _run_all(orders, outcomes)
    finally:
        summary = Summary(out=out, outcomes=tuple(outcomes), total=len(orders))
        write_outcomes(summary)
        write_gallery(summary)
        watcher().batch_ended(summary)
    _show(summary)
    return summary


def _run_all(orders: tuple[tuple[Pair, PairOrder], ...], outcomes: list[PairOutcome]) -> None:
    prober = Prober()
    # Heartbeats tell a dead run from a long one; the batch's own are enough, and a pair's cost a second each.
    with (
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
        open_store().in_use(),
        deferring_signals() as stop_if_asked,
    ):
        for pair, order in orders:
            outcome = _timed(pair, order, prober)
            stop_if_asked()
            outcomes.append(outcome)
            watcher().pair_ended(outcome)
            log = get_run_logger()
            (log.error if outcome.state == "failed" else log.info)("%s: %s", outcome.name, describe(outcome))


def _timed(pair: Pair, order: PairOrder, prober: Prober) -> PairOutcome:
    """One pair's outcome; its failure is its own."""
    started = time.monotonic()
    try:
        if pair.problem is not None:
            return _failed(pair, order, pair.problem, started)
        outcome = _find_done(order, prober, started) or _run_pair(order)
    except ServerLost:
        raise
    except Exception as error:
        if is_server_loss(error):
            raise ServerLost(str(error)) from error
        return _failed(pair, order, explain_failure(error)[0], started)
    return outcome.model_copy(update={"settings": dict(pair.settings)})


def _failed(pair: Pair, order: PairOrder, sentence: str, started: float) -> PairOutcome:
    return PairOutcome(
        name=pair.name, state="failed", error=sentence, seconds=time.monotonic() - started,
        files={role: str(path) for role, path in order.paths.items()}, settings=dict(pair.settings),
    )  # fmt: skip


def _find_done(order: PairOrder, prober: Prober, started: float) -> PairOutcome | None:
    """The outcome of a pair that needs no computing; None if it does."""
    plan = plan_pair(order, prober)
    if choose_folder(plan) is None:
        return PairOutcome(name=order.name, state="skipped", folder=str(order.folder))
    found = find_made(plan)
    if found is None:
        return None
    made, receipt = found
    try:
        folder = republish(plan, made, receipt)
    except StoreMiss:
        return None
    steps = len(receipt.records)
    return describe_outcome(
        plan, made, folder or order.folder, state="cached", steps=steps, steps_cached=steps,
        seconds=time.monotonic() - started,
    )  # fmt: skip


def _run_pair(order: PairOrder) -> PairOutcome:
    """Run a pair as a flow of its own, whose failure does not end this one."""
    state = stylize_pair(
        **order.paths, out=order.out, name=order.name, preset=order.preset,
        settings=overrides_of(order.settings), on_conflict=order.on_conflict, return_state=True,
    )  # fmt: skip
    outcome: PairOutcome = state.result()
    return outcome


def is_server_loss(error: BaseException) -> bool:
    """Whether Prefect's client could not reach its server."""
    if isinstance(error, ServerLost):
        return True
    module = type(error).__module__.partition(".")[0]
    return module in ("httpx", "httpcore", "websockets") or type(error).__name__ == "PrefectHTTPStatusError"


def _save_order(order: BatchOrder) -> None:
    saved = {"program": PROGRAM} | order.model_copy(
        update={
            "source": order.source.absolute(),
            "out": order.out.absolute(),
            "style": order.style.absolute() if order.style else None,
        }
    ).model_dump(mode="json")
    write_bytes_atomically(order.out / ORDER, (json.dumps(saved, indent=2) + "\n").encode(), overwrite=True)


def _show(summary: Summary) -> None:
    """The contact sheet in the folder, and the batch's pages in the UI."""
    sheet = draw_sheet(summary)
    if sheet is not None:
        write_bytes_atomically(summary.out / SHEET, sheet, overwrite=True)
    show_batch(summary, sheet)
