"""Batches over worker processes, for trials and tests: brought up, watched, killed by role, looked at after.

Everything that a trial starts has the trial's own ``PST_HOME`` in its environment: by that its processes are
found, whoever started them, and nobody else's are ever touched.
"""

import contextlib
import json
import os
import random
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
from batch_runs import PST, QUICK, ROOT, STAND_INS, begun_again, make_folder, repeats
from postgres import Postgres, free_port
from pyarrow import parquet

PAIRS_POOL, BATCHES_POOL = "pst", "pst-batches"
BATCH = "stylize-folder/nightly"
UP_SECONDS = 180.0
DOWN_SECONDS = 90.0
LIVE = ("SCHEDULED", "PENDING", "RUNNING", "CANCELLING", "PAUSED")
ROLES = ("shard", "worker", "batch", "server", "database", "all")
# What a database in trouble leaves in the server's log.
DATABASE_ERROR = re.compile(r"database is locked|sqlalchemy\.exc\.|asyncpg\.exceptions\.|sqlite3\.\w*Error")


@dataclass(frozen=True)
class Place:
    """A trial's folders, and what its processes find in their environment.

    Attributes
    ----------
    folder : Path
    evaluation_seconds : float, optional
        How long each evaluation of a stood-in optimisation takes; None: the steps are the real ones.
    variables : mapping
        Further ones.
    """

    folder: Path
    evaluation_seconds: float | None = None
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """The store's and everything else's."""
        return self.folder / "home"

    @property
    def log(self) -> Path:
        """Of all units of work."""
        return self.folder / "units.log"

    @property
    def environment(self) -> dict[str, str]:
        """All variables: ours without what names another server."""
        outside = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        seconds = self.evaluation_seconds
        paced = {} if seconds is None else {"PST_TEST_EVALUATION_SECONDS": str(seconds)}
        ours = {
            "PST_HOME": str(self.home), "PST_TEST_LOG": str(self.log), "PYTHONPATH": f"{STAND_INS}:{ROOT}",
            "PREFECT_HOME": str(self.folder / "prefect-home"),
        }  # fmt: skip
        return outside | ours | paced | self.variables

    def start(self, *arguments: str, **environment: str) -> "Command":
        """Start `pst` with the arguments."""
        return Command(arguments, self.environment | environment)

    def run(self, *arguments: str, timeout: float = 1800, **environment: str) -> "Command":
        """Run `pst` with the arguments to its end."""
        command = self.start(*arguments, **environment)
        command.wait(timeout)
        return command

    def processes(self) -> list[psutil.Process]:
        """Whatever lives with this home."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("PST_HOME") == str(self.home):
                    found.append(process)
        return found

    def of_role(self, role: str) -> list[psutil.Process]:
        """Processes of a role: ``shard``, ``worker``, ``batch``, ``server``, ``service``."""
        found = []
        for process in self.processes():
            with contextlib.suppress(psutil.Error):  # it ended just now
                if _role_of(process) == role:
                    found.append(process)
        return found

    def kill_all(self) -> None:
        """SIGKILL to everything at once, like a power cut."""
        while processes := self.processes():
            kill(processes)

    def vouched_for(self, out: Path) -> int:
        """How many results of a batch have a receipt of their own, which knows of no other place."""
        keys = [json.loads(path.read_text())["key"] for path in out.glob("*/report.json")]
        texts = [
            path.read_text()
            for key in {*keys}
            for path in (self.home / "store" / "receipts").rglob(f"{key}.json")
        ]
        return sum(text.count("report.json") == 1 for text in texts)


class Command:
    """`pst` at work in a process of its own; what it prints is read as it comes, with the time of it."""

    def __init__(self, arguments: Sequence[str], environment: dict[str, str]) -> None:
        self.arguments = arguments
        self.lines: list[tuple[float, str]] = []
        self.errors: list[str] = []
        self.process = subprocess.Popen(
            [*PST, *arguments], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        self._readers = [threading.Thread(target=read, daemon=True) for read in (self._read, self._hear)]
        for reader in self._readers:
            reader.start()

    @property
    def said(self) -> str:
        """Everything it printed."""
        return "".join(line for _, line in [*self.lines]) + "".join([*self.errors])

    @property
    def ended(self) -> bool:
        """Whether it has."""
        return self.process.poll() is not None

    def events(self, name: str) -> list[tuple[float, dict[str, Any]]]:
        """Events of ``--json`` by that name, with the time at which they came."""
        told = [(when, json.loads(line)) for when, line in [*self.lines] if line.startswith("{")]
        return [(when, event) for when, event in told if event["event"] == name]

    def seconds(self) -> float:
        """From the batch's begin to its last pair's end, without the start of servers and workers."""
        return self.events("pair")[-1][0] - self.events("batch")[0][0]

    def wait(self, timeout: float) -> int:
        """Its exit status; a command that does not end is killed."""
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self._close()
        return self.process.returncode

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def _close(self) -> None:
        if self.process.poll() is not None:
            for reader in self._readers:
                reader.join(5)
            for stream in (self.process.stdout, self.process.stderr):
                stream.close()

    def _read(self) -> None:
        with contextlib.suppress(ValueError):
            for line in self.process.stdout:
                self.lines.append((time.monotonic(), line))

    def _hear(self) -> None:
        with contextlib.suppress(ValueError):
            for line in self.process.stderr:
                self.errors.append(line)


class Api:
    """A Prefect server's, as its UI uses it; one that is started anew is waited for."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._client = httpx.Client(base_url=f"{address}/api/", timeout=30, trust_env=False)

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def is_up(self) -> bool:
        """Whether the server answers."""
        with contextlib.suppress(httpx.HTTPError):
            return self._client.get("health").status_code == httpx.codes.OK
        return False

    def ask(self, method: str, path: str, body: Any = None, patience: float = UP_SECONDS) -> Any:
        """Answer to a request."""
        until = time.monotonic() + patience
        while True:
            try:
                answer = self._client.request(method, path, json=body)
                if answer.status_code < 500:
                    answer.raise_for_status()
                    return answer.json() if answer.content else None
            except httpx.TransportError:
                if time.monotonic() > until:
                    raise
            if time.monotonic() > until:
                raise RuntimeError(f"{path}: {answer.status_code} {answer.text}")
            time.sleep(1.0)

    def flow_runs(self, **wanted: Any) -> list[dict[str, Any]]:
        """Flow runs, all or those of filters."""
        found: list[dict[str, Any]] = []
        while True:
            body = {"limit": 200, "offset": len(found), "sort": "ID_DESC", "flow_runs": wanted}
            page = self.ask("POST", "flow_runs/filter", body)
            found += page
            if len(page) < 200:
                return found

    def runs_of(self, deployment: str) -> list[dict[str, Any]]:
        """Flow runs of a deployment, as ``flow/name``."""
        return self.flow_runs(deployment_id={"any_": [self.deployment(deployment)["id"]]})

    def live(self) -> list[dict[str, Any]]:
        """Flow runs that have not ended, but for what is scheduled for later than an hour."""
        soon = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 3600))
        return [
            run
            for run in self.flow_runs(state={"type": {"any_": LIVE}})
            if (run["next_scheduled_start_time"] or "") < soon
        ]

    def deployment(self, name: str) -> dict[str, Any]:
        """A deployment, named ``flow/name``."""
        return self.ask("GET", f"deployments/name/{name}")

    def start(self, deployment: str, parameters: dict[str, Any]) -> str:
        """Start a run of a deployment, as a schedule or a hand does; its id."""
        place = f"deployments/{self.deployment(deployment)['id']}/create_flow_run"
        body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        return self.ask("POST", place, body)["id"]

    def state(self, run: str) -> str:
        """A flow run's state's type."""
        return self.ask("GET", f"flow_runs/{run}")["state_type"]

    def cancel(self, run: str) -> None:
        """Cancel a flow run, as the UI does."""
        body = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
        self.ask("POST", f"flow_runs/{run}/set_state", body)

    def slots(self) -> int:
        """How many concurrency slots are held."""
        limits = self.ask("POST", "v2/concurrency_limits/filter", {"limit": 200})
        return sum(limit["active_slots"] for limit in limits)

    def workers(self, pool: str) -> int:
        """How many workers of a pool are online."""
        try:
            found = self.ask("POST", f"work_pools/{pool}/workers/filter", {"limit": 200})
        except httpx.HTTPStatusError:
            return 0
        return sum(worker["status"] == "ONLINE" for worker in found)


