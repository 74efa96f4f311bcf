"""Who wants to know how far a stage is: a display, an artifact in Prefect's UI. A task only tells."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from pst_core.steps import Stage

__all__ = ["StageProgress", "listening", "tell"]


@dataclass(frozen=True)
class StageProgress:
    """One evaluation of a stage's loss, counted from 1."""

    stage: Stage
    evaluation: int
    total: float
    content: float
    style: float


_listener: ContextVar[Callable[[StageProgress], None] | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Callable[[StageProgress], None]) -> Iterator[None]:
    """Hear of every evaluation while the block runs."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def tell(progress: StageProgress) -> None:
    """Tell whoever listens."""
    if (listener := _listener.get()) is not None:
        listener(progress)
