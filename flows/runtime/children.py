"""Processes that a run starts for itself: they end with it, however it ends."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_WRAPPER = """
import os, signal, sys
from flows.runtime.children import end_with_parent
end_with_parent(int(sys.argv[1]))
os.nice(int(sys.argv[2]))
signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored behind a shell's &, and Prefect's workers end by it
os.execv(sys.executable, [sys.executable, *sys.argv[3:]])
"""
_SET_PARENT_DEATH_SIGNAL = 1


def end_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, however that ends; only Linux can.

    Parameters
    ----------
    parent
        Its process id: where it has ended already, this process ends now.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, int(signal.SIGKILL))
    if os.getppid() != parent:
        sys.exit(1)


def start_child(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    log: Path,
    niceness: int = 0,
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

    Raises
    ------
    OSError
        It cannot be started.
    """
    command = [sys.executable, "-P", "-c", _WRAPPER, str(os.getpid()), str(niceness), "-P", *arguments]
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
