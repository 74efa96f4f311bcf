"""The paper's evaluation as a flow: every method over every pair, every result measured, then one drawing.

Each method's results are a batch of their own under ``OUT/methods``, so that what is found done is not done
again, and one that is added later joins those that are there.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from prefect import flow, runtime
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import BaseModel, ConfigDict, Field, field_validator

from flows.batch import BatchOrder, ServerLost, is_server_loss, run_orders
from flows.comparing.drawing import CONTENT, Subject, draw_evaluation
from flows.display.watching import watcher
from flows.layout import RESULT
from flows.orders.planning import Prober
from flows.pairs.elsewhere import find_pictures
from flows.pairs.find import Pair, Pairing, PairingError, find_pairs
from flows.results.outcomes import Summary
from flows.runtime.failures import explain_failure
from flows.runtime.interrupts import deferring_signals
from pst_core.errors import ConfigError
from pst_core.evaluation.crops import parse_crop
from pst_core.evaluation.table import Measured
from pst_core.files import check_writable, write_bytes_atomically
from pst_core.images.input_files import InputFiles
from pst_core.network.identity import Network
from pst_core.quality.measures import Measures
from pst_core.quality.model_files import ModelFiles
from pst_core.report import PROGRAM
from pst_core.settings.config import Config, PresetName
from pst_core.settings.methods import COMPARED, METHODS, MethodName
from pst_core.settings.overrides import Overrides, overrides_of, settings_of
from pst_core.store.store import StoreMiss, open_store
from tasks.keys import key_of
from tasks.measuring import measure
from tasks.records import keep_results_in_store, look_up
from tasks.segmentation import segment, settings_that_matter
from tasks.shrinking import shrink, shrink_map

__all__ = [
    "EVALUATION",
    "Drawing",
    "EvaluationOrder",
    "check_evaluation",
    "evaluate_folder",
    "run_evaluation",
]

EVALUATION = "evaluation.json"
MISSING = "results missing"  # how an evaluation is told that came to its end without some of them
Drawing = Literal["table", "comparison", "ablation"]


class EvaluationOrder(BaseModel):
    """An evaluation as it was ordered; see `evaluate_folder`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: Path
    out: Path
    methods: tuple[MethodName, ...] = COMPARED
    external: dict[str, Path] = {}
    pairs: tuple[str, ...] = ()
    side: int | None = Field(default=None, ge=64)
    evaluations: int | None = Field(default=None, ge=1)
    drawing: Drawing = "table"
    crops: tuple[str, ...] = ()
    quality_models: Path | None = None
    pairing: Pairing = "auto"
    preset: PresetName = "default"
    settings: dict[str, Any] = {}
    allow_outside: bool = False

    def batch_of(self, method: MethodName) -> BatchOrder:
        """The batch that makes a method's results."""
        recipe = limited_recipe(method, self.evaluations)
        return BatchOrder(
            source=self.source, out=self.out / "methods" / method, preset=self.preset,
            settings={**recipe, **self.settings, "method": method},
        )  # fmt: skip

    def config_of(self, pair: Pair) -> Config:
        """What decides a pair's regions, whichever method is measured over them."""
        settings = {**self.settings, **pair.settings}
        return Config.make(settings.pop("preset", self.preset), **settings)

    @field_validator("methods", "pairs")
    @classmethod
    def _once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(names))

    @property
    def columns(self) -> tuple[str, ...]:
        """What is compared, the content first."""
        return (CONTENT, *self.methods, *self.external)


def limited_recipe(method: MethodName, evaluations: int | None) -> dict[str, Any]:
    """What to change in a compared method's recipe for it to evaluate its loss about so often in all.

    The paper's method keeps its preset's: it is what the others are compared with.
    """
    recipe = METHODS[method].settings
    names = [name for name in ("global_iterations", "regional_iterations") if recipe.get(name)]
    if evaluations is None or not names:
        return {}
    stages = len(names) * recipe["rounds"]
    return dict.fromkeys(names, max(1, round(evaluations / stages)))


def check_evaluation(order: EvaluationOrder) -> tuple[Pair, ...]:
    """The pairs of an evaluation, before a server is started.

    Raises
    ------
    PstError
        Pairs, methods, folders or models are not there or do not go together.
    """
    taken = set(METHODS) | {CONTENT}
    if clash := next((name for name in order.external if name in taken), None):
        raise ConfigError(f"Results made elsewhere cannot be called {clash!r}, as a method is: rename them.")
    if not order.methods and not order.external:
        raise ConfigError("Name at least one method, or results made elsewhere.")
    pairs = _chosen(find_pairs(
        order.source, pairing=order.pairing, allow_outside=order.allow_outside, out=order.out,
    ), order.pairs)  # fmt: skip
    _refuse_named_methods(pairs)
    for folder in order.external.values():
        find_pictures(folder, [pair.name for pair in pairs])
    for crop in order.crops:
        parse_crop(crop)
    ModelFiles.at(order.quality_models)
    check_writable(order.out)
    return pairs


