"""An evaluation as it was ordered: which methods over which pairs, and what is drawn of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from flows import layout
from flows.orders.batch_order import BatchOrder
from flows.orders.saved import SavedOrder
from flows.pairs.elsewhere import find_pictures
from flows.pairs.find import Found, find_pairs, find_photographs
from flows.pairs.pair import Pair, PairingError
from pst_core.errors import ConfigError
from pst_core.evaluation.table import CONTENT_METHOD
from pst_core.files import check_writable
from pst_core.quality.measures import ANSWERED, TABULATED, Measure
from pst_core.quality.model_files import ModelFiles
from pst_core.quality.self_reference import FIRST_SEED, Protocol
from pst_core.settings.methods import COMPARED, METHODS, MethodName

Drawing = Literal["table", "comparison", "ablation"]
Side = Annotated[int, Field(ge=64)]
"""Long side in pixels."""
Evaluations = Annotated[int, Field(ge=1)]
"""How often a loss is evaluated in all."""
Grades = Annotated[int, Field(ge=0, lt=2**31)]
"""Seed of the first photograph's grade; each further one has the next."""


class EvaluationOrder(SavedOrder):
    """An evaluation as it was ordered; see `flows.evaluation.evaluate_folder`."""

    file: ClassVar[str] = layout.EVALUATION
    command: ClassVar[str] = "pst evaluate"

    protocol: Protocol = "pairs"
    grades: Grades = FIRST_SEED
    methods: tuple[MethodName, ...] = COMPARED
    external: dict[str, Path] = Field(default={})
    pairs: tuple[str, ...] = ()
    side: Side | None = None
    evaluations: Evaluations | None = None
    drawing: Drawing = "table"
    crops: tuple[str, ...] = ()
    quality_models: Path | None = None

    @field_validator("methods", "pairs")
    @classmethod
    def _once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(names))

    @property
    def columns(self) -> tuple[str, ...]:
        """What is compared, the content first."""
        return (CONTENT_METHOD, *self.methods, *self.external)

    @property
    def measures(self) -> tuple[Measure, ...]:
        """What every result is measured by."""
        return ANSWERED if self.protocol == "self-reference" else TABULATED

    def batch_of(self, method: MethodName) -> BatchOrder:
        """The batch that makes a method's results."""
        settings = {**limited_settings(method, self.evaluations), **self.settings, "method": method}
        out = self.out / layout.METHODS / method
        return BatchOrder(source=self.source, out=out, preset=self.preset, settings=settings)


def limited_settings(method: MethodName, evaluations: int | None) -> dict[str, Any]:
    """What to change in a compared method's settings for it to evaluate its loss about so often in all.

    The paper's method keeps its preset's: it is what the others are compared with.
    """
    settings = METHODS[method].settings
    names = [name for name in ("global_iterations", "regional_iterations") if settings.get(name)]
    if evaluations is None or not names:
        return {}
    stages = len(names) * settings["rounds"]
    return dict.fromkeys(names, max(1, round(evaluations / stages)))


def check_evaluation(order: EvaluationOrder) -> Found:
    """The pairs of an evaluation, before a server is started, and what there is to know of their source.

    Raises
    ------
    PstError
        Pairs, methods, folders or models are not there or do not go together.
    """
    from pst_core.evaluation.crops import parse_crop  # which brings arrays along

    taken = {*METHODS, CONTENT_METHOD}
    if clash := next((name for name in order.external if name in taken), None):
        raise ConfigError(f"Results made elsewhere cannot be called {clash!r}, as a method is: rename them.")
    if not order.methods and not order.external:
        raise ConfigError("Name at least one method, or results made elsewhere.")
    found = _find(order)
    pairs = _chosen(found.pairs, order.pairs)
    _refuse_named_methods(pairs)
    _refuse_further_styles(pairs)
    for folder in order.external.values():
        find_pictures(folder, [pair.name for pair in pairs])
    for crop in order.crops:
        parse_crop(crop)
    ModelFiles.at(order.quality_models)
    check_writable(order.out)
    return Found(pairs, found.notes)


def _find(order: EvaluationOrder) -> Found:
    if order.protocol == "pairs":
        return find_pairs(
            order.source, pairing=order.pairing, allow_outside=order.allow_outside, out=order.out
        )
    if order.pairing != "auto":
        raise ConfigError(
            f"Self-reference makes pairs of single photographs: leave out --pairing {order.pairing}."
        )
    return find_photographs(order.source, out=order.out)


def load_evaluation_order(out: Path) -> EvaluationOrder | None:
    """The evaluation that was last run into a folder; None if there was none.

    Raises
    ------
    ConfigError
        It cannot be used.
    """
    try:
        return EvaluationOrder.load(out)
    except FileNotFoundError:
        return None


def _chosen(pairs: tuple[Pair, ...], names: Sequence[str]) -> tuple[Pair, ...]:
    known = {pair.name: pair for pair in pairs}
    if unknown := next((name for name in names if name not in known), None):
        raise PairingError(f"There is no pair {unknown!r}: choose from {', '.join(list(known)[:12])}.")
    return tuple(known[name] for name in names) if names else pairs


def _refuse_named_methods(pairs: tuple[Pair, ...]) -> None:
    """A pair's own method would stand in the table under every other one's name."""
    for pair in pairs:
        if "method" in pair.given:
            raise PairingError(
                f"{pair.name!r} of the manifest names the method {pair.given['method']!r}, but an "
                "evaluation runs all of its own over every pair: leave that column out."
            )


def _refuse_further_styles(pairs: tuple[Pair, ...]) -> None:
    """The compared methods and the measures know one style."""
    for pair in pairs:
        if pair.further:
            raise PairingError(
                f"{pair.name!r} of the manifest has the columns {', '.join(pair.further)}, but an evaluation "
                "compares results of one style: leave them out."
            )
