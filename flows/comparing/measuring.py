"""Every result of an evaluation that there should be, and its measures."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.comparing.sizing import answer_path
from flows.orders.evaluation_order import EvaluationOrder
from flows.orders.planning import Prober
from flows.pairs.elsewhere import find_pictures
from flows.pairs.pair import Pair
from flows.results.outcomes import Summary
from flows.runtime.failures import explain_failure
from flows.runtime.trouble import is_server_trouble
from pst_core.evaluation.table import CONTENT_METHOD, Measured
from pst_core.images.input_files import InputFiles
from pst_core.network.identity import Network
from pst_core.quality.measures import Measures
from pst_core.quality.model_files import ModelFiles
from pst_core.settings.config import Config
from pst_core.settings.methods import MethodName
from pst_core.store import StoreMiss
from tasks.keys import key_of
from tasks.measuring import measure
from tasks.records import look_up
from tasks.segmentation import region_settings, segment

_SELF_REFERENCE = (
    "self-reference, each pair made of one photograph: its left 65 % are the content, its right 65 % after a "
    "random grade the style, the left ones after that grade the right answer; seeds of the grades from {}"
)


@dataclass(frozen=True)
class WantedResult:
    """A result that there should be.

    Attributes
    ----------
    pair : Pair
    method : str
        A method's name, that of results made elsewhere, or ``content``.
    picture : Path or None
    reason : str
        Why there is no picture.
    """

    pair: Pair
    method: str
    picture: Path | None
    reason: str = ""


def list_wanted(
    order: EvaluationOrder, pairs: Sequence[Pair], summaries: Mapping[MethodName, Summary]
) -> list[WantedResult]:
    """Every result of pairs that were run, the contents first; where there is none, with the reason."""
    wanted = [
        WantedResult(pair, CONTENT_METHOD, None if pair.problem else pair.content, pair.problem or "")
        for pair in pairs
    ]
    for method, summary in summaries.items():
        for pair, outcome in zip(pairs, summary.outcomes, strict=True):
            picture = Path(outcome.picture) if outcome.state != "failed" else None
            wanted.append(WantedResult(pair, method, picture, outcome.error))
    for name, folder in order.external.items():
        found = find_pictures(folder, [pair.name for pair in pairs])
        wanted += [
            WantedResult(
                pair, name, found.get(pair.name), pair.problem or f"{folder.name} has no picture of it"
            )
            for pair in pairs
        ]
    return wanted


def measure_wanted(
    wanted: WantedResult, order: EvaluationOrder, prober: Prober, stop_if_asked: Callable[[], None]
) -> Measured:
    """The measures of one result; for one that is missing or cannot be measured, the reason."""
    stop_if_asked()
    if wanted.picture is None or wanted.pair.problem is not None:
        return _without_measures(wanted, wanted.reason)
    try:
        found = _measure(wanted.pair, wanted.picture, order, prober)
    except Exception as error:
        if is_server_trouble(error):
            raise
        return _without_measures(wanted, explain_failure(error)[0])
    return Measured(pair=wanted.pair.name, method=wanted.method, **found.model_dump())


def tell_facts(order: EvaluationOrder) -> dict[str, str]:
    """What must stand under every table: which models, which weights, which size."""
    from pst_core.quality.models import load_quality_models

    models = load_quality_models(order.quality_models)
    needed = {measure.model for measure in order.measures}
    identity = Network.of(Config.make(order.preset, **order.settings)).identity
    return {
        **({"Protocol": _SELF_REFERENCE.format(order.grades)} if order.protocol == "self-reference" else {}),
        "Size": "native" if order.side is None else f"all photographs shrunk to {order.side} pixels first",
        "Loss evaluations": (
            "as in `pst methods`"
            if order.evaluations is None
            else f"{order.evaluations} for each compared method"
        ),
        **({"BRISQUE's model": models.brisque.name} if "brisque" in needed else {}),
        **({"NIQE's model": models.niqe.name} if "niqe" in needed else {}),
        "Network weights": identity if len(identity) < 64 else f"sha256 {identity[:12]}",
        "Preset of the paper's method": order.preset,
    }


def _without_measures(wanted: WantedResult, reason: str) -> Measured:
    """A row of the table that says why it has no numbers."""
    return Measured.without(wanted.pair.name, wanted.method, reason)


def _measure(pair: Pair, picture: Path, order: EvaluationOrder, prober: Prober) -> Measures:
    files = InputFiles(**{role: prober(path) for role, path in pair.paths.items()})
    config = order.config_of(pair)
    network = Network.of(config)
    found = _found_or_made(
        segment, files=files, settings=region_settings(config, files),
        network=None if files.content_map is not None else network,
    )  # fmt: skip
    measures: Measures = _found_or_made(
        measure, picture=prober(picture), content=files.content, style=files.style, regions=found.regions,
        models=ModelFiles.at(order.quality_models), network=network,
        answer=prober(answer_path(pair, order)) if order.protocol == "self-reference" else None,
    )  # fmt: skip
    return measures


def _found_or_made(unit: Any, **inputs: Any) -> Any:  # noqa: ANN401 - whatever a task takes and returns
    """A task's result, without a task run where it is known: an evaluation has thousands of them."""
    try:
        return look_up(key_of(unit.name, inputs))
    except StoreMiss:
        return unit(**inputs)
