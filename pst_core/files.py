"""Files that appear whole or not at all, and that survive a power cut where they are to."""

import contextlib
import ctypes
import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from pst_core.errors import OutputError
from pst_core.owners import describe_owner, nearest_there_is

# What a file system answers that knows no hard links (FAT, many network and FUSE mounts), or forbids them.
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EINVAL}
# What some network and FUSE mounts answer to fsync on a folder: they have no such operation to offer.
_NO_FOLDER_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF, errno.ENOSYS}

COARSEST_CLOCK_NS = 2 * 10**9
"""File systems tell times apart by up to two seconds (FAT): a file changed so recently may change once more
without a sign of it, so that what was read of it is not to be remembered. Only disks of the machine's own are
that coarse, and their times are of its own clock; file servers, whose clock may differ, tell milliseconds."""
_WAYS_OUT = {
    errno.ENOSPC: "the disk is full; free some space or choose another folder",
    errno.EDQUOT: "your disk quota is used up; free some space or choose another folder",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.ENOTDIR: "a file stands in the place of a folder; move that file or choose another folder",
    errno.EEXIST: "a file stands in the place of a folder; move that file or choose another folder",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
    errno.EISDIR: "a folder of that name is in the way; choose another name",
    errno.EIO: "the disk reported an input/output error; check the disk or choose another folder",
}


@dataclass
class _Names:
    """Names that are still to be forced to the disk."""

    folders: dict[Path, None] = field(default_factory=dict)  # in the order in which they were written to
    new_files: list[Path] = field(default_factory=list)


_held_back: ContextVar[_Names | None] = ContextVar("_held_back", default=None)


def write_bytes_atomically(
    path: str | os.PathLike[str], data: bytes, *, overwrite: bool = False, durable: bool = True
) -> None:
    """Write a file so that other programs see all of it or none of it.

    The bytes go to a temporary file in the same folder (its name starts with ``.`` and ends with ``.tmp``),
    are forced to the disk, and only then get their name, which is forced there, too. Missing folders are
    created.

    Parameters
    ----------
    path
        The file to write. Where it is a symbolic link and `overwrite` is set, the link itself is replaced.
    data
        The whole content, in bytes.
    overwrite
        Replace an existing file. Without it an existing file is never touched, not even by a race.
    durable
        Force bytes and names to the disk. Without that a power cut may leave no file, or one that is empty,
        cut short or full of zeros: only for what is verified whenever it is read, and can be made anew.

    Raises
    ------
    OutputError
        The file exists and `overwrite` is not set, or it cannot be written. Nothing new is left behind.
    """
    write_atomically(path, lambda file: file.write(data), overwrite=overwrite, durable=durable)


def write_atomically(
    path: str | os.PathLike[str],
    write: Callable[[BinaryIO], object],
    *,
    overwrite: bool = False,
    durable: bool = True,
) -> None:
    """Write a file as `write_bytes_atomically` does, part by part: of a long one not all is held at once.

    Parameters
    ----------
    write
        Called with the file to write to; what it raises is raised, and nothing new is left behind.
    """
    target = Path(path)
    with _failing_as_output_error(target):
        if os.path.isdir(target):  # noqa: PTH112 - Path.is_dir swallows names that cannot exist
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not overwrite:
            _refuse_existing(target)
        _make_folder(target.parent, durable=durable)
        with _temporary_file(target.parent, write, durable=durable) as temporary:
            _publish(temporary, target, overwrite=overwrite, durable=durable)


@contextlib.contextmanager
def names_synced_together() -> Iterator[None]:
    """Force the names of what the block writes to the disk as it ends: a folder once, however many files.

    Bytes are on the disk before they get a name, as ever; a block that fails forces no names.

    Raises
    ------
    OutputError
        The disk did not take the names. New files are gone again; those that replaced others stay.
    """
    names = _Names()
    token = _held_back.set(names)
    try:
        yield
    finally:
        _held_back.reset(token)
    for folder in names.folders:
        try:
            sync_folder(folder)
        except OutputError:
            for file in names.new_files:
                with contextlib.suppress(OSError):
                    file.unlink()
            raise


def check_writable(folder: str | os.PathLike[str]) -> None:
    """Find out before long work starts whether results can be written into a folder.

    The folder is created if it is missing, and a small temporary file is written and removed.

    Raises
    ------
    OutputError
        The folder cannot be created, or no file can be written in it.
    """
    place = Path(folder)
    with _failing_as_output_error(place):
        _make_folder(place)
        with _temporary_file(
            place, lambda file: file.write(b"disks take names and have no room for bytes\n")
        ):
            pass