class Service:
    """`pst serve`, kept up as systemd keeps it up: one that ended is started again."""

    def __init__(
        self, place: Place, *, workers: int, postgres: Postgres | None = None, options: Sequence[str] = ()
    ) -> None:
        self.place, self.workers, self.postgres, self.options = place, workers, postgres, options
        self.port = free_port()
        self.api = Api(f"http://127.0.0.1:{self.port}")
        self.starts = 0
        self.said = ""
        self._command: Command | None = None

    @property
    def url(self) -> str:
        """Of its API."""
        return f"{self.api.address}/api"

    def start(self) -> None:
        """Start it; see `wait_until_well`."""
        database = () if self.postgres is None else ("--database", self.postgres.url)
        self._command = self.place.start(
            "serve", "--port", str(self.port), "--workers", str(self.workers), *database, *self.options
        )
        self.starts += 1

    def keep_up(self) -> None:
        """Start it again if it ended."""
        if self._command is not None and self._command.ended:
            self._remember()
            self.start()

    def is_well(self) -> bool:
        """Whether its server answers and all its workers are there, by their processes and by the server."""
        workers = len(self.place.of_role("worker")) >= self.workers + 1
        return workers and self.api.is_up() and self.api.workers(PAIRS_POOL) >= self.workers

    def wait_until_well(self, patience: float = UP_SECONDS) -> None:
        """Wait for that."""
        until = time.monotonic() + patience
        while not self.is_well():
            self.keep_up()
            if time.monotonic() > until:
                raise RuntimeError(f"the service does not come up: {self._command and self._command.said}")
            time.sleep(1.0)

    def stop(self) -> int:
        """End it in order; its exit status."""
        assert self._command is not None
        if not self._command.ended:
            self._command.signal(signal.SIGTERM)
        try:
            return self._command.wait(DOWN_SECONDS)
        finally:
            self._remember()

    def kill(self, role: str, chance: random.Random) -> bool:
        """SIGKILL to whoever has a role; whether there was anybody."""
        if role == "database":
            assert self.postgres is not None
            self.postgres.kill()
            self.postgres.start()
            return True
        if role == "all":
            self._kill_everything()
            return True
        there = self.place.of_role(role)
        if not there:
            return False
        if role == "server":
            kill(there)
            return True
        victim = chance.choice(there)
        with contextlib.suppress(psutil.NoSuchProcess):
            kill([victim, *(victim.children(recursive=True) if role == "worker" else ())])
        return True

    def _kill_everything(self) -> None:
        """A power cut, and the machine's next start."""
        self.place.kill_all()
        if self.postgres is not None:
            self.postgres.kill()
            self.postgres.start()
        self._remember()
        self.start()

    def _remember(self) -> None:
        if self._command is not None and self._command.ended:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._command.wait(1)
            self.said += self._command.said
            self._command = None

    @property
    def server_log(self) -> str:
        """What its server logged, older files included."""
        logs = sorted((self.place.home / "prefect").rglob("server*.log*"))
        return "\n".join(path.read_text(errors="replace") for path in logs)


