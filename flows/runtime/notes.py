"""Notes of the runs at work, by which anybody who shares the store can tell a dead run from a long one.

A note is a file that the kernel holds locked for the process of its run: one that nobody holds is a dead
run's. It gets its name when it is written, locked and on the disk, so that no note is ever empty, not even
after a power cut.
"""

import contextlib
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from pst_core.errors import StoreError
from pst_core.files import sync_folder
from pst_core.store import pst_home
from pst_core.store.locks import flock_file, is_named, unlock_file

_NAMES = "*-*-*-*-*"
_MAX_BYTES = 2**16
_TAKE_OVER_SECONDS = 30.0
_KEPT_SECONDS = 30 * 86400.0


class Note(BaseModel):
    """What a run says about itself.

    Attributes
    ----------
    run
        The flow run's id.
    attempt
        How often this run was begun, counting this time: one that crashed may be begun again.
    url
        Of the server's API, as the run's machine calls it.
    host
        Name of that machine.
    """

    model_config = ConfigDict(frozen=True)

    run: UUID
    attempt: int
    url: str
    host: str


@contextlib.contextmanager
def held_note(note: Note) -> Iterator[None]:
    """Hold a run's note while the block runs, in place of one that its last attempt left.

    Where that cannot be, the run goes without.
    """
    descriptor = None
    with contextlib.suppress(OSError, StoreError):
        descriptor = _leave(note)
    try:
        yield
    finally:
        if descriptor is not None:
            with contextlib.suppress(OSError):
                if is_named(descriptor, _path_of(note.run)):
                    _path_of(note.run).unlink()
            unlock_file(descriptor)


def dead_runs() -> Iterator[Note]:
    """Notes of dead runs, each kept from being taken over while it is looked at."""
    for path in sorted(_folder().glob(_NAMES)):
        with _unheld(path) as note:
            if note is not None:
                yield note


def is_running(run: UUID) -> bool | None:
    """Tell by its note's lock whether a run's process lives; None if it left none that can be looked at."""
    try:
        unlock_file(flock_file(_path_of(run), fcntl.LOCK_SH | fcntl.LOCK_NB, create=False))
    except BlockingIOError:
        return True
    except (OSError, StoreError):
        return None
    return False


def forget(run: UUID) -> None:
    """Take a dead run's note away; where that may not be, it stays."""
    with contextlib.suppress(OSError):
        _path_of(run).unlink()


def is_old(run: UUID) -> bool:
    """Whether a run left its note so long ago that its server will hardly come back to hear of it."""
    with contextlib.suppress(OSError):
        return time.time() - _path_of(run).stat().st_mtime > _KEPT_SECONDS
    return False


def _folder() -> Path:
    # Beside the servers' folders, a user's own each: of a run anybody may tell who shares the store.
    return pst_home() / "prefect" / "running"


def _path_of(run: UUID) -> Path:
    return _folder() / str(run)


def _leave(note: Note) -> int:
    """Write a note and return the descriptor that holds it."""
    path = _path_of(note.run)
    temporary = path.with_name(f".pst-{secrets.token_hex(8)}.tmp")
    descriptor = flock_file(temporary, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        os.write(descriptor, note.model_dump_json().encode())
        os.fsync(descriptor)
        with _nobody_looking_at(path):
            temporary.rename(path)
        sync_folder(path.parent)
    except BaseException:
        unlock_file(descriptor)
        temporary.unlink(missing_ok=True)
        raise
    return descriptor


@contextlib.contextmanager
def _nobody_looking_at(path: Path) -> Iterator[None]:
    """Wait for those who tell the server of this run's last attempt: they must not tell of this one."""
    until = time.monotonic() + _TAKE_OVER_SECONDS
    while True:
        try:
            descriptor = flock_file(path, fcntl.LOCK_EX | fcntl.LOCK_NB, create=False)
        except FileNotFoundError:
            yield
            return
        except BlockingIOError:
            if time.monotonic() > until:  # a twin of this run lives
                raise
            time.sleep(0.1)
            continue
        try:
            yield
        finally:
            unlock_file(descriptor)
        return


@contextlib.contextmanager
def _unheld(path: Path) -> Iterator[Note | None]:
    """What a note says that nobody holds, kept so meanwhile; None if somebody holds it, or it is none."""
    note = descriptor = None
    with contextlib.suppress(OSError, StoreError, ValueError):
        # Shared: whoever else looks at it just now is not taken for its run.
        descriptor = flock_file(path, fcntl.LOCK_SH | fcntl.LOCK_NB, create=False)
        note = Note.model_validate_json(os.pread(descriptor, _MAX_BYTES, 0))
    try:
        yield note if note is not None and str(note.run) == path.name else None
    finally:
        if descriptor is not None:
            unlock_file(descriptor)
