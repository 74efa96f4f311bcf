"""Files read through faults that pass: handles that a network mount has forgotten, a device that is busy."""

import errno
import io
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from pst_core.faults import is_transient

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

T = TypeVar("T")
WAITS = (0.05, 0.5, 2.0)  # seconds before each further attempt
_MOST_AT_ONCE = 2**24  # bytes
_MOST_BEGINNINGS = 3


class ReplacedError(OSError):
    """Another file has the name of the one that was being read: begin anew."""


class SteadyFile(io.RawIOBase):
    """A file for reading which goes on, with a new handle, where a call failed by a fault that passes.

    Parameters
    ----------
    path
        The file.
    flags
        For `os.open`, besides those for reading.

    Raises
    ------
    ReplacedError
        On reading, if the new handle is another file's.
    OSError
        The fault did not pass.
    """

    _descriptor = -1

    def __init__(self, path: str | os.PathLike[str], flags: int = 0) -> None:
        super().__init__()
        self.name = path
        self._flags = os.O_RDONLY | os.O_CLOEXEC | flags
        self._position = 0
        self._forgotten = False
        self._descriptor = _patiently(self._open)
        self._first = _identity(self._descriptor)

    def readable(self) -> bool:
        """Tell that this is for reading."""
        return True

    def seekable(self) -> bool:
        """Tell that its parts can be read in any order."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to another place, counted in bytes."""
        self._position = os.lseek(self._descriptor, offset, whence)
        return self._position

    def fileno(self) -> int:
        """Return the descriptor, which is another one after a fault."""
        return self._descriptor

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Read the next bytes."""
        view = memoryview(buffer).cast("B")
        data = _patiently(lambda: self._read_next(min(len(view), _MOST_AT_ONCE)))
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Give the descriptor back."""
        if not self.closed and self._descriptor >= 0:
            os.close(self._descriptor)
        super().close()

    def _open(self) -> int:
        return os.open(self.name, self._flags)

    def _read_next(self, size: int) -> bytes:
        if self._forgotten:
            self._reopen()
        self._forgotten = True
        data = os.read(self._descriptor, size)
        self._forgotten = False
        self._position += len(data)
        return data

    def _reopen(self) -> None:
        again = self._open()
        if _identity(again) != self._first:
            os.close(again)
            raise ReplacedError(errno.ESTALE, "replaced while it was read", self.name)
        os.lseek(again, self._position, os.SEEK_SET)
        os.close(self._descriptor)
        self._descriptor = again


def open_steadily(path: str | os.PathLike[str], flags: int = 0) -> io.BufferedReader:
    """Open a file for reading through faults that pass; see `SteadyFile`."""
    return io.BufferedReader(SteadyFile(path, flags))


def read_steadily(path: str | os.PathLike[str]) -> bytes:
    """Read a whole file through faults that pass, and anew where it is replaced meanwhile.

    Raises
    ------
    OSError
        It cannot be read.
    """

    def read() -> bytes:
        with open_steadily(path) as file:
            return file.read()

    at_once = _read_at_once(path, 0, lambda _: None)
    if at_once is not None and len(at_once[0]) == at_once[1].st_size:
        return at_once[0]
    return from_the_beginning(read)


def read_accepted(
    path: str | os.PathLike[str], accept: Callable[[os.stat_result], None], flags: int = 0
) -> tuple[bytes, os.stat_result]:
    """Read a whole file, as `read_steadily` does, if its status is accepted.

    Parameters
    ----------
    accept
        Called with the file's status; what it raises is raised, and nothing is read.
    flags
        For `os.open`, besides those for reading.

    Returns
    -------
    data : bytes
        Up to one byte more than the file had, so that one which grows meanwhile is noticed.
    status : os.stat_result
        As it was before reading.

    Raises
    ------
    OSError
        It cannot be read.
    """

    def read() -> tuple[bytes, os.stat_result]:
        with open_steadily(path, flags) as file:
            status = os.fstat(file.fileno())
            accept(status)
            return file.read(status.st_size + 1), status

    return _read_at_once(path, flags, accept) or from_the_beginning(read)


def _read_at_once(
    path: str | os.PathLike[str], flags: int, accept: Callable[[os.stat_result], None]
) -> tuple[bytes, os.stat_result] | None:
    """Read a file by one call, and one byte more if it grew; None where that takes more, or patience.

    A batch reads dozens of small files for each of its pairs.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags)
        try:
            status = os.fstat(descriptor)
            accept(status)
            if status.st_size >= _MOST_AT_ONCE:
                return None
            data = os.read(descriptor, status.st_size + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        if not is_transient(error):
            raise
        return None
    return (data, status) if len(data) >= status.st_size else None


def from_the_beginning(read: Callable[[], T]) -> T:
    """Call what reads a file, and a few times anew where the file is replaced meanwhile."""
    for _ in range(_MOST_BEGINNINGS - 1):
        try:
            return read()
        except ReplacedError:
            continue
    return read()


def _patiently(call: Callable[[], T]) -> T:
    for wait in WAITS:
        try:
            return call()
        except OSError as error:
            if isinstance(error, ReplacedError) or not is_transient(error):
                raise
        time.sleep(wait)
    return call()


def _identity(descriptor: int) -> tuple[int, int, int, int]:
    status = os.fstat(descriptor)
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
