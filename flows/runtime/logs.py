"""Logs of processes that run for months: each begins anew with its process, and is cut when it grows long."""

import contextlib
import os
import shutil
from pathlib import Path

LONGEST = 10 * 2**20


def put_aside(log: Path) -> None:
    """Keep the log of a process that ended, in place of the one before it."""
    with contextlib.suppress(FileNotFoundError):
        log.replace(_former(log))


def keep_short(log: Path, longest: int = LONGEST) -> None:
    """Copy a log that has grown long to where the former one lies, and empty it under its writer."""
    with contextlib.suppress(OSError):  # there may be no room for it, or no log
        if log.stat().st_size > longest:
            shutil.copyfile(log, _former(log))
            os.truncate(log, 0)  # its writer appends


def _former(log: Path) -> Path:
    return log.with_name(f"{log.name}.1")
