"""Processes that a run starts for itself: they end with it, however it ends."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

# Lets the kernel end a child when its parent ends, however it ends; other systems than Linux lack this.
_WRAPPER = """
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, int(sys.argv[2]))
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
os.nice(int(sys.argv[3]))
os.execv(sys.executable, [sys.executable, *sys.argv[4:]])
"""


def start_child(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    log: Path,
    niceness: int = 0,
    at_parents_end: signal.Signals = signal.SIGKILL,
) -> "subprocess.Popen[bytes]":
    """Start a Python process that ends with the thread that called this.

    Parameters
    ----------
    arguments
        The interpreter's; what lies in `folder` is no module to it because it has a module's name.
    environment
        All of its variables.
    folder
        The one that it stands in.
    log
        Gets what it prints; what stood there before is gone.
    niceness
        How much it lets others go first.
    at_parents_end
        The signal that it gets then.

    Raises
    ------
    OSError
        It cannot be started.
    """
    command = [
        sys.executable, "-P", "-c", _WRAPPER, str(os.getpid()), str(int(at_parents_end)), str(niceness),
        "-P", *arguments,
    ]  # fmt: skip
    log.unlink(missing_ok=True)
    with log.open("ab") as output:  # so that it may be emptied meanwhile
        return subprocess.Popen(
            command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip


def stop_children(children: Sequence["subprocess.Popen[bytes]"], patience: float) -> None:
    """Ask processes to end, all at once; after `patience` seconds end those that have not."""
    for child in children:
        child.terminate()
    for child in children:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(patience)
    for child in children:
        if child.poll() is None:
            child.kill()
            child.wait()
