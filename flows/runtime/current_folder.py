"""The folder one stands in: it may be somebody else's, closed to us, or deleted meanwhile."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Nothing can be made here, by nobody, and what is here has numbers for names.
_NOWHERE = "/proc/self/fdinfo"


def leave_a_folder_that_is_none() -> None:
    """Where the current folder is gone or closed libraries fail: stand where no relative path leads."""
    if _is_open():
        return
    os.chdir(_NOWHERE if Path(_NOWHERE).is_dir() else tempfile.mkdtemp())
    print(
        "warning: the current folder was deleted or may not be entered: only paths that begin with / are "
        "found.", file=sys.stderr,
    )  # fmt: skip


def _is_open() -> bool:
    try:
        return os.access(Path.cwd(), os.X_OK)
    except OSError:
        return False


@contextlib.contextmanager
def standing_in(folder: Path) -> Iterator[None]:
    """Stand in another folder while the block runs."""
    here = os.open(".", getattr(os, "O_PATH", os.O_RDONLY))
    try:
        os.chdir(folder)
        yield
    finally:
        os.fchdir(here)
        os.close(here)
