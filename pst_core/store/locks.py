"""Locks between processes that the kernel gives back when their holder ends, however it ends."""

import contextlib
import errno
import fcntl
import os
from pathlib import Path

from pst_core.errors import StoreError
from pst_core.store.home import not_permitted

_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}


def flock_file(path: Path, operation: int) -> int:
    """Lock the file of this name, which is created if missing, and return the descriptor that holds the lock.

    The kernel releases it when the process ends, however it ends.

    Raises
    ------
    BlockingIOError
        `operation` has ``LOCK_NB`` and somebody else holds the lock.
    StoreError
        The file cannot be created or locked.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            descriptor = _open(path)
            try:
                fcntl.flock(descriptor, operation)
                if _still_named(descriptor, path):
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # somebody removed the file meanwhile: others lock the one that is there now
    except BlockingIOError:
        raise
    except PermissionError as error:
        raise not_permitted(path) from error
    except OSError as error:
        way_out = "set PST_HOME to a folder that you may write to, on a disk with room"
        if error.errno in _NO_LOCKS:
            way_out = "its file system has no locks; set PST_HOME to a folder on a local disk"
        raise StoreError(f"{path} could not be locked ({error.strerror}): {way_out}.") from error


def _open(path: Path) -> int:
    """Open a lock's file, or create it: whoever may read it can lock it, be it another user's."""
    flags = os.O_CLOEXEC | os.O_NOFOLLOW
    for attempt in (os.O_RDWR, os.O_RDONLY):
        try:
            return os.open(path, attempt | flags)
        except FileNotFoundError:
            break
        except PermissionError:
            continue  # of a network mount locks may want a file to be writable, others do not
    return os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o666)


def unlock_file(descriptor: int) -> None:
    """Give back what `flock_file` returned."""
    with contextlib.suppress(OSError):  # what was done under the lock is done, and closing it unlocks, too,
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # except where a forked child has it open as well
    os.close(descriptor)


def _still_named(descriptor: int, path: Path) -> bool:
    held = os.fstat(descriptor)
    try:
        named = os.stat(path)  # noqa: PTH116
    except FileNotFoundError:
        return False
    return (held.st_dev, held.st_ino) == (named.st_dev, named.st_ino)