@contextlib.contextmanager
def service(
    place: Place, *, workers: int, postgres: Postgres | None = None, options: Sequence[str] = ()
) -> Iterator[Service]:
    """Have a service with its workers at their posts while the block runs."""
    serving = Service(place, workers=workers, postgres=postgres, options=options)
    serving.start()
    try:
        serving.wait_until_well()
        yield serving
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired, AssertionError):
            serving.stop()
        place.kill_all()
        serving.api.close()


def kill(processes: Sequence[psutil.Process]) -> None:
    """SIGKILL to all of them."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=5)


def _role_of(process: psutil.Process) -> str:
    command = process.cmdline()
    line = " ".join(command)
    if "flows.workers.engine" in line or "prefect.engine" in line:
        return "batch" if _pool_above(process) == BATCHES_POOL else "shard"
    if "flows.workers.worker" in line:
        return "worker"
    if "server start" in line or "prefect.server.api.server" in line:
        return "server"
    return "service" if "serve" in command else ""


def _pool_above(process: psutil.Process) -> str:
    """The pool whose worker started a process; empty if that one is gone."""
    for parent in process.parents():
        command = parent.cmdline()
        if "--pool" in command:
            return command[command.index("--pool") + 1]
    return ""


def order_of(source: Path, out: Path, **settings: object) -> dict[str, Any]:
    """Parameters of a batch with the quick settings, handed out to the pool."""
    given = {**QUICK, **settings}
    return {"source": str(source), "out": str(out), "settings": given, "pool": PAIRS_POOL}


def rows_of(out: Path) -> list[dict[str, Any]]:
    """The table of a batch; empty as long as there is none."""
    path = out / "batch.parquet"
    return parquet.read_table(path).to_pylist() if path.is_file() else []


def wait_for(condition: Any, patience: float, what: str, every: float = 0.5) -> None:
    """Wait until something is so.

    Raises
    ------
    RuntimeError
        It is not.
    """
    until = time.monotonic() + patience
    while not condition():
        if time.monotonic() > until:
            raise RuntimeError(f"after {patience:.0f} s still not: {what}")
        time.sleep(every)


def pairs_in(folder: Path, pairs: int, *, name: str = "in", seed: int = 5) -> Path:
    """A folder of small pairs, called ``p0`` and so on; other ones for another seed."""
    return make_folder(folder / name, pairs, height=36, width=48, seed=seed)


def names_of(pairs: int) -> set[str]:
    """What so many pairs are called."""
    return {f"p{index}" for index in range(pairs)}


class Verdict:
    """What was promised, what was seen, and whether it was kept."""

    def __init__(self) -> None:
        self.broken: list[str] = []

    def check(self, promise: str, kept: bool, seen: object = "") -> None:
        """Tell of a promise."""
        if not kept:
            self.broken.append(f"{promise}: {seen}")
        print(f"{'kept  ' if kept else 'BROKEN'}  {promise}{f': {seen}' if seen != '' else ''}", flush=True)

    def check_work(self, place: Place, out: Path, pairs: int, interrupted: int, already: int = 0) -> None:
        """Tell whether each pair was finished once, and finished work was left alone.

        Parameters
        ----------
        interrupted
            How many units of work may have been interrupted.
        already
            How many were begun again before this batch.
        """
        again, repeated = begun_again(place.log), repeats(place.log) - already
        self.check("no finished unit of work is begun again", not again, dict(Counter(again)))
        self.check(f"at most {interrupted} units of work begin again", repeated <= interrupted, repeated)
        receipts = place.vouched_for(out)
        self.check(f"{pairs} pairs have a receipt each", receipts == pairs, receipts)

    def check_table(self, out: Path, names: set[str], *, failed: frozenset[str] = frozenset()) -> None:
        """Tell whether a batch's table has each pair once, done, but for those that are to fail."""
        rows = rows_of(out)
        twice = {name: count for name, count in Counter(row["name"] for row in rows).items() if count > 1}
        self.check("each pair once in the table", not twice and {row["name"] for row in rows} == names, twice)
        states = Counter(row["state"] for row in rows if row["name"] not in failed)
        self.check(f"{len(names - failed)} pairs done", not states.keys() - {"done", "cached"}, dict(states))
        lost = {row["name"] for row in rows if row["state"] == "failed"}
        self.check(f"{len(failed)} pairs failed", lost == failed, sorted(lost))

    def check_quiet(self, api: Api, patience: float = 90.0) -> None:
        """Tell whether soon nothing says that it runs, and no slot is held."""
        until = time.monotonic() + patience
        while ((live := api.live()) or api.slots()) and time.monotonic() < until:
            time.sleep(2.0)
        shown = [f"{run['name']} {run['state_name']}" for run in live]
        self.check("nothing says Running", not live, shown)
        self.check("no slot is held", api.slots() == 0, api.slots())

    @property
    def status(self) -> int:
        """The script's exit status, told in a line."""
        print("all promises kept" if not self.broken else f"{len(self.broken)} PROMISES BROKEN", flush=True)
        return 1 if self.broken else 0
