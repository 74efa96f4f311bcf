"""Who wants to know how far a pair is: a display, an artifact in Prefect's UI, a lane. A task only tells."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from pst_core.pipeline.plan import Stage

if TYPE_CHECKING:
    from pst_core.optimisation.record import Evaluation

Listener = Callable[[Stage, "Evaluation"], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
_computed: ContextVar[Callable[[], None] | None] = ContextVar("computed", default=None)


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


@contextmanager
def announcing(computed: Callable[[], None]) -> Iterator[None]:
    """Call once: as soon as the picture of the block's pair is computed, or when the block has ended well."""
    pending = [computed]

    def once() -> None:
        if pending:
            pending.pop()()

    token = _computed.set(once)
    try:
        yield
        once()
    finally:
        _computed.reset(token)


def tell_computed() -> None:
    """Tell whoever waits for it that what is left of the picture is to encode it."""
    if (computed := _computed.get()) is not None:
        computed()
