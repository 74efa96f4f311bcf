"""A Prefect server of our own, for a run that none is configured for.

The server that Prefect itself embeds takes longer to start, loses the last steps' history at the end, and
outlives a killed run; this one is Prefect's usual server, started for the run, seen by this machine only, and
ended with it by the kernel. It takes nothing from the environment or the current folder that is meant for
another server; its history is a convenience: where that cannot be used, a new one is begun.
"""

import contextlib
import fcntl
import itertools
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from flows.runtime import prefect_server
from flows.runtime.children import start_child, stop_children
from flows.runtime.history import set_aside, set_aside_if_damaged
from flows.runtime.settings import QUIET
from pst_core.errors import OutputError, PstError
from pst_core.files import write_bytes_atomically
from pst_core.store import pst_home
from pst_core.store.locks import flock_file, unlock_file
from pst_core.store.mounts import locks_of

START_SECONDS = 120.0
STOP_SECONDS = 15.0
ANSWER_SECONDS = 10.0
SEND_SECONDS = 10.0
CERTIFICATE = "certificate.pem"
NICENESS = 10
"""Its bookkeeping can wait; the optimisation's threads wait for one another."""
# Nothing leaves the machine, and nothing runs that a single batch does not need.
_SERVER = QUIET | {
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "2",
    "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_FOREMAN_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "false",
    "PREFECT_SERVER_API_HOST": "127.0.0.1",
    # Both as seen from the folder that it stands in: in a URL, characters of a path have meanings.
    "PREFECT_HOME": ".",
    "PREFECT_SERVER_DATABASE_CONNECTION_URL": "sqlite+aiosqlite:///prefect.db",
    "PYTHONSAFEPATH": "1",
}
# Variables with a meaning to what serves Prefect's pages, set for other programs' servers.
_FOREIGN = ("WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS")


class ServerError(PstError):
    """Prefect's server cannot be reached or started."""


class _EndedError(ServerError):
    """The server ended by itself before it answered."""


@contextlib.contextmanager
def own_server() -> Iterator[str]:
    """Have a server of our own while the block runs.

    Yields
    ------
    str
        The address of its UI.

    Raises
    ------
    ServerError
        It does not start.
    """
    with _free_home() as home:
        process, address = _started(home)
        try:
            try:
                yield address
            finally:
                _send_what_is_left()
        finally:
            stop_children([process], STOP_SECONDS)


def server_home() -> Path:
    """The folder for everything of a user's servers: another user may not write their databases."""
    return pst_home() / "prefect" / str(os.geteuid())


@contextlib.contextmanager
def _free_home() -> Iterator[Path]:
    """A folder for the server's history that no other run uses now: mostly the first."""
    homes = server_home()
    if locks_of(homes).reach != "everybody":  # another machine's run would not be seen to use one
        homes /= socket.gethostname()
    for number in itertools.count(1):
        home = homes / str(number)
        try:
            lock = flock_file(home / "lock", fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        try:
            yield home
        finally:
            unlock_file(lock)
        return


def _started(home: Path) -> tuple["subprocess.Popen[bytes]", str]:
    """A server that answers, and its address; with a new history if it does not start with the old one."""
    try:
        set_aside_if_damaged(home)
        try:
            return _start_and_wait(home)
        except _EndedError:
            if not set_aside(home, "a server could not start with it"):
                raise
            return _start_and_wait(home)
    except OSError as error:
        raise _unusable(home, error) from error


def _unusable(home: Path, error: OSError) -> ServerError:
    return ServerError(
        f"{home} cannot be used ({error.strerror}): free it, or set PST_HOME to another folder."
    )


def _start_and_wait(home: Path) -> tuple["subprocess.Popen[bytes]", str]:
    log, address = home / "server.log", f"http://127.0.0.1:{_free_port()}"
    process = _start(home, log, address)
    try:
        wait_until_it_answers(process, address, log)
    except BaseException:
        stop_children([process], STOP_SECONDS)
        raise
    return process, address


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment_of(address: str) -> dict[str, str]:
    """What the server finds in its environment: ours, but for what is meant for other servers.

    Parameters
    ----------
    address
        Its own, as a URL.
    """
    ours = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith("PREFECT_") and name not in _FOREIGN
    }
    return ours | _SERVER | {
        "PREFECT_SERVER_API_PORT": address.rpartition(":")[2],
        "PREFECT_API_URL": f"{address}/api",  # which its UI calls
    }  # fmt: skip


def _start(home: Path, log: Path, address: str) -> "subprocess.Popen[bytes]":
    port = address.rpartition(":")[2]
    try:
        return start_child(
            ["-m", prefect_server.MODULE, "server", "start", "--host", "127.0.0.1", "--port", port],
            environment=environment_of(address), folder=home, log=log, niceness=NICENESS,
        )  # fmt: skip
    except OSError as error:
        raise ServerError(
            f"Prefect's server cannot be started ({error}): free some memory or disk."
        ) from error


def wait_until_it_answers(process: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    """Wait for the first answer of a server that was just started.

    Raises
    ------
    ServerError
        It ended, or gives none.
    """
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise _EndedError(f"Prefect's server did not start: {log} says why.")
        if answers(address, patience=2):
            return
        time.sleep(0.1)
    raise ServerError(f"Prefect's server did not answer within {START_SECONDS:.0f} s: {log} says why.")


def answers(address: str, patience: float = ANSWER_SECONDS) -> bool:
    """Whether a Prefect server of this machine is well; asked past all proxies.

    Parameters
    ----------
    address
        Of its UI.
    patience
        Seconds within which it must say so.
    """
    import httpx

    with contextlib.suppress(httpx.HTTPError), httpx.Client(trust_env=False, timeout=patience) as client:
        return client.get(f"{address}/api/health").status_code == httpx.codes.OK
    return False


def least_certificates() -> str | None:
    """A file of one certificate for Prefect's clients, which read one also where nothing is encrypted.

    The usual one holds all authorities of the world: 14 ms for each client, of which every pair makes one.

    Returns
    -------
    str or None
        Where it lies; None where it cannot be written, and the usual one serves.
    """
    import certifi

    path = server_home() / CERTIFICATE
    first, end, _ = certifi.contents().partition("-----END CERTIFICATE-----\n")
    try:
        write_bytes_atomically(path, f"{first}{end}".encode(), overwrite=True, durable=False)
    except OutputError:
        return None
    return str(path)


def _send_what_is_left() -> None:
    """Let the last log lines and the last steps' history reach the server before it ends."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for worker in (APILogWorker, EventsWorker):
        worker.drain_all(timeout=SEND_SECONDS)
