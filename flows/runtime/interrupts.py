"""Signals that end a run count at safe points only: in the midst of Prefect's code an exception gets lost.

The first signal is noted, and acted on before the next evaluation, step or pair; a second one acts at once.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType

from flows.runtime.failures import Stopped

__all__ = ["deferring_signals"]

_DEFERRED = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_noted: ContextVar[list[int] | None] = ContextVar("noted", default=None)


@contextmanager
def deferring_signals() -> Iterator[Callable[[], None]]:
    """Note signals while the block runs.

    Yields
    ------
    callable
        To be called at safe points: raises what a noted signal stands for.
    """
    known = _noted.get()
    noted: list[int] = [] if known is None else known
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        noted.append(number)
        if len(noted) > 1:
            _raise(number)

    before = {number: signal.signal(number, note) for number in _DEFERRED}
    token = _noted.set(noted)
    try:
        yield lambda: _raise(noted[0]) if noted else None
    finally:
        _noted.reset(token)
        for number, handler in before.items():
            signal.signal(number, handler)


def _raise(number: int) -> None:
    """Raise what the signal stands for: Prefect tells a cancelled run by an exception of its own."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    if number == signal.SIGTERM:
        from prefect.exceptions import TerminationSignal

        raise TerminationSignal(signal=number)
    raise Stopped(number)
