"""Python's garbage collector, kept from looking at what stays until the process ends.

Libraries such as torch leave a million objects, none of which is garbage. The collector looks through them
while they are loaded, now and then afterwards, and once more as the process ends: half a second each time.
"""

import contextlib
import gc
from collections.abc import Iterator


def pass_over_what_is_loaded() -> None:
    """Let the collector look no more at what is there by now; for a process of our own."""
    gc.freeze()


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Let the collector wait while the block loads libraries, and pass over them then."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        pass_over_what_is_loaded()
        if collects:
            gc.enable()
