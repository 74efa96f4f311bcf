"""How flows are run from the command line: on the configured server, or else on one of our own."""

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from flows.runtime.garbage import pass_over_what_is_loaded
from flows.runtime.server import prefect_server
from flows.runtime.trouble import is_server_loss

if TYPE_CHECKING:
    from flows.display.watching import Watcher

Ran = TypeVar("Ran")
LOST = "Prefect's server went away: going on with one of our own, from what is finished."


def run_anywhere(watcher: "Watcher", out: Path, run: Callable[[bool], Ran]) -> tuple[Ran, bool]:
    """Run on the server that is configured, or else on one of our own; and whether the former was lost.

    Parameters
    ----------
    out
        What to resume after a signal.
    run
        Called with whether this is after a server was lost: then once more, on one of our own, where what is
        finished is found done.
    """
    from flows.display.watching import watched_by

    pass_over_what_is_loaded()
    try:
        with watcher, watched_by(watcher), ExitStack() as stack:
            try:
                watcher.server_found(stack.enter_context(prefect_server()))
                return run(False), False
            except Exception as error:
                if not is_server_loss(error):
                    raise
                print(LOST, file=sys.stderr)
                watcher.server_found(stack.enter_context(prefect_server(own=True)))
                return run(True), True
    except BaseException as error:
        if not isinstance(error, Exception):  # a signal, be it during the second run
            # What was interrupted before it began has no order to be resumed by.
            print(
                f"What is finished is kept; to go on: pst resume {out}, or the same command once more",
                file=sys.stderr,
            )
        raise


def ended(status: int, *, server_lost: bool) -> int:
    """The exit status; after a lost server the process ends here, for Prefect would wait minutes for it."""
    if server_lost:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status
