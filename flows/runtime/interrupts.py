"""Signals that end a run: they clear away what is half-written, and count where nothing gets lost.

Within a flow they count at safe points only, for in the midst of Prefect's code an exception gets lost: the
first signal is noted, and acted on before the next evaluation, step or pair; a second one acts at once.
"""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType

_ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
_ALL = [signal.SIGINT, *_ENDING]
_noted: ContextVar[list[int] | None] = ContextVar("noted", default=None)


class Stopped(BaseException):
    """A signal asked the program to end; like KeyboardInterrupt it is no Exception.

    Attributes
    ----------
    number : int
        The signal's.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def stopping() -> Iterator[None]:
    """Turn the signals that end a process into `Stopped`, so that temporary files are cleared away."""

    def stop(number: int) -> None:
        raise Stopped(number)

    with _handled(_ENDING, stop):
        yield


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold signals back while a picture and what belongs to it are written; they count afterwards."""
    held: list[int] = []
    try:
        with _handled(_ALL, held.append):
            yield
    finally:
        if held:
            signal.raise_signal(held[0])


@contextmanager
def deferring_signals() -> Iterator[Callable[[], None]]:
    """Note signals while the block runs, together with the blocks around it.

    In a thread, which gets none, those count that the blocks note which its context was copied in.

    Yields
    ------
    callable
        To be called at safe points: raises what a noted signal stands for.
    """
    known = _noted.get()
    noted: list[int] = [] if known is None else known

    def note(number: int) -> None:
        noted.append(number)
        if len(noted) > 1:
            _raise(number)

    with _handled(_ALL, note):
        token = _noted.set(noted)
        try:
            yield lambda: _raise(noted[0]) if noted else None
        finally:
            _noted.reset(token)


@contextmanager
def _handled(numbers: Sequence[int], handle: Callable[[int], None]) -> Iterator[None]:
    """Give signals to a function while the block runs; in a thread, which gets none, do nothing."""
    if not _gets_signals():
        yield
        return

    def handler(number: int, frame: FrameType | None) -> None:
        del frame
        handle(number)

    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def _gets_signals() -> bool:
    return threading.current_thread() is threading.main_thread()


def _raise(number: int) -> None:
    """Raise what the signal stands for: Prefect tells a cancelled run by an exception of its own."""
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    if number == signal.SIGTERM:
        from prefect.exceptions import TerminationSignal

        raise TerminationSignal(signal=number)
    raise Stopped(number)
