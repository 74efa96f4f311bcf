"""Orders as the folders keep them into which they were run."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from flows import layout
from flows.runtime.server import prepare_environment
from pst_core.errors import ConfigError

if TYPE_CHECKING:
    from flows.batch import BatchOrder
    from flows.evaluation import EvaluationOrder

__all__ = ["load_batch_order", "load_evaluation_order"]

Order = TypeVar("Order", bound=BaseModel)


def load_batch_order(out: Path) -> "BatchOrder":
    """The order of the batch that was last run into a folder.

    Raises
    ------
    ConfigError
        There is none, or it cannot be used.
    """
    prepare_environment()
    from flows.batch import BatchOrder

    order = _load(out / layout.BATCH, BatchOrder, "pst run")
    if order is not None:
        return order
    if (out / layout.EVALUATION).exists():
        raise ConfigError(
            f"{out} holds an evaluation: pst resume {out} goes on with it, and finds what is done."
        )
    raise ConfigError(f"{out} holds no batch: begin one with pst run FOLDER --out {out}.")


def load_evaluation_order(out: Path) -> "EvaluationOrder | None":
    """The evaluation that was last run into a folder; None if there was none.

    Raises
    ------
    ConfigError
        It cannot be used.
    """
    prepare_environment()
    from flows.evaluation import EvaluationOrder

    return _load(out / layout.EVALUATION, EvaluationOrder, "pst evaluate")


def _load(path: Path, kind: type[Order], command: str) -> Order | None:
    try:
        saved = json.loads(path.read_bytes())
        return kind(**{name: value for name, value in saved.items() if name != "program"})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError, ValidationError) as error:
        raise ConfigError(
            f"{path} cannot be used ({type(error).__name__}): begin anew with {command}."
        ) from error
