"""How a run ends when it does not end well: one sentence, an exit status, nothing half-written."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from pst_core.errors import PstError
from pst_core.faults import is_out_of_memory

__all__ = ["SOME_FAILED", "Stopped", "explain_failure", "stopping", "uninterrupted"]

FAILED = 1
SOME_FAILED = 3
_ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
_HELD = [signal.SIGINT, *_ENDING]


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


def _stop(number: int, frame: FrameType | None) -> None:
    del frame
    raise Stopped(number)


@contextmanager
def stopping() -> Iterator[None]:
    """Turn the signals that end a process into `Stopped`, so that temporary files are cleared away."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _stop) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold signals back while a picture and what belongs to it are written; they count afterwards."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    before = {number: signal.signal(number, lambda number, _: held.append(number)) for number in _HELD}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if held:
            signal.raise_signal(held[0])


def explain_failure(error: BaseException) -> tuple[str, int]:
    """One sentence for whatever ended the run, and the exit status that goes with it."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted; nothing was left half-written.", 128 + signal.SIGINT
    if isinstance(error, Stopped):
        name = signal.Signals(error.number).name
        return f"ended by {name}; nothing was left half-written.", 128 + error.number
    return " ".join(_sentence(error).split()), FAILED


def _sentence(error: BaseException) -> str:
    if isinstance(error, PstError):
        return str(error)
    if is_out_of_memory(error):
        return "The memory is not enough for this: use a smaller --size, or --device cpu if it was the GPU's."
    if isinstance(error, ImportError):
        return _missing_library(error)
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror or error}; free the way and run it again."
    kind = type(error).__name__
    return f"Unforeseen trouble ({kind}: {error}): run it again with PST_DEBUG=1 and report what it prints."


def _missing_library(error: ImportError) -> str:
    if "libGL" in str(error):
        return "OpenCV cannot be loaded: libGL.so.1 is missing (on Debian: apt-get install libgl1)."
    return f"A library cannot be loaded ({error}): `pst doctor` says what is missing."