def check_nameable(path: str | os.PathLike[str]) -> None:
    """Find out before long work starts whether a file may have a name; nothing is made.

    Raises
    ------
    OutputError
        A folder has that name, no file can have it, or it cannot be looked at.
    """
    target = Path(path)
    with _failing_as_output_error(target), contextlib.suppress(FileNotFoundError, NotADirectoryError):
        if stat.S_ISDIR(target.stat().st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))


def sync_folder(folder: str | os.PathLike[str]) -> None:
    """Force the names in a folder to the disk, for files that another process may have named just now.

    Raises
    ------
    OutputError
        The disk did not take them: treat the files as not written.
    """
    place = Path(folder)
    with _failing_as_output_error(place):
        _sync_folder(place)


def sync_file_system(folder: str | os.PathLike[str]) -> None:
    """Force to the disk whatever has been written to the file system that a folder lies on, in one call.

    Raises
    ------
    OutputError
        The disk did not take all of it.
    """
    place = Path(folder)
    with _failing_as_output_error(place):
        descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _syncfs(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _failing_as_output_error(path: Path) -> Iterator[None]:
    """Turn the system's errors into one sentence that names `path` and the way out."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path} could not be written: {_way_out(path, error)}.") from error
    except ValueError as error:
        if _can_be_named(path):
            raise
        raise OutputError(f"{str(path)!r} is not a name a file can have; choose another one.") from error


def _can_be_named(path: Path) -> bool:
    """Whether a name has neither a NUL nor a character the file system's encoding has no bytes for."""
    try:
        return b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        return False


def _way_out(path: Path, error: OSError) -> str:
    if isinstance(error, PermissionError):
        found = nearest_there_is(path if os.path.isdir(path) else path.parent)  # noqa: PTH112
        whose = f"{'it' if found == path else found} {describe_owner(found)}"
        return f"{whose}, and you may not write there; change the permissions or choose another folder"
    return _WAYS_OUT.get(error.errno or 0, f"{error.strerror or error}; choose another place")


def _refuse_existing(target: Path) -> None:
    if os.path.lexists(target):
        raise OutputError(f"{target} exists already; choose another name or allow it to be overwritten.")


def _make_folder(folder: Path, *, durable: bool = True) -> None:
    """Create `folder` and its missing parents, their names forced to the disk where they are durable."""
    if os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir swallows names that cannot exist
        return
    _make_folder(folder.parent, durable=durable)
    try:
        folder.mkdir()
    except FileExistsError:
        if not folder.is_dir():  # else another process was quicker, which is fine
            raise
    if durable:
        _sync_names(folder.parent)


@contextlib.contextmanager
def _temporary_file(
    folder: Path, write: Callable[[BinaryIO], object], *, durable: bool = True
) -> Iterator[Path]:
    """A new file, its bytes on the disk if it is durable; it is gone afterwards, unless it was renamed."""
    path = folder / f".pst-{secrets.token_hex(8)}.tmp"
    try:
        # O_EXCL: never follow a link somebody left under this name. 0o666: the umask decides.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        with os.fdopen(descriptor, "wb") as file:
            write(file)
            file.flush()
            if durable:
                os.fsync(descriptor)
        yield path
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


def _publish(temporary: Path, target: Path, *, overwrite: bool, durable: bool) -> None:
    """Give the finished temporary its name, and force the name to the disk if it is to be durable."""
    if overwrite:
        os.replace(temporary, target)  # noqa: PTH105
    else:
        _name_without_replacing(temporary, target)
    if not durable:
        return
    try:
        _sync_names(target.parent, None if overwrite else target)
    except OSError:
        if not overwrite:
            target.unlink(missing_ok=True)  # it is ours, and the caller is told that it was not written
        raise


def _name_without_replacing(temporary: Path, target: Path) -> None:
    """Rename, but fail where the target exists: `os.rename` would silently replace it."""
    try:
        os.link(temporary, target)
        return
    except FileExistsError:
        _refuse_existing(target)
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
    _reserve_and_replace(temporary, target)


def _reserve_and_replace(temporary: Path, target: Path) -> None:
    """Do without hard links: claim the name with an empty file, which fails if it exists, then replace it."""
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
    except FileExistsError:
        _refuse_existing(target)
        raise
    try:
        os.replace(temporary, target)  # noqa: PTH105
    except OSError:
        target.unlink(missing_ok=True)
        raise


def _sync_names(folder: Path, new_file: Path | None = None) -> None:
    """Force the names in a folder to the disk, now or at the end of `names_synced_together`."""
    names = _held_back.get()
    if names is None:
        _sync_folder(folder)
        return
    names.folders[folder] = None
    if new_file is not None:
        names.new_files.append(new_file)


def _syncfs(descriptor: int) -> None:
    """Linux's call; other systems only know one for all their file systems."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if call is None:
        os.sync()
    elif call(descriptor) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)
