"""Standard input, output and error, such that no work fails or is lost for what is behind them.

A descriptor that is closed would be given to the next file that is opened, which then takes what is printed.
A reader that goes away, a full disk, a terminal that hung up: what is printed is lost, and nothing else is.
"""

import contextlib
import errno
import io
import os
import re
import select
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_COLUMNS = re.compile("[2-9][0-9]|[1-9][0-9]{2,3}")  # of real terminals; some say 0 or 1 and mean nothing


class UnfailingOutput(io.FileIO):
    """A standard stream's descriptor to which every write succeeds, be it by forgetting the bytes.

    Why bytes are forgotten is said once on standard error, unless it is that the reader went away.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self._lost = False

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write all of the bytes, waiting where a descriptor does not wait by itself."""
        left = memoryview(data).cast("B")
        size = len(left)
        try:
            while left:
                written = super().write(left)
                if written is None:  # another program made the terminal or pipe that we share non-blocking
                    select.select([], [self], [])
                else:
                    left = left[written:]
        except OSError as error:
            self._tell_loss(error)
        return size

    def _tell_loss(self, error: OSError) -> None:
        if self._lost:
            return
        self._lost = True
        if error.errno == errno.EPIPE or self.fileno() == 2:
            return
        reason = os.strerror(error.errno or errno.EIO)
        with contextlib.suppress(OSError):
            os.write(2, f"pst: standard output cannot be written ({reason}): going on without it.\n".encode())


def open_streams() -> None:
    """Make the process's streams such that nothing fails that is printed.

    What something else was put in the place of stays.
    """
    for descriptor in range(3):
        _occupy(descriptor)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stdout is sys.__stdout__:
        sys.stdout = _unfailing(1, sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _unfailing(2, sys.stderr)
    _forget_impossible_terminals()


def _occupy(descriptor: int) -> None:
    """Let nothing that is opened later have the number of a standard stream."""
    try:
        os.fstat(descriptor)
    except OSError:
        null = os.open(os.devnull, os.O_RDWR)
        if null != descriptor:
            os.dup2(null, descriptor)
            os.close(null)
        os.set_inheritable(descriptor, True)  # as standard streams are: children have none either, otherwise


def _unfailing(descriptor: int, stream: TextIO | None) -> TextIO:
    """A stream that escapes what its encoding has no bytes for; `stream` is None where it was closed."""
    raw = UnfailingOutput(descriptor)
    if not isinstance(stream, io.TextIOWrapper):
        return io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", errors="backslashreplace")
    with contextlib.suppress(OSError):
        stream.flush()
    return io.TextIOWrapper(
        raw if stream.write_through else io.BufferedWriter(raw),
        encoding=stream.encoding, errors="backslashreplace",
        line_buffering=stream.line_buffering, write_through=stream.write_through,
    )  # fmt: skip


def _forget_impossible_terminals() -> None:
    """Forget a width that no text fits in, and a wish for colours where there is no terminal but a file."""
    if not _COLUMNS.fullmatch(os.environ.get("COLUMNS", "")):
        os.environ.pop("COLUMNS", None)
    if not sys.stdout.isatty():
        for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
            os.environ.pop(name, None)
