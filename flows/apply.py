"""The flow that applies a look to a folder of photographs: a task for each, which is kept like any step.

A look that is given as a pair's result is fitted first, by a task of its own. What is finished is not done
again; what is wrong with one photograph is its own failure.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Completed, Failed

from flows.batch import run_found
from flows.display.pages import draw_sheet, show_batch
from flows.display.watching import watcher
from flows.layout import sheet_path
from flows.orders.apply_order import ApplyOrder, check_photographs
from flows.orders.conflicts import OnConflict
from flows.orders.planning import Prober
from flows.pairs.find import Found
from flows.pairs.pair import Pair
from flows.results.conflicts import Wanted, bring_up_to_date, choose
from flows.results.looks import LookSource, find_look, finding_of, network_of
from flows.results.outcomes import Outcomes, PairOutcome, Summary
from flows.results.table import write_table
from flows.runtime.cancellation import ending_in_order, safe_points
from flows.runtime.failures import explain_failure
from flows.runtime.trouble import is_server_trouble
from flows.shard import log_outcome
from pst_core.files import write_bytes_atomically
from pst_core.images.writing import embed
from pst_core.parquet import have_library
from pst_core.report import PROGRAM, package_version
from pst_core.settings.config import FoundRegionSettings, OutputSettings
from pst_core.store import Reference, open_store
from pst_core.store.handing import bytes_of
from tasks.keys import key_of
from tasks.looks import apply, fit
from tasks.pair import passing_in_memory
from tasks.records import keep_results_in_store
from tasks.results import Applied, Fitted

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
    return _apply(order, check_application(order))


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
    return ending_in_order(lambda: _run_saved(order, found))


def _run_saved(order: ApplyOrder, found: FoundLook) -> State:
    order.save()
    keep_results_in_store()
    have_library()  # for the table at the end
    photographs, outcomes = found.photographs, Outcomes()
    for note in photographs.notes:
        get_run_logger().info("%s", note)
    watcher().batch_started(len(photographs.pairs), photographs.notes)
    try:
        with open_store().in_use(), safe_points() as stop_if_asked:
            each = _Each(order, _look_of(found.source))
            for index, photograph in enumerate(photographs.pairs):
                stop_if_asked()
                outcome = each.outcome(photograph)
                outcomes.add(index, outcome)
                watcher().pair_ended(outcome)
                log_outcome(outcome)
    finally:
        total = len(photographs.pairs)
        summary = Summary(order.out, outcomes, total, photographs.notes, of="photograph")
        write_table(summary)
        watcher().batch_ended(summary)
    _show(summary)
    ended: State = (Failed if summary.failed else Completed)(message=summary.sentence, data=summary)
    return ended


def _look_of(source: LookSource) -> Reference:
    """The look, fitted first where it is not there."""
    if source.kept is not None:
        return source.kept
    assert source.fitted_to is not None
    with passing_in_memory():
        fitted: Fitted = fit(**source.fitted_to)
    return fitted.look


class _Each:
    """Applies one look to photographs, one after another."""

    def __init__(self, order: ApplyOrder, look: Reference) -> None:
        self.order, self.look, self.prober = order, look, Prober()
        config, finder = (None, "") if order.whole else finding_of(look)
        self.finding = None if config is None else config.section(FoundRegionSettings)
        self.network = None if config is None else network_of(config, finder)

    def outcome(self, photograph: Pair) -> PairOutcome:
        """How a photograph ends; its failure is its own."""
        started = time.monotonic()
        told: dict[str, Any] = {"name": photograph.name, "files": {"content": str(photograph.content)}}
        try:
            with passing_in_memory():
                told |= self._end(photograph)
        except Exception as error:
            if is_server_trouble(error):
                raise
            told |= {"state": "failed", "error": explain_failure(error)[0]}
        return PairOutcome(**told, seconds=time.monotonic() - started)

    def _end(self, photograph: Pair) -> dict[str, Any]:
        if photograph.problem is not None:
            return {"state": "failed", "error": photograph.problem}
        inputs = self._inputs(photograph)
        key = key_of(apply.name, inputs)
        wanted = Wanted(self.order.place(photograph), key, self.order.on_conflict)
        state: list[str] = []
        while (chosen := choose(wanted)) is not None:
            applied = _run(inputs, state.append)
            picture = embed(bytes_of(applied.picture), bytes_of(applied.described), _recipe(inputs, key))
            if bring_up_to_date(chosen, {chosen.place.picture: picture}):
                return {
                    "state": state[0], "folder": str(self.order.out), "picture": str(chosen.place.picture),
                    "steps": 1, "steps_cached": int(state[0] == "cached"), "notes": applied.notes,
                    "previews": dict(zip(SHOWN, (applied.before, applied.after), strict=True)),
                }  # fmt: skip
        return {"state": "skipped", "folder": str(self.order.out), "picture": str(wanted.place.picture)}

    def _inputs(self, photograph: Pair) -> dict[str, Any]:
        """What `tasks.looks.apply` takes: what finds regions, only where no map says them."""
        marked = photograph.content_map is not None and not self.order.whole
        return {
            "photograph": self.prober(photograph.content),
            "semantic_map": self.prober(photograph.content_map) if marked else None,  # type: ignore[arg-type]
            "look": self.look, "settings": self.order.settings,
            "finding": None if marked else self.finding, "network": None if marked else self.network,
        }  # fmt: skip


def _run(inputs: dict[str, Any], tell: Callable[[str], None]) -> Applied:
    """Run the task of a photograph, or find it done, and tell which."""
    state = apply(**inputs, return_state=True)
    applied: Applied = state.result()
    tell("cached" if state.name == "Cached" else "done")
    return applied


def _recipe(inputs: dict[str, Any], key: str) -> dict[str, Any]:
    """What a result says of itself: what it was made of, by content."""
    hashes = {name: inputs[name].sha256 for name in ("photograph", "semantic_map", "look") if inputs[name]}
    settings = inputs["settings"].model_dump(mode="json")
    return {"program": PROGRAM, "version": package_version(), **hashes, "settings": settings, "key": key}


def _show(summary: Summary) -> None:
    """The contact sheet in the folder, and the run's pages in the UI."""
    sheet = draw_sheet(summary, SHOWN)
    if sheet is not None:
        write_bytes_atomically(sheet_path(summary.out, pictures_together=True), sheet, overwrite=True)
    show_batch(summary, sheet, SHOWN)