def _refuse_named_methods(pairs: tuple[Pair, ...]) -> None:
    """A pair's own method would stand in the table under every other one's name."""
    for pair in pairs:
        if "method" in pair.settings:
            raise PairingError(
                f"{pair.name!r} of the manifest names the method {pair.settings['method']!r}, but an "
                "evaluation runs all of its own over every pair: leave that column out."
            )


def _chosen(pairs: tuple[Pair, ...], names: Sequence[str]) -> tuple[Pair, ...]:
    known = {pair.name: pair for pair in pairs}
    if unknown := next((name for name in names if name not in known), None):
        raise PairingError(f"There is no pair {unknown!r}: choose from {', '.join(list(known)[:12])}.")
    return tuple(known[name] for name in names) if names else pairs


def _run_name() -> str:
    parameters = runtime.flow_run.parameters
    return f"{Path(parameters['source']).name} {parameters['drawing']}"


@flow(name="evaluate-folder", flow_run_name=_run_name, persist_result=False)
def evaluate_folder(
    source: Path,
    out: Path,
    methods: tuple[MethodName, ...] = COMPARED,
    external: dict[str, Path] = {},  # noqa: B006 - never changed
    pairs: tuple[str, ...] = (),
    side: int | None = None,
    evaluations: int | None = None,
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
        source=source, out=out, methods=methods, external=external, pairs=pairs, side=side,
        evaluations=evaluations, drawing=drawing, crops=crops, quality_models=quality_models,
        pairing=pairing, preset=preset, settings=settings_of(settings), allow_outside=allow_outside,
    )  # fmt: skip
    chosen = check_evaluation(order)
    _save(order)
    keep_results_in_store()
    with open_store().in_use(), deferring_signals() as stop_if_asked:
        prober = Prober()
        sized = [_sized(pair, order, prober) for pair in chosen]
        summaries = {method: _run_method(method, order, sized) for method in order.methods}
        subjects = _subjects(order, sized, summaries)
        measured = [_measured(subject, order, prober, stop_if_asked) for subject in subjects]
    draw_evaluation(
        order.out, order.drawing, subjects, measured, columns=order.columns,
        crops=[parse_crop(text) for text in order.crops], facts=_facts(order),
    )  # fmt: skip
    missing = sum(not subject.picture for subject in subjects)
    told = f"{len(chosen)} pairs, {len(order.columns) - 1} methods, {missing} {MISSING}"
    ended: State = (Failed if missing else Completed)(message=told)
    return ended


def run_evaluation(order: EvaluationOrder) -> State:
    """Run an order as a flow; how it ended, complete or with results missing.

    Raises
    ------
    BaseException
        Whatever ended it early.
    """
    parameters = {name: getattr(order, name) for name in type(order).model_fields}
    parameters["settings"] = overrides_of(order.settings)
    state: State = evaluate_folder(**parameters, return_state=True)
    if not (state.is_completed() or (state.message or "").endswith(MISSING)):
        state.result()
    return state


def _sized(pair: Pair, order: EvaluationOrder, prober: Prober) -> Pair:
    """The pair at the evaluation's size, under ``OUT/inputs``; as it is where no size is asked for."""
    side = order.side
    if side is None or pair.problem is not None:
        return pair
    try:
        paths = {
            role: _publish(order.out, role, pair.name, shrink(photograph=prober(path), side=side))
            for role, path in (("content", pair.content), ("style", pair.style))
        }
        for role in ("content", "style"):
            if (given := getattr(pair, f"{role}_map")) is not None:
                small = prober(paths[role])
                made = shrink_map(semantic_map=prober(given), width=small.width, height=small.height)
                paths[f"{role}_map"] = _publish(order.out, f"{role}_maps", pair.name, made)
    except Exception as error:
        if is_server_loss(error):
            raise ServerLost(str(error)) from error
        return replace(pair, problem=explain_failure(error)[0])
    return replace(
        pair, content=paths["content"], style=paths["style"], content_map=paths.get("content_map"),
        style_map=paths.get("style_map"),
    )  # fmt: skip


def _publish(out: Path, folder: str, name: str, reference: Any) -> Path:  # noqa: ANN401 - a task's result
    """Bring a shrunk picture to where a person finds it; the same bytes are not written again."""
    path, data = out / "inputs" / folder / f"{name}.png", open_store().read(reference)
    if not path.is_file() or path.read_bytes() != data:
        write_bytes_atomically(path, data, overwrite=True)
    return path


