"""The service's own Prefect server: a child that is started anew when it ends or no longer answers.

Unlike a run's own server it takes what the environment sets for servers (``PREFECT_SERVER_...``), but for
what the service depends on.
"""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from flows.runtime import prefect_server
from flows.runtime.children import start_child, stop_children
from flows.runtime.logs import keep_short, put_aside
from flows.runtime.own_server import STOP_SECONDS, answers, wait_until_it_answers
from flows.runtime.settings import QUIET
from flows.service.database import Database
from flows.service.place import ServiceError
from flows.service.settings import ServiceSettings

LOG = "server.log"
SILENT_LOOKS = 4
"""After so many looks without an answer a server that runs is started anew."""
_DAY = 24 * 3600
# A user's own values go before these.
_PREFERRED = QUIET | {
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "2",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    # As seen from the page, so that it works through tunnels and published ports.
    "PREFECT_SERVER_UI_API_URL": "/api",
}
# What the service depends on.
_FIXED = {
    "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "true",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "true",
    "PREFECT_SERVER_SERVICES_FOREMAN_ENABLED": "true",
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "true",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "true",
    "PREFECT_SERVER_SERVICES_REPOSSESSOR_ENABLED": "true",
    "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_ENABLED": "true",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_SERVER_DATABASE_MIGRATE_ON_START": "false",  # it was brought up to date before
    # In memory, the default, slots are held for ever by runs whose server was killed.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    # Both as seen from the folder that it stands in: in a URL, characters of a path have meanings.
    "PREFECT_HOME": ".",
    "PREFECT_SERVER_UI_STATIC_DIRECTORY": "ui",
    "PYTHONSAFEPATH": "1",
}
# With a meaning to what serves Prefect's pages, or for clients alone.
_FOREIGN = ("WEB_CONCURRENCY", "PREFECT_PROFILE", "PREFECT_PROFILES_PATH")


class LastingServer:
    """A server that answers while the block runs.

    Parameters
    ----------
    home
        Its folder.
    tell
        Told when it had to be started anew.

    Raises
    ------
    ServiceError
        Its port is taken.
    ServerError
        It does not start.
    """

    def __init__(
        self, settings: ServiceSettings, database: Database, home: Path, tell: Callable[[str], None]
    ) -> None:
        self._settings, self._home, self._tell = settings, home, tell
        self._environment = environment_of_service(settings, database)
        self._silent = 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it, and wait for its first answer."""
        check_port(self._settings)
        self._start()
        return self

    def __exit__(self, *details: object) -> None:
        """Let it end in order."""
        if self._process is not None:
            stop_children([self._process], STOP_SECONDS)

    @property
    def process(self) -> int:
        """The number of its process."""
        assert self._process is not None
        return self._process.pid

    def look(self) -> None:
        """Start it anew if it ended, or if it was silent at several looks on end.

        Raises
        ------
        ServerError
            It does not start any more.
        """
        assert self._process is not None
        keep_short(self._home / LOG)
        status = self._process.poll()
        if status is not None:
            self._tell(f"Prefect's server ended by itself (status {status}): it is started again.")
        elif answers(self._settings.address):
            self._silent = 0
            return
        else:
            self._silent += 1
            if self._silent < SILENT_LOOKS:
                return
            self._tell("Prefect's server does not answer any more: it is started again.")
            stop_children([self._process], STOP_SECONDS)
        self._start()

    def _start(self) -> None:
        self._silent, log = 0, self._home / LOG
        put_aside(log)
        host, port = self._settings.host, str(self._settings.port)
        try:
            self._process = start_child(
                ["-m", prefect_server.MODULE, "server", "start", "--host", host, "--port", port],
                environment=self._environment, folder=self._home, log=log,
            )  # fmt: skip
        except OSError as error:
            raise ServiceError(
                f"Prefect's server cannot be started ({error}): free some memory or disk."
            ) from error
        try:
            wait_until_it_answers(self._process, self._settings.address, log)
        except BaseException:
            stop_children([self._process], STOP_SECONDS)
            raise


def environment_of_service(settings: ServiceSettings, database: Database) -> dict[str, str]:
    """All variables of the service's server."""
    given = {
        name: value
        for name, value in os.environ.items()
        if name.upper() not in _FOREIGN and "DATABASE_CONNECTION_URL" not in name.upper()
    }
    ours = {
        "PREFECT_SERVER_API_HOST": settings.host,
        "PREFECT_SERVER_API_PORT": str(settings.port),
        "PREFECT_API_URL": f"{settings.address}/api",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database.url,
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(settings.keep_history * _DAY),
    }
    # No other site's pages may speak to it from an operator's browser.
    closed = {"PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": settings.address}
    if settings.listens_beyond:
        closed["PREFECT_SERVER_CSRF_PROTECTION_ENABLED"] = "true"
    return _PREFERRED | closed | given | _FIXED | ours


def client_settings(settings: ServiceSettings) -> Mapping[Any, Any]:
    """How the service itself reaches its server: by nothing that is set for another one."""
    from prefect import settings as known

    password = server_password() or None
    return {
        known.PREFECT_API_URL: f"{settings.address}/api",
        known.PREFECT_API_KEY: None,
        known.PREFECT_API_AUTH_STRING: password,
        known.PREFECT_CLIENT_CUSTOM_HEADERS: {},
        known.PREFECT_CLIENT_CSRF_SUPPORT_ENABLED: True,
    }


def server_password() -> str:
    """What the server is told to ask for; empty if nothing."""
    return os.environ.get("PREFECT_SERVER_API_AUTH_STRING", "")


def check_port(settings: ServiceSettings) -> None:
    """Make sure that the server can listen where it is to.

    Raises
    ------
    ServiceError
        Something else does, or the address is not this machine's.
    """
    until = time.monotonic() + STOP_SECONDS
    while (reason := _taken(settings)) is not None:
        if time.monotonic() > until or answers(settings.address):
            raise ServiceError(
                f"The server cannot listen at {settings.host}, port {settings.port} ({reason}): end what "
                "does, or choose others with --host and --port."
            )
        time.sleep(0.5)


def _taken(settings: ServiceSettings) -> str | None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return error.strerror or str(error)
    return None
