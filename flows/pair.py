"""The flow of one pair: every step a task, then the result's folder and its page in the UI.

The tasks, in the order of `pst_core.pipeline.walk`, as `tasks.pair.make_pair` calls them:

1. ``segment``: regions of content and style
2. ``precompute``: the pair at its first working size, and what stays fixed there
3. ``start``: the image to begin with
4. at each working size, its stages (global, regional) in turn: ``optimise``, then ``filter``; between two
   sizes ``precompute`` for the next one, then ``enlarge``
5. ``render``: colours matched a last time, full size
6. ``score``: measures and small pictures
7. ``explain``: losses as a table and a curve, regions as a picture
8. ``fit-look``, where it is asked for: the result's look
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger

from flows.display.pages import ProgressPage, show_pair
from flows.display.watching import watcher
from flows.orders.conflicts import OnConflict
from flows.orders.planning import PairOrder, Plan, Prober, plan_pair
from flows.pairs.pair import Pair
from flows.pairs.styles import name_styles
from flows.results.finished import describe_outcome, keep, skipped
from flows.results.outcomes import PairOutcome
from flows.results.publication import choose_place
from flows.runtime.cancellation import ending_in_order, safe_points
from flows.runtime.lanes import is_one_of_many, leave_lane, take_lane
from flows.runtime.parameters import Parameter
from pst_core.faults import is_out_of_memory
from pst_core.images.input_files import InputFiles
from pst_core.pipeline.plan import Stage, cheaper_plan, plan_stages
from pst_core.settings.config import Config, PresetName
from pst_core.settings.overrides import Overrides, settings_of
from pst_core.store import open_store
from pst_core.store.handing import let_go
from tasks.pair import Made, make_pair, passing_in_memory
from tasks.progress import listening
from tasks.records import keep_results_in_store
from tasks.unit import returned

LARGE_PIXELS = 2**26
"""Photographs of more pixels together are decoded, and worked on, with no other pair's beside them."""


@flow(name="stylize-pair", flow_run_name="{name}", persist_result=False)
def stylize_pair(
    content: Path,
    style: Path,
    out: Path,
    name: str = "pair",
    content_map: Path | None = None,
    style_map: Path | None = None,
    further_styles: tuple[Path, ...] = (),
    further_style_maps: tuple[Path, ...] = (),
    preset: PresetName = "default",
    settings: Overrides = Overrides(),  # noqa: B008 - frozen
    on_conflict: OnConflict = "changed",
    look: bool = False,
) -> PairOutcome | State[Any]:
    """Give one photograph the look of another, region by region.

    Args:
        content: Photograph to restyle.
        style: Photograph whose look it gets.
        out: Folder in which a folder named after the pair gets the result.
        name: The pair's name.
        content_map: Semantic map of the content; both maps or neither.
        style_map: Semantic map of the style.
        further_styles: Photographs whose looks are mixed with the first; the setting shares says how.
        further_style_maps: Semantic map of each of them, where there are maps.
        preset: Settings to begin with.
        settings: Settings that replace the preset's.
        on_conflict: What happens to a result that is there already.
        look: Whether the result's look is written beside it, for other programs.
    """
    further = name_styles(further_styles, further_style_maps)
    pair = Pair(name, content, style, content_map, style_map, further=further)
    config = Config.make(preset, **settings_of(settings))
    with passing_in_memory():
        order = PairOrder(pair, out, config, preset, on_conflict, look=look)
        return _stylize(plan_pair(order, Prober()))


@flow(name="stylize-pair", flow_run_name="{plan.value.order.name}", persist_result=False)
def stylize_planned(plan: Parameter) -> PairOutcome | State[Any]:
    """`stylize_pair` where the plan is made already, as in a batch.

    Args:
        plan: A `Plan`: files with their hashes, settings, network, and where the result goes.
    """
    return _stylize(plan.value)


def _stylize(plan: Plan) -> PairOutcome | State[Any]:
    return ending_in_order(lambda: _make_result(plan))


def _make_result(plan: Plan) -> PairOutcome:
    started = time.monotonic()
    keep_results_in_store()
    found_done: list[bool] = []
    with open_store().in_use(), safe_points() as stop_if_asked:
        if choose_place(plan) is None:
            return skipped(plan)
        made, keys = _make(plan, _runner(found_done, stop_if_asked), stop_if_asked)
        place = keep(plan, made, keys)
    if place is None:  # another result is there by now
        return skipped(plan)
    show_pair(plan, made, place)
    return describe_outcome(
        plan, made, place, state="cached" if all(found_done) else "done", steps=len(found_done),
        steps_cached=sum(found_done), seconds=time.monotonic() - started,
    )  # fmt: skip


def _make(
    plan: Plan, run: Callable[..., Any], stop_if_asked: Callable[[], None]
) -> tuple[Made, tuple[str, ...]]:
    """Take the steps; where the memory is not enough, those of a cheaper plan."""
    config, side = plan.config, plan.files.content.side
    alone = plan.files.pixels > LARGE_PIXELS
    if is_one_of_many() and not alone:
        _get_ready(plan.files)
    while True:
        take_lane(alone=alone)
        stages = plan_stages(config, side)
        watcher().pair_started(plan.order.name, stages)
        page = ProgressPage(plan.order.name, plan.order.place.folder, stages)
        try:
            with listening(_listener(page, stop_if_asked)):
                network = plan.network.under(config)
                made = make_pair(plan.files, config, network, run, leave_lane, look=plan.order.look)
            page.end()
            return made
        except Exception as error:
            cheaper = _cheaper(config, side, error)
            if cheaper is None:
                raise
            get_run_logger().warning("%s: the memory was not enough, going on with less", plan.order.name)
            config = cheaper
        finally:
            page.leave()


def _get_ready(files: InputFiles) -> None:
    """Do what can be done before it is this pair's turn to compute."""
    from pst_core.machine import prepare_thread

    prepare_thread()
    files.decode()


def _cheaper(config: Config, side: int, error: Exception) -> Config | None:
    """A cheaper plan for what was too large; None for any other trouble."""
    if not is_out_of_memory(error):
        return None
    from pst_core.machine import free_device, runs_on_gpu

    let_go()
    free_device()
    return cheaper_plan(config, side, on_gpu=runs_on_gpu(config.device))


def _runner(found_done: list[bool], stop_if_asked: Callable[[], None]) -> Callable[..., Any]:
    """Runs a task directly, so that a cancellation reaches it, and notes whether it was found done."""

    def run(unit: Any, **inputs: Any) -> Any:  # noqa: ANN401
        stop_if_asked()
        state = unit(**inputs, return_state=True)
        found_done.append(state.name == "Cached")
        return returned(state)

    return run


def _listener(page: ProgressPage, stop_if_asked: Callable[[], None]) -> Callable[[Stage, Any], None]:
    """Hears of every evaluation: the displays', and a safe point to stop at."""

    def update(stage: Stage, evaluation: Any) -> None:  # noqa: ANN401
        stop_if_asked()
        watcher().evaluated(stage, evaluation)
        page.update(stage, evaluation)

    return update