def _run_method(method: MethodName, order: EvaluationOrder, pairs: Sequence[Pair]) -> Summary:
    """A method over all pairs, as a flow run of its own."""
    batch = order.batch_of(method)
    orders = tuple((pair, batch.pair_order(pair)) for pair in pairs)

    @flow(name="evaluate-method", flow_run_name=METHODS[method].title, persist_result=False)
    def evaluate_method() -> Summary:
        """Run one method over all pairs."""
        watcher().method_started(METHODS[method].title)
        return run_orders(batch.out, orders)

    summary: Summary = evaluate_method()
    return summary


def _subjects(
    order: EvaluationOrder, pairs: Sequence[Pair], summaries: Mapping[MethodName, Summary]
) -> list[Subject]:
    """Every result that there should be, with the reason where there is none."""
    subjects = [
        Subject(pair, CONTENT, None if pair.problem else pair.content, pair.problem or "") for pair in pairs
    ]
    for method, summary in summaries.items():
        ended = {outcome.name: outcome for outcome in summary.outcomes}
        for pair in pairs:
            outcome = ended[pair.name]
            picture = Path(outcome.folder) / RESULT if outcome.state != "failed" else None
            subjects.append(Subject(pair, method, picture, outcome.error))
    for name, folder in order.external.items():
        found = find_pictures(folder, [pair.name for pair in pairs])
        subjects += [
            Subject(pair, name, found.get(pair.name), pair.problem or f"{folder.name} has no picture of it")
            for pair in pairs
        ]
    return subjects


def _measured(
    subject: Subject, order: EvaluationOrder, prober: Prober, stop_if_asked: Callable[[], None]
) -> Measured:
    """The measures of one result; for one that is missing or cannot be measured, the reason."""
    stop_if_asked()
    if subject.picture is None or subject.pair.problem is not None:
        return subject.without_measures(subject.reason)
    try:
        measures = _measure(subject.pair, subject.picture, order, prober)
    except Exception as error:
        if is_server_loss(error):
            raise ServerLost(str(error)) from error
        return subject.without_measures(explain_failure(error)[0])
    return Measured(
        pair=subject.pair.name, method=subject.method, values=measures.values, reasons=measures.reasons,
        models=measures.models,
    )  # fmt: skip


def _measure(pair: Pair, picture: Path, order: EvaluationOrder, prober: Prober) -> Measures:
    roles = ("content", "style", "content_map", "style_map")
    files = InputFiles(**{role: prober(path) for role in roles if (path := getattr(pair, role)) is not None})
    config = order.config_of(pair)
    network = Network.of(config)
    found = _found_or_made(
        segment, files=files, settings=settings_that_matter(config, files),
        network=None if files.content_map is not None else network,
    )  # fmt: skip
    measures: Measures = _found_or_made(
        measure, picture=prober(picture), content=files.content, style=files.style, regions=found.regions,
        models=ModelFiles.at(order.quality_models), network=network,
    )  # fmt: skip
    return measures


def _found_or_made(unit: Any, **inputs: Any) -> Any:  # noqa: ANN401 - whatever a task takes and returns
    """A task's result, without a task run where it is known: an evaluation has thousands of them."""
    try:
        return look_up(key_of(unit.name, inputs))
    except StoreMiss:
        return unit(**inputs)


def _facts(order: EvaluationOrder) -> dict[str, str]:
    """What must stand under every table: which models, which weights, which size."""
    from pst_core.quality.models import load_quality_models

    models = load_quality_models(order.quality_models)
    config = Config.make(order.preset, **order.settings)
    identity = Network.of(config).identity
    recipes = (
        "as in `pst methods`"
        if order.evaluations is None
        else f"{order.evaluations} for each compared method"
    )
    return {
        "Size": "native" if order.side is None else f"all photographs shrunk to {order.side} pixels first",
        "Loss evaluations": recipes,
        "BRISQUE's model": models.brisque.name,
        "NIQE's model": models.niqe.name,
        "Network weights": identity if len(identity) < 64 else f"sha256 {identity[:12]}",
        "Preset of the paper's method": order.preset,
    }


def _save(order: EvaluationOrder) -> None:
    models = order.quality_models.absolute() if order.quality_models else None
    places = {"source": order.source.absolute(), "out": order.out.absolute(), "quality_models": models}
    external = {name: folder.absolute() for name, folder in order.external.items()}
    saved = order.model_copy(update=places | {"external": external}).model_dump(mode="json")
    text = json.dumps({"program": PROGRAM} | saved, indent=2) + "\n"
    write_bytes_atomically(order.out / EVALUATION, text.encode(), overwrite=True)
