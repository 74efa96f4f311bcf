"""How the process ends: quietly and with its status, also if signals come where Python loses exceptions."""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flows.runtime.interrupts import Stopped

if TYPE_CHECKING:
    from types import FrameType

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_AGAIN_AFTER = 0.05
"""Seconds until a signal comes again that got lost: by then whatever lost it is through."""


def end_quietly() -> None:
    """From now on, print nothing of what Python can only print, as of a destructor that fails.

    An interrupt leaves half-made objects behind, whose destructors complain. If it is raised in a destructor
    itself it is lost there, so that it is sent again.
    """
    sys.unraisablehook = _pass_over
    atexit.register(_ignore_signals)  # the first one registered is called last


@contextmanager
def deaf_to_signals() -> Iterator[None]:
    """Pass signals over while the block tells how a command ended, which takes no time; threads get none."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in SIGNALS}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def end_with(status: int) -> None:
    """From now on, let a signal end the process at once with the status that it ends with anyway."""

    def end(number: int, frame: "FrameType | None") -> None:
        del number, frame
        os._exit(status)

    sys.stdout.flush()
    sys.stderr.flush()
    for number in SIGNALS:
        signal.signal(number, end)


def _pass_over(unraisable: "sys.UnraisableHookArgs") -> None:
    error = unraisable.exc_value
    if isinstance(error, KeyboardInterrupt | Stopped):
        lost = error.number if isinstance(error, Stopped) else signal.SIGINT
        again = threading.Timer(_AGAIN_AFTER, os.kill, (os.getpid(), lost))
        again.daemon = True
        again.start()


def _ignore_signals() -> None:
    """Python gives signals back their defaults at its very end, but for those that are ignored."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
