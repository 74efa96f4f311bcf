"""What stands at a post: one of Prefect's workers, which first ends what the last one there was starting.

``python -m flows.workers.worker --pool POOL --name NAME --limit LIMIT``.
"""

import argparse
import contextlib
import fcntl
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

from flows.runtime.left_running import end_what_was_starting
from flows.runtime.settings import import_prefect
from pst_core.errors import StoreError
from pst_core.store import pst_home
from pst_core.store.locks import flock_file, unlock_file

MODULE = "flows.workers.worker"


def main() -> None:
    """Take runs from a pool until a signal ends it."""
    parser = argparse.ArgumentParser(prog=MODULE)
    for option in ("--pool", "--name", "--limit"):
        parser.add_argument(option, required=True)
    given = parser.parse_args()
    import_prefect()
    with standing_there(given.pool, given.name):
        sys.argv[1:] = ["worker", "start", "--type", "process", "--install-policy", "never", *sys.argv[1:]]
        runpy.run_module("prefect", run_name="__main__", alter_sys=True)


@contextlib.contextmanager
def standing_there(pool: str, name: str) -> Iterator[None]:
    """Have a worker's post while the block runs; what the last one there was starting is ended before.

    It is left alone while another worker of the name lives, on this machine or another one: it may be that
    one's. Each holds a lock for that, together with the others, and whoever ends something holds it alone.

    Parameters
    ----------
    pool
        The one that it takes runs from.
    name
        The worker's.
    """
    path = pst_home() / "prefect" / "posts" / f"{pool} {name}"
    lock = None
    with contextlib.suppress(StoreError):  # without locks nobody knows who lives
        lock, alone = _come(path)
        if alone:
            end_what_was_starting(pool, name)
            fcntl.flock(lock, fcntl.LOCK_SH)
    try:
        yield
    finally:
        if lock is not None:
            with contextlib.suppress(OSError):  # another one lives, or it is another user's
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            unlock_file(lock)


def _come(path: Path) -> tuple[int, bool]:
    """The descriptor that holds a post's lock, and whether nobody else has it."""
    try:
        return flock_file(path, fcntl.LOCK_EX | fcntl.LOCK_NB), True
    except BlockingIOError:
        return flock_file(path, fcntl.LOCK_SH), False


if __name__ == "__main__":
    main()
