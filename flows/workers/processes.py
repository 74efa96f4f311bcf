"""Worker processes of this machine: started, looked after and ended by whoever needs them.

Prefect's workers take runs from a pool and carry each out in a process of its own. They end with the thread
that started them, so one thread starts all of them, and lives as long as they are needed.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from flows.runtime.children import start_child, stop_children
from flows.runtime.logs import keep_short
from flows.runtime.own_server import server_home
from flows.workers.posts import Post
from flows.workers.worker import MODULE as WORKER
from pst_core.cores import inherited_environment
from pst_core.errors import StoreError
from pst_core.network.finder import DEEPLAB_ENVIRONMENT, MODEL_ENVIRONMENT
from pst_core.network.identity import ENVIRONMENT as WEIGHTS
from pst_core.quality.models import ENVIRONMENT as QUALITY_MODELS
from pst_core.store import pst_home
from pst_core.store.locks import flock_file, unlock_file

STOP_SECONDS = 40.0
"""What a run gets to reach a safe point."""
LOOK_SECONDS = 0.5
ENDING_SECONDS = 2.0
"""What a run gets to end that said what its machine lacks."""
REFUSAL_SECONDS = 60.0
"""How long a worker rests whose machine lacks something."""
LONGEST_PAUSE = 60.0
_PREFIX, _LOCK = "workers-", "lock"
_FILES = (WEIGHTS, DEEPLAB_ENVIRONMENT, MODEL_ENVIRONMENT, QUALITY_MODELS)
REFUSAL = "PST_WORKER_REFUSAL"
"""Names the file in which a run says what this machine lacks for it."""
_PREFECT = {
    "PREFECT_WORKER_QUERY_SECONDS": "2",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    # So that runs outlast a server that is started anew, or whose database is: two minutes in all, for each
    # pause is twice the last one, and meanwhile a worker takes no work.
    "PREFECT_CLIENT_MAX_RETRIES": "6",
    "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500",
}


@dataclass
class _Worker:
    """A worker as it is looked after."""

    post: Post
    process: "subprocess.Popen[bytes] | None" = None
    started: float = 0.0
    failures: int = 0
    refused: float | None = None
    rests_until: float = 0.0


class WorkerProcesses:
    """Workers of one pool, one at each post, while the block runs.

    Parameters
    ----------
    pool
        The work pool that they take runs from.
    posts
        Where they stand.
    limit
        How many runs each of them has at work at once.
    tell
        Called, in another thread, with a sentence whenever something happens to one of them.

    Raises
    ------
    StoreError
        Their folder cannot be used, or a process cannot be started.
    """

    def __init__(
        self, pool: str, posts: Sequence[Post], *, limit: int = 1, tell: Callable[[str], None] = print
    ) -> None:
        self.pool, self.limit, self.tell = pool, limit, tell
        self._folder: Path  # there as long as they are
        self._soundly = True
        self._workers = [_Worker(post) for post in posts]
        self._settings: dict[str, str] = {}
        self._ending, self._begun = threading.Event(), threading.Event()
        self._trouble: OSError | StoreError | None = None
        self._thread = threading.Thread(target=self._look_after, name=f"workers of {pool}", daemon=True)

    def __enter__(self) -> Self:
        """Start them."""
        from prefect.settings import get_current_settings

        self._settings = get_current_settings().to_environment_variables(exclude_unset=True)
        self._thread.start()
        self._begun.wait()
        if self._trouble is not None:
            self._thread.join()
            raise StoreError(
                f"Workers cannot be started ({self._trouble}): free some memory or disk, or set PST_HOME to "
                "another folder."
            ) from self._trouble
        return self

    def __exit__(self, *details: object) -> None:
        """End them: what they have at work stops at its next safe point."""
        self._ending.set()
        self._thread.join()

    @property
    def processes(self) -> tuple["subprocess.Popen[bytes]", ...]:
        """Those that run."""
        there = (worker.process for worker in self._workers)
        return tuple(process for process in there if process is not None and process.poll() is None)

    def _look_after(self) -> None:
        try:
            with _own_folder(left=lambda: not self._soundly) as self._folder:
                try:
                    for worker in self._workers:
                        self._start(worker)
                    self._begun.set()
                    self._look_until_the_end()
                finally:
                    stop_children(self.processes, STOP_SECONDS)
        except (OSError, StoreError) as error:
            self._trouble = error
        finally:
            self._begun.set()

    def _look_until_the_end(self) -> None:
        while not self._ending.wait(LOOK_SECONDS):
            for worker in self._workers:
                with contextlib.suppress(OSError):  # the next look tries again
                    self._look_at(worker)
                keep_short(self._log(worker.post))

    def _look_at(self, worker: _Worker) -> None:
        now = time.monotonic()
        if worker.process is None:
            if now >= worker.rests_until:
                self._start(worker)
            return
        if worker.refused is None and self._refusal_file(worker.post).exists():
            worker.refused = now
        if worker.refused is not None and now - worker.refused > ENDING_SECONDS:
            said = self._refusal_file(worker.post).read_text("utf-8", "replace").strip()
            self.tell(f"Worker {worker.post.name} takes no work for {REFUSAL_SECONDS:.0f} s: {said}")
            stop_children([worker.process], STOP_SECONDS)
            worker.process, worker.rests_until = None, now + REFUSAL_SECONDS
        elif (status := worker.process.poll()) is not None:
            worker.failures = 1 if now - worker.started > LONGEST_PAUSE else worker.failures + 1
            pause = min(2.0 ** (worker.failures - 1), LONGEST_PAUSE)
            worker.process, worker.rests_until, self._soundly = None, now + pause, False
            self.tell(
                f"Worker {worker.post.name} ended by itself (status {status}; {self._log(worker.post)} says "
                f"more): it is started again in {pause:.0f} s."
            )

    def _start(self, worker: _Worker) -> None:
        post = worker.post
        self._refusal_file(post).unlink(missing_ok=True)
        worker.process = start_child(
            ["-m", WORKER, "--pool", self.pool, "--name", post.name, "--limit", str(self.limit)],
            environment=self._environment(post), folder=self._folder, log=self._log(post),
        )  # fmt: skip
        worker.started, worker.refused = time.monotonic(), None

    def _environment(self, post: Post) -> dict[str, str]:
        # The runs' command is `python`: let that be this one.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        ours = {"PATH": path, REFUSAL: str(self._refusal_file(post))}
        given = {name: os.environ.get(name, value) for name, value in _PREFECT.items()}
        inherited = {**inherited_environment(), **_files_seen_from_anywhere()}
        return {**inherited, **given, **self._settings, **post.environment, **ours}

    def _refusal_file(self, post: Post) -> Path:
        return self._folder / f"{post.name}.refusal"

    def _log(self, post: Post) -> Path:
        return self._folder / f"{post.name}.log"


def _files_seen_from_anywhere() -> dict[str, str]:
    """The variables that name files: workers stand in a folder of their own."""
    given = {name: Path(value) for name in _FILES if (value := os.environ.get(name))}
    found = {name: str(path.absolute()) for name, path in given.items() if path.exists()}
    return {**found, "PST_HOME": str(pst_home())}


@contextlib.contextmanager
def _own_folder(left: Callable[[], bool]) -> Iterator[Path]:
    """A folder for what workers print and refuse; it may be left to be looked at, until others begin."""
    home = server_home().absolute()
    home.mkdir(parents=True, exist_ok=True)
    _remove_left_folders(home)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=home))
    lock = flock_file(folder / _LOCK, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        unlock_file(lock)
        if not left():
            shutil.rmtree(folder, ignore_errors=True)


def _remove_left_folders(home: Path) -> None:
    """Remove what workers left whose process was killed, or that had trouble."""
    for folder in home.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError, StoreError):  # somebody's that is at work, or is just beginning
            unlock_file(flock_file(folder / _LOCK, fcntl.LOCK_EX | fcntl.LOCK_NB, create=False))
            shutil.rmtree(folder, ignore_errors=True)
