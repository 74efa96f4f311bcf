"""Prefect's settings for this program, and a server of its own where none is configured.

The server that Prefect itself embeds takes longer to start, loses the last steps' history at the end, and
outlives a killed run; this one is Prefect's usual server, started for the run, seen by this machine only, and
ended with it by the kernel.
"""

import contextlib
import fcntl
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pst_core.errors import PstError
from pst_core.store import pst_home
from pst_core.store.locks import flock_file, unlock_file

START_SECONDS = 120.0
STOP_SECONDS = 15.0
SEND_SECONDS = 10.0
ANSWER_SECONDS = 10.0
# Of the server: nothing leaves the machine, and nothing runs that a single batch does not need.
_SERVER = {
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "2",
    "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_FOREMAN_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "false",
}
# Lets the kernel end the server when the run ends, however it ends; other systems than Linux lack this. And
# keeps it polite: its bookkeeping can wait, the optimisation's threads wait for one another.
_DIE_WITH_PARENT = f"""
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, {int(signal.SIGKILL)})
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
os.nice(10)
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""
_QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # Errors are told in sentences; Prefect's own lines are in its UI.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_CLIENT_MAX_RETRIES": "2",
}


class ServerError(PstError):
    """Prefect's server cannot be reached or started."""


def is_server_loss(error: BaseException) -> bool:
    """Whether Prefect's server stopped answering: no fault of what ran, and what was finished is kept."""
    module = type(error).__module__.partition(".")[0]
    return module in ("httpx", "httpcore", "websockets") or type(error).__name__ == "PrefectHTTPStatusError"


def prepare_environment() -> None:
    """Set what Prefect reads when it is imported; what a user has set stays."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)


@contextlib.contextmanager
def prefect_server(*, own: bool = False) -> Iterator[str]:
    """Have a server while the block runs: the configured one, or else one of our own.

    Parameters
    ----------
    own
        Start one of our own even where one is configured.

    Yields
    ------
    str
        The address of its UI.

    Raises
    ------
    ServerError
        The configured server does not answer, or ours does not start.
    """
    prepare_environment()
    from prefect.settings import PREFECT_API_URL, temporary_settings

    url = None if own else PREFECT_API_URL.value()
    if url is not None:
        _check_answers(url)
        yield url.removesuffix("/api")
        return
    with _own_server() as address, temporary_settings({PREFECT_API_URL: f"{address}/api"}):
        yield address


def _check_answers(url: str) -> None:
    import httpx

    try:
        httpx.get(f"{url.rstrip('/')}/health", timeout=ANSWER_SECONDS)
    except httpx.HTTPError as error:
        raise ServerError(
            f"No Prefect server answers at {url}: start it (prefect server start), or unset PREFECT_API_URL "
            "to do without."
        ) from error


@contextlib.contextmanager
def _own_server() -> Iterator[str]:
    with _free_home() as home:
        log = home / "server.log"
        address = f"http://127.0.0.1:{_free_port()}"
        process = _start(home, log, address)
        try:
            _wait(process, address, log)
            try:
                yield address
            finally:
                _send_what_is_left()
        finally:
            _stop(process)


def server_home() -> Path:
    """The folder for everything of a user's servers: another user may not write their databases."""
    return pst_home() / "prefect" / str(os.geteuid())


@contextlib.contextmanager
def _free_home() -> Iterator[Path]:
    """A folder for the server's history that no other run uses now: mostly the first."""
    for number in itertools.count(1):
        home = server_home() / str(number)
        try:
            lock = flock_file(home / "lock", fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        try:
            yield home
        finally:
            unlock_file(lock)
        return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start(home: Path, log: Path, address: str) -> "subprocess.Popen[bytes]":
    port = address.rpartition(":")[2]
    command = [
        sys.executable, "-c", _DIE_WITH_PARENT, str(os.getpid()),
        "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", port,
    ]  # fmt: skip
    environment = (
        os.environ
        | _SERVER
        | {
            "PREFECT_HOME": str(home),
            "PREFECT_SERVER_API_HOST": "127.0.0.1",
            "PREFECT_SERVER_API_PORT": port,
            "PREFECT_API_URL": f"{address}/api",  # which its UI calls
        }
    )
    try:
        with log.open("wb") as output:
            return subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip
    except OSError as error:
        raise ServerError(
            f"Prefect's server cannot be started ({error}): free some memory or disk."
        ) from error


def _wait(process: "subprocess.Popen[bytes]", address: str, log: Path) -> None:
    import httpx

    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise ServerError(f"Prefect's server did not start: {log} says why.")
        try:
            if httpx.get(f"{address}/api/health", timeout=2).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise ServerError(f"Prefect's server did not answer within {START_SECONDS:.0f} s: {log} says why.")


def _send_what_is_left() -> None:
    """Let the last log lines and the last steps' history reach the server before it ends."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for worker in (APILogWorker, EventsWorker):
        worker.drain_all(timeout=SEND_SECONDS)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
