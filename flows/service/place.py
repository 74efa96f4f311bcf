"""Where the lasting service keeps what is its own, and that a store has only one of it."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from socket import gethostname

from pydantic import BaseModel, ConfigDict, ValidationError

from flows.runtime.own_server import server_home
from pst_core.errors import PstError
from pst_core.store import pst_home
from pst_core.store.locks import flock_file, unlock_file

_TRIES, _PAUSE = 5, 0.2
_LONGEST = 4096


class ServiceError(PstError):
    """The service cannot be started, or joined, as things are."""


class Keeper(BaseModel):
    """Who serves a store.

    Attributes
    ----------
    host : str
    process : int
    address : str
        Of its UI.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    process: int
    address: str


def service_home() -> Path:
    """The folder of the service's server: its history, its leases, its log."""
    return server_home() / "service"


@contextlib.contextmanager
def keeping_the_store(address: str) -> Iterator[None]:
    """Be the one service of this store while the block runs.

    Parameters
    ----------
    address
        Of its UI, told to whoever asks.

    Raises
    ------
    ServiceError
        Another service keeps it.
    """
    lock = _lock()
    keeper = Keeper(host=gethostname(), process=os.getpid(), address=address)
    try:
        with contextlib.suppress(OSError):  # another user's file: whoever asks is told less
            os.ftruncate(lock, 0)
            os.pwrite(lock, keeper.model_dump_json().encode(), 0)
        yield
    finally:
        unlock_file(lock)


def find_keeper() -> Keeper | None:
    """Who serves this store now; None if nobody does, or it cannot be told."""
    if not _lock_path().is_file():
        return None
    try:
        unlock_file(flock_file(_lock_path(), fcntl.LOCK_SH | fcntl.LOCK_NB))
    except BlockingIOError:
        with contextlib.suppress(OSError, ValidationError):
            return Keeper.model_validate_json(_lock_path().read_bytes()[:_LONGEST])
    return None


def _lock() -> int:
    for _ in range(_TRIES):  # whoever asks holds the lock for a moment, too
        with contextlib.suppress(BlockingIOError):
            return flock_file(_lock_path(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(_PAUSE)
    keeper = find_keeper()
    who = f"process {keeper.process} on {keeper.host}, at {keeper.address}" if keeper else "of another user"
    raise ServiceError(
        f"A service ({who}) keeps the store {pst_home()} already: end that one, or set PST_HOME to another "
        "folder; pst worker joins workers to it."
    )


def _lock_path() -> Path:
    return pst_home() / "prefect" / "service.lock"
