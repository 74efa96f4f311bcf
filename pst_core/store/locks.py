"""Locks between processes that the kernel gives back when their holder ends, however it ends."""

import contextlib
import errno
import fcntl
import os
from pathlib import Path

from pst_core.errors import StoreError
from pst_core.store.home import not_permitted

_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}


def flock_file(path: Path, operation: int, *, create: bool = True) -> int:
    """Lock the file of this name and return the descriptor that holds the lock.

    The kernel releases it when the process ends, however it ends.

    Parameters
    ----------
    path
        The file, which is created if it is missing.
    operation
        As for `fcntl.flock`.
    create
        Whether a missing file is created.

    Raises
    ------
    BlockingIOError
        `operation` has ``LOCK_NB`` and somebody else holds the lock.
    FileNotFoundError
        There is no file, and none is to be created.
    StoreError
        The file cannot be created or locked.
    """
    try:
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            descriptor = _open(path, create=create)
            try:
                fcntl.flock(descriptor, operation)
                if is_named(descriptor, path):
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
        if isinstance(error, FileNotFoundError) and not create:
            raise
        way_out = "set PST_HOME to a folder that you may write to, on a disk with room"
        if error.errno in _NO_LOCKS:
            way_out = "its file system has no locks; set PST_HOME to a folder on a local disk"
        raise StoreError(f"{path} could not be locked ({error.strerror}): {way_out}.") from error


def _open(path: Path, *, create: bool) -> int:
    """Open a lock's file, or create it: whoever may read it can lock it, be it another user's."""
    flags = os.O_CLOEXEC | os.O_NOFOLLOW
    for attempt in (os.O_RDWR, os.O_RDONLY):
        try:
            return os.open(path, attempt | flags)
        except FileNotFoundError:
            if not create:
                raise
            break
        except PermissionError:
            continue  # of a network mount locks may want a file to be writable, others do not
    return os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o666)


def unlock_file(descriptor: int) -> None:
    """Give back what `flock_file` returned."""
    with contextlib.suppress(OSError):  # what was done under the lock is done, and closing it unlocks, too,
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # except where a forked child has it open as well
    os.close(descriptor)


def is_named(descriptor: int, path: Path) -> bool:
    """Tell whether an open file is the one that has this name now."""
    held = os.fstat(descriptor)
    try:
        named = os.stat(path)  # noqa: PTH116
    except FileNotFoundError:
        return False
    return (held.st_dev, held.st_ino) == (named.st_dev, named.st_ino)
