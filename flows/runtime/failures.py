"""How a run ends when it does not end well: one sentence, and an exit status."""

import signal

from flows.runtime.cancellation import RunCancelled
from flows.runtime.interrupts import Stopped
from flows.runtime.trouble import describe_trouble
from pst_core.errors import PstError
from pst_core.faults import is_out_of_memory
from pst_core.printing import printable

FAILED = 1
SOME_FAILED = 3
CANCELLED = 4


def explain_failure(error: BaseException) -> tuple[str, int]:
    """One sentence for whatever ended the run, and the exit status that goes with it."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted; nothing was left half-written.", 128 + signal.SIGINT
    if isinstance(error, RunCancelled):
        return "cancelled in Prefect's UI; nothing was left half-written.", CANCELLED
    if isinstance(error, Stopped):
        name = signal.Signals(error.number).name
        return f"ended by {name}; nothing was left half-written.", 128 + error.number
    return printable(" ".join(_sentence(error).split())), FAILED


def _sentence(error: BaseException) -> str:
    if isinstance(error, PstError):
        return str(error)
    if is_out_of_memory(error):
        return "The memory is not enough for this: use a smaller --size, or --device cpu if it was the GPU's."
    if (trouble := describe_trouble(error)) is not None:
        return trouble
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
