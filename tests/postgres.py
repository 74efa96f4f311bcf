"""A PostgreSQL server of a test's own, from the machine's package: started, killed, started again."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

START_SECONDS = 60.0
MISSING = "PostgreSQL's server is missing: apt-get install postgresql"
USER = "pst"
_PLACES = "/usr/lib/postgresql", "/usr/pgsql", "/opt/homebrew/opt/postgresql"  # where packages put it


def find_binaries() -> Path | None:
    """The folder with ``initdb`` and ``postgres``, of the newest version; None if there is none."""
    on_path = shutil.which("initdb")
    if on_path and shutil.which("postgres"):
        return Path(on_path).resolve().parent
    found = [path.parent for place in _PLACES for path in Path(place).glob("*/bin/initdb")]
    return max(found, key=lambda path: float(path.parent.name), default=None)


def free_port() -> int:
    """A port of this machine that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Postgres:
    """A server with its data in a folder, seen by this machine only.

    Attributes
    ----------
    binaries : Path
        Folder with its programs.
    folder : Path
        What it keeps: data, sockets, log.
    port : int
    """

    binaries: Path
    folder: Path
    port: int = field(default_factory=free_port)
    _process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        """Its address, as ``pst serve --database`` takes it."""
        return f"postgresql+asyncpg://{USER}@127.0.0.1:{self.port}/postgres"

    @property
    def log(self) -> str:
        """What it said since it was made."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def processes(self) -> list[psutil.Process]:
        """The server and its helpers."""
        if self._process is None:
            return []
        try:
            server = psutil.Process(self._process.pid)
            return [server, *server.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def create(self) -> None:
        """Make the data's folder; a server run by root belongs to PostgreSQL's own user."""
        if (owner := _owner()) is not None:
            os.chown(self.folder, *owner)
        self._run("initdb", "--pgdata", str(self.folder / "data"), "--username", USER, "--auth", "trust",
                  "--encoding", "UTF8", "--no-instructions")  # fmt: skip

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [
            str(self.binaries / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port),
            "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.folder}",
        ]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                **_as_owner(),
            )  # fmt: skip
        until = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"PostgreSQL does not start:\n{self.log}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it in order, open connections included."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(START_SECONDS)

    def kill(self) -> None:
        """SIGKILL to all of it, as a power cut does."""
        processes = self.processes
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if self._process is not None:
            self._process.wait()
        psutil.wait_procs(processes, timeout=10)

    def _answers(self) -> bool:
        command = [str(self.binaries / "pg_isready"), "-h", "127.0.0.1", "-p", str(self.port),
                   "-U", USER, "-d", "postgres", "-q"]  # fmt: skip
        return subprocess.run(command, check=False).returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self.binaries / program), *arguments], capture_output=True, text=True, check=False,
            cwd=self.folder, **_as_owner(),
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stdout}{done.stderr}")


@contextlib.contextmanager
def postgres_server() -> Iterator[Postgres]:
    """Have a server with an empty database while the block runs.

    Raises
    ------
    FileNotFoundError
        PostgreSQL is not installed.
    """
    binaries = find_binaries()
    if binaries is None:
        raise FileNotFoundError(MISSING)
    with tempfile.TemporaryDirectory(prefix="pst-postgres-") as name:
        server = Postgres(binaries, Path(name))
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _owner() -> tuple[int, int] | None:
    """User and group that the server runs as, for it refuses root; None: whoever runs this."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("postgres")
    return entry.pw_uid, entry.pw_gid


def _as_owner() -> dict[str, object]:
    owner = _owner()
    return {} if owner is None else {"user": owner[0], "group": owner[1], "extra_groups": []}
