"""Who wants to know how far a stage is: a display, an artifact in Prefect's UI. A task only tells."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from pst_core.pipeline.plan import Stage

if TYPE_CHECKING:
    from pst_core.optimisation.record import Evaluation

Listener = Callable[[Stage, "Evaluation"], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Hear of every evaluation while the block runs."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def tell(stage: Stage, evaluation: "Evaluation") -> None:
    """Tell whoever listens."""
    if (listener := _listener.get()) is not None:
        listener(stage, evaluation)
