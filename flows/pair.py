"""The flow of one pair: every step a task, then the result's folder and its page in the UI."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.logging import get_run_logger

from flows.display.pages import ProgressPage, show_pair
from flows.display.watching import watcher
from flows.orders.planning import OnConflict, PairOrder, Plan, plan_pair
from flows.results.outcomes import PairOutcome
from flows.results.publication import choose_folder, notes_on, publish
from flows.runtime.interrupts import deferring_signals
from pst_core.faults import is_out_of_memory
from pst_core.pipeline.plan import Stage, cheaper_plan, plan_stages
from pst_core.settings.config import Config, PresetName
from pst_core.settings.overrides import Overrides, settings_of
from pst_core.store.store import Receipt, StoreMiss, open_store
from tasks.pair import Made, make_pair, pair_key
from tasks.progress import listening
from tasks.records import keep_results_in_store

__all__ = ["describe_outcome", "find_made", "republish", "stylize_pair"]


@flow(name="stylize-pair", flow_run_name="{name}", persist_result=False)
def stylize_pair(
    content: Path,
    style: Path,
    out: Path,
    name: str = "pair",
    content_map: Path | None = None,
    style_map: Path | None = None,
    preset: PresetName = "default",
    settings: Overrides = Overrides(),  # noqa: B008 - frozen
    on_conflict: OnConflict = "changed",
) -> PairOutcome:
    """Give one photograph the look of another, region by region.

    Args:
        content: Photograph to restyle.
        style: Photograph whose look it gets.
        out: Folder in which a folder named after the pair gets the result.
        name: The pair's name.
        content_map: Semantic map of the content; both maps or neither.
        style_map: Semantic map of the style.
        preset: Settings to begin with.
        settings: Settings that replace the preset's.
        on_conflict: What happens to a result that is there already.
    """
    started = time.monotonic()
    keep_results_in_store()
    given = {"content": content, "style": style, "content_map": content_map, "style_map": style_map}
    paths = {role: path for role, path in given.items() if path is not None}
    order = PairOrder(name, paths, out, preset, settings_of(settings), on_conflict)
    with open_store().in_use(), deferring_signals() as stop_if_asked:
        plan = plan_pair(order)
        if choose_folder(plan) is None:
            return PairOutcome(name=name, state="skipped", folder=str(order.folder))
        counts: list[bool] = []
        made, keys = _make(plan, _runner(counts, stop_if_asked), stop_if_asked)
        folder = _finish(plan, made, keys)
    if folder is None:
        return PairOutcome(name=name, state="skipped", folder=str(order.folder))
    show_pair(plan, made, folder)
    return describe_outcome(
        plan, made, folder, state="cached" if all(counts) else "done", steps=len(counts),
        steps_cached=sum(counts), seconds=time.monotonic() - started,
    )  # fmt: skip


def describe_outcome(plan: Plan, made: Made, folder: Path, **figures: Any) -> PairOutcome:  # noqa: ANN401
    """How a pair ended that has a result.

    Parameters
    ----------
    figures
        ``state``, ``seconds``, ``steps`` and ``steps_cached``.
    """
    return PairOutcome(
        name=plan.order.name, folder=str(folder), notes=notes_on(plan, made),
        scores=made.scored.scores, models=made.scored.models, previews=made.scored.previews,
        files={role: str(path) for role, path in plan.order.paths.items()},
        **figures,
    )  # fmt: skip


def find_made(plan: Plan) -> tuple[Made, Receipt] | None:
    """A pair that is finished already, every artifact of it as it was written; None otherwise."""
    try:
        receipt = open_store().read_receipt(plan.key)
        return Made.model_validate_json(receipt.content), receipt
    except (StoreMiss, ValueError):
        return None


def republish(plan: Plan, made: Made, receipt: Receipt) -> Path | None:
    """Bring a finished pair's folder up to date; None if what is there is to be left."""
    folder = publish(plan, made, plan.key)
    if folder is not None and str(folder.absolute()) not in receipt.outputs:
        outputs = (*receipt.outputs, str(folder.absolute()))
        open_store().write_receipt(plan.key, receipt.model_copy(update={"outputs": outputs}))
    return folder


def _make(
    plan: Plan, run: Callable[..., Any], stop_if_asked: Callable[[], None]
) -> tuple[Made, tuple[str, ...]]:
    """Take the steps; where the memory is not enough, those of a cheaper plan."""
    config, side = plan.config, plan.files.content.side
    while True:
        stages = plan_stages(config, side)
        watcher().pair_started(plan.order.name, stages)
        page = ProgressPage(plan.order.name, plan.order.folder, stages)
        try:
            with listening(_listener(page, stop_if_asked)):
                network = plan.network.model_copy(
                    update={"device": config.device, "precision": config.precision}
                )
                made = make_pair(plan.files, config, network, run)
            page.end()
            return made
        except Exception as error:
            cheaper = _cheaper(config, side, error)
            if cheaper is None:
                raise
            get_run_logger().warning("%s: the memory was not enough, going on with less", plan.order.name)
            config = cheaper


def _cheaper(config: Config, side: int, error: Exception) -> Config | None:
    """A cheaper plan for what was too large; None for any other trouble."""
    if not is_out_of_memory(error):
        return None
    from pst_core.machine import free_device, runs_on_gpu

    free_device()
    return cheaper_plan(config, side, on_gpu=runs_on_gpu(config.device))


def _runner(counts: list[bool], stop_if_asked: Callable[[], None]) -> Callable[..., Any]:
    """Runs a task directly, so that a cancellation reaches it, and notes whether it was found done."""

    def run(unit: Any, **inputs: Any) -> Any:  # noqa: ANN401
        stop_if_asked()
        state = unit(**inputs, return_state=True)
        counts.append(state.name == "Cached")
        return state.result()

    return run


def _listener(page: ProgressPage, stop_if_asked: Callable[[], None]) -> Callable[[Stage, Any], None]:
    """Hears of every evaluation: the displays', and a safe point to stop at."""

    def update(stage: Stage, evaluation: Any) -> None:  # noqa: ANN401
        stop_if_asked()
        watcher().evaluated(stage, evaluation)
        page.update(stage, evaluation)

    return update


def _finish(plan: Plan, made: Made, keys: tuple[str, ...]) -> Path | None:
    """Publish, then write the receipt: first the files, then what vouches for them; the folder, if any."""
    key = plan.key
    if made.config != plan.config:  # a cheaper plan's result is never kept under the full plan's key
        key = pair_key(
            plan.files, made.config, plan.network.model_copy(update={"precision": made.config.precision})
        )
    folder = publish(plan, made, key)
    outputs = () if folder is None else (str(folder.absolute()),)
    receipt = Receipt(records=keys, references=(), outputs=outputs, content=made.model_dump_json())
    open_store().write_receipt(key, receipt)
    return folder
