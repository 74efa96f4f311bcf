"""Evaluations from the command line: `pst evaluate`, `compare` and `ablate`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.cli.batch import ended, run_anywhere
from flows.cli.options import Choice
from flows.display.batch import choose_watcher
from flows.display.meter import emit
from flows.layout import DRAWINGS, TABLE_TEXT
from flows.pairs.elsewhere import named_folders
from flows.runtime.failures import SOME_FAILED
from flows.runtime.server import prepare_environment
from pst_core.errors import ConfigError
from pst_core.network.identity import UNTRAINED
from pst_core.settings.methods import METHODS

if TYPE_CHECKING:
    from flows.orders.evaluation_order import EvaluationOrder

__all__ = ["carry_out_evaluation", "make_evaluation"]


def make_evaluation(
    source: Path | None,
    out: Path | None,
    choice: Choice,
    *,
    methods: str | None,
    pairs: str | None,
    external: Sequence[str],
    **details: Any,  # noqa: ANN401 - EvaluationOrder's
) -> "EvaluationOrder":
    """An order from the command line.

    Raises
    ------
    ConfigError
        Something is not named, or there is no such method.
    """
    if source is None or out is None:
        raise ConfigError(
            "A folder of pairs and one for what is made are needed: pst evaluate FOLDER --out DIR."
        )
    from pydantic import ValidationError

    from flows.orders.evaluation_order import EvaluationOrder
    from pst_core.settings.config import explain

    settings = choice.config.model_dump(include=set(choice.settings), mode="json")
    settings.pop("method", None)
    if settings.get("weights") not in (None, UNTRAINED):
        settings["weights"] = str(Path(settings["weights"]).expanduser().absolute())
    asked = {"source": source, "out": out, "preset": choice.preset, "settings": settings} | details
    asked |= {"pairs": _listed(pairs), "external": named_folders(external)}
    try:
        return EvaluationOrder.model_validate(asked | ({"methods": _methods(methods)} if methods else {}))
    except ValidationError as error:
        raise ConfigError(explain(error)) from error


def carry_out_evaluation(order: "EvaluationOrder", *, quiet: bool, as_json: bool) -> int:
    """Run an evaluation to its end and print its table; the exit status."""
    prepare_environment()
    from flows.evaluation import run_evaluation
    from flows.orders.evaluation_order import check_evaluation

    pairs = check_evaluation(order)  # known before a server is even started
    watcher = choose_watcher(quiet=quiet, as_json=as_json)
    evaluation, server_lost = run_anywhere(watcher, order.out, lambda: run_evaluation(order, pairs))
    drawn = order.out / DRAWINGS[order.drawing]
    if as_json:
        emit("evaluation", out=str(order.out), drawn=str(drawn), said=evaluation.sentence)
    elif not quiet:
        print((order.out / TABLE_TEXT).read_text("utf-8"))
        print(f"{evaluation.sentence}. Drawn: {drawn}")
    return ended(SOME_FAILED if evaluation.missing else 0, server_lost=server_lost)


def _methods(text: str) -> list[str]:
    names = _listed(text)
    if unknown := next((name for name in names if name not in METHODS), None):
        raise ConfigError(f"There is no method {unknown!r}: `pst methods` lists them.")
    return names


def _listed(text: str | None) -> list[str]:
    return [*dict.fromkeys(name.strip() for name in (text or "").split(",") if name.strip())]
