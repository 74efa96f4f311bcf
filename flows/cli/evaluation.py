"""Evaluations from the command line: `pst evaluate`, `compare` and `ablate`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.cli.batch import ended, run_anywhere
from flows.cli.options import Choice
from flows.display.batch import choose_watcher
from flows.display.picture import emit
from flows.pairs.elsewhere import named_folders
from flows.runtime.failures import SOME_FAILED
from flows.runtime.server import prepare_environment
from pst_core.errors import ConfigError
from pst_core.network.identity import UNTRAINED
from pst_core.settings.methods import METHODS

if TYPE_CHECKING:
    from flows.evaluation import EvaluationOrder

__all__ = ["carry_out_evaluation", "load_evaluation", "make_evaluation"]


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
    prepare_environment()
    from pydantic import ValidationError

    from flows.evaluation import EvaluationOrder
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


def load_evaluation(out: Path) -> "EvaluationOrder | None":
    """The evaluation that was last run into a folder; None if there was none.

    Raises
    ------
    ConfigError
        It cannot be used.
    """
    prepare_environment()
    from pydantic import ValidationError

    from flows.evaluation import EVALUATION, EvaluationOrder

    path = out / EVALUATION
    try:
        saved = json.loads(path.read_bytes())
        return EvaluationOrder(**{name: value for name, value in saved.items() if name != "program"})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError, ValidationError) as error:
        raise ConfigError(
            f"{path} cannot be used ({type(error).__name__}): begin anew with pst evaluate."
        ) from error


def carry_out_evaluation(order: "EvaluationOrder", *, quiet: bool, as_json: bool) -> int:
    """Run an evaluation to its end and print its table; the exit status."""
    from flows.comparing.drawing import FILES
    from flows.evaluation import check_evaluation, run_evaluation

    check_evaluation(order)  # known before a server is even started
    watcher = choose_watcher(quiet=quiet, as_json=as_json)
    state, server_lost = run_anywhere(watcher, order.out, lambda: run_evaluation(order))
    drawn = order.out / FILES[order.drawing]
    if as_json:
        emit("evaluation", out=str(order.out), drawn=str(drawn), said=state.message)
    elif not quiet:
        print((order.out / "table.md").read_text("utf-8"))
        print(f"{state.message}. Drawn: {drawn}")
    return ended(0 if state.is_completed() else SOME_FAILED, server_lost=server_lost)


def _methods(text: str) -> list[str]:
    names = _listed(text)
    if unknown := next((name for name in names if name not in METHODS), None):
        raise ConfigError(f"There is no method {unknown!r}: `pst methods` lists them.")
    return names


def _listed(text: str | None) -> list[str]:
    return [*dict.fromkeys(name.strip() for name in (text or "").split(",") if name.strip())]
