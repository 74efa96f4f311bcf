"""The flow that applies a look to a folder of photographs: a task for each, which is kept like any step.

A look that is given as a pair's result is fitted first, by a task of its own. What is finished is not done
again; what is wrong with one photograph is its own failure.
"""

from dataclasses import dataclass
from pathlib import Path

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Completed, Failed

from flows.applying import apply_to_each, look_from
from flows.batch import run_found, run_kept
from flows.display.pages import draw_sheet, show_batch
from flows.display.watching import watcher
from flows.layout import sheet_path
from flows.orders.apply_order import ApplyOrder, check_photographs
from flows.orders.conflicts import OnConflict
from flows.orders.planning import Prober
from flows.pairs.find import Found
from flows.results.looks import LookSource, find_look
from flows.results.outcomes import Outcomes, PairOutcome, Summary
from flows.results.table import write_table
from flows.results.under_look import KnownLook
from flows.shard import log_outcome
from pst_core.files import write_bytes_atomically
from pst_core.parquet import have_library
from pst_core.settings.config import OutputSettings
from tasks.records import keep_results_in_store

SHOWN = ("photograph", "result")


@dataclass(frozen=True)
class FoundLook:
    """A look and the photographs that it is applied to, known before any work."""

    source: LookSource
    photographs: Found


@flow(name="apply-look", flow_run_name="{source.name} {look.name}", persist_result=False)
def apply_folder(
    look: Path,
    source: Path,
    out: Path,
    maps: Path | None = None,
    whole: bool = False,
    on_conflict: OnConflict = "changed",
    settings: OutputSettings = OutputSettings(),  # noqa: B008 - frozen
) -> State:
    """Apply the look of a finished pair to a folder of photographs; what is done is not done again.

    Args:
        look: A .cube file, a folder that pst look wrote, or a pair's folder of results.
        source: Folder of photographs.
        out: Folder for the results, which are called like the photographs.
        maps: Folder of the photographs' semantic maps, in place of content_maps in the source.
        whole: Whether to apply the look as a whole, wherever regions lie.
        on_conflict: What happens to results that are there already.
        settings: How results are written.
    """
    order = ApplyOrder(
        look=look, source=source, out=out, maps=maps, whole=whole, on_conflict=on_conflict, settings=settings
    )
    found = check_application(order)
    return run_kept(order, lambda: _apply(order, found))


def check_application(order: ApplyOrder) -> FoundLook:
    """The look and the photographs of an order, before a server is started.

    Raises
    ------
    PstError
        The look cannot be used, there are no photographs, or the output folder cannot be written.
    """
    return FoundLook(find_look(order.look), check_photographs(order))


def run_application(order: ApplyOrder, found: FoundLook) -> Summary:
    """Apply a look that is known, as `check_application` finds it; see `flows.batch.run_found`."""
    return run_found(apply_folder, order, lambda: _apply(order, found), Summary)


def _apply(order: ApplyOrder, found: FoundLook) -> State:
    keep_results_in_store()
    have_library()  # for the table at the end
    photographs, outcomes = found.photographs, Outcomes()

    def ended_one(place: int, outcome: PairOutcome) -> None:
        outcomes.add(place, outcome)
        watcher().pair_ended(outcome)
        log_outcome(outcome)

    for note in photographs.notes:
        get_run_logger().info("%s", note)
    watcher().batch_started(len(photographs.pairs), photographs.notes)
    try:
        look = look_from(found.source)
        known = KnownLook(look) if order.whole else KnownLook.of(look)
        photographed = [order.photograph_order(each) for each in photographs.pairs]
        apply_to_each(known, photographed, Prober(), ended_one, SHOWN)
    finally:
        total = len(photographs.pairs)
        summary = Summary(order.out, outcomes, total, photographs.notes, of="photograph")
        write_table(summary)
        watcher().batch_ended(summary)
    _show(summary)
    ended: State = (Failed if summary.failed else Completed)(message=summary.sentence, data=summary)
    return ended


def _show(summary: Summary) -> None:
    """The contact sheet in the folder, and the run's pages in the UI."""
    sheet = draw_sheet(summary, SHOWN)
    if sheet is not None:
        write_bytes_atomically(sheet_path(summary.out, pictures_together=True), sheet, overwrite=True)
    show_batch(summary, sheet, SHOWN)
