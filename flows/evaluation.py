"""The paper's evaluation as a flow: every method over every pair, every result measured, then one drawing.

Each method's results are a batch of their own under ``OUT/methods``, so that what is found done is not done
again, and one that is added later joins those that are there.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.batch import run_found, run_kept, run_orders
from flows.comparing.drawing import draw_evaluation
from flows.comparing.measuring import list_wanted, measure_wanted, tell_facts
from flows.comparing.sizing import bring_to_size, with_answer
from flows.display.watching import watcher
from flows.orders.evaluation_order import (
    Drawing,
    EvaluationOrder,
    Evaluations,
    Grades,
    Side,
    check_evaluation,
)
from flows.orders.planning import Prober
from flows.pairs.find import Found
from flows.pairs.pair import Pair, Pairing
from flows.results.outcomes import Summary
from flows.runtime.cancellation import ending_in_order, result_of, safe_points
from pst_core.printing import counted
from pst_core.quality.self_reference import FIRST_SEED, Protocol
from pst_core.settings.config import PresetName
from pst_core.settings.methods import COMPARED, METHODS, MethodName
from pst_core.settings.overrides import Overrides, settings_of
from pst_core.store import open_store
from tasks.records import keep_results_in_store


class Ended(NamedTuple):
    """How an evaluation came to its end: of how many pairs and methods, and how many results are missing."""

    pairs: int
    methods: int
    missing: int

    @property
    def sentence(self) -> str:
        """The counts in words."""
        pairs, methods = counted(self.pairs, "pair"), counted(self.methods, "method")
        return f"{pairs}, {methods}, {counted(self.missing, 'result')} missing"


@flow(name="evaluate-folder", flow_run_name="{source.name} {drawing}", persist_result=False)
def evaluate_folder(
    source: Path,
    out: Path,
    protocol: Protocol = "pairs",
    grades: Grades = FIRST_SEED,
    methods: tuple[MethodName, ...] = COMPARED,
    external: dict[str, Path] = {},  # noqa: B006 - never changed
    pairs: tuple[str, ...] = (),
    side: Side | None = None,
    evaluations: Evaluations | None = None,
    drawing: Drawing = "table",
    crops: tuple[str, ...] = (),
    quality_models: Path | None = None,
    pairing: Pairing = "auto",
    preset: PresetName = "default",
    settings: Overrides = Overrides(),  # noqa: B008 - frozen
    allow_outside: bool = False,
) -> State:
    """Run methods over a folder's pairs, measure every result, and draw a table or a figure of the paper.

    Args:
        source: Folder of photographs, or a manifest (.csv, .jsonl, .parquet).
        out: Folder for everything that is made.
        protocol: Pairs as they are, or pairs made of single photographs, whose right answer is known.
        grades: Seed of the first photograph's grade under self-reference; each further one has the next.
        methods: Methods to compare.
        external: Name and folder of results made elsewhere.
        pairs: Names of the pairs to take; all if none is named.
        side: Long side in pixels to which all photographs are shrunk first.
        evaluations: Loss evaluations of each compared method, in place of its recipe's.
        drawing: The paper's Table 1, Figures 3 and 6 (comparison), or Figure 5 (ablation).
        crops: Details to magnify, as left,top,width,height; found by themselves if none is named.
        quality_models: Folder of BRISQUE's and NIQE's models, in place of those that come with the program.
        pairing: Which convention the folder follows; auto finds out.
        preset: Settings to begin with.
        settings: Settings that replace the preset's and the methods' own.
        allow_outside: Whether a manifest's paths may lead out of its folder.
    """
    order = EvaluationOrder(
        source=source, out=out, protocol=protocol, grades=grades, methods=methods, external=external,
        pairs=pairs, side=side, evaluations=evaluations, drawing=drawing, crops=crops,
        quality_models=quality_models, pairing=pairing, preset=preset, settings=settings_of(settings),
        allow_outside=allow_outside,
    )  # fmt: skip
    found = check_evaluation(order)
    return run_kept(order, lambda: _evaluate(order, found))


def run_evaluation(order: EvaluationOrder, found: Found) -> Ended:
    """Evaluate pairs that are known, as `check_evaluation` finds them; see `flows.batch.run_found`."""
    return run_found(evaluate_folder, order, lambda: _evaluate(order, found), Ended)


def _evaluate(order: EvaluationOrder, found: Found) -> State:
    keep_results_in_store()
    with open_store().in_use(), safe_points() as stop_if_asked:
        prober = Prober()
        sized = _inputs(order, found.pairs, prober)
        # What there is to know of the source is told once, with the first method.
        notes = dict.fromkeys(order.methods[:1], found.notes)
        summaries = {
            method: _run_method(method, order, sized, prober, notes.get(method, ()))
            for method in order.methods
        }
        wanted = list_wanted(order, sized, summaries)
        measured = [measure_wanted(each, order, prober, stop_if_asked) for each in wanted]
    draw_evaluation(order, wanted, measured, tell_facts(order))
    ended = Ended(len(found.pairs), len(order.columns) - 1, sum(not each.picture for each in wanted))
    state: State = (Failed if ended.missing else Completed)(message=ended.sentence, data=ended)
    return state


def _inputs(order: EvaluationOrder, pairs: Sequence[Pair], prober: Prober) -> list[Pair]:
    """The pairs that are run: brought to size, or made of photographs that are."""
    if order.protocol == "pairs":
        return [bring_to_size(pair, order, prober) for pair in pairs]
    return [with_answer(pair, order.grades + place, order, prober) for place, pair in enumerate(pairs)]


def _run_method(
    method: MethodName, order: EvaluationOrder, pairs: Sequence[Pair], prober: Prober, notes: tuple[str, ...]
) -> Summary:
    """A method over all pairs, as a flow run of its own."""
    batch = order.batch_of(method)
    orders = [batch.pair_order(pair) for pair in pairs]

    @flow(name="evaluate-method", flow_run_name=METHODS[method].title, persist_result=False)
    def evaluate_method() -> Summary | State:
        """Run one method over all pairs."""
        watcher().method_started(METHODS[method].title)
        return ending_in_order(lambda: run_orders(batch.out, orders, prober, notes))

    summary: Summary = result_of(evaluate_method(return_state=True))
    return summary
