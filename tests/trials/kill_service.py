"""SIGKILL at random moments to each part of a service in turn: every pair is finished, each exactly once.

    PYTHONPATH=tests python tests/trials/kill_service.py [--roles shard,worker,batch,server,database,all]
        [--kills 10] [--pairs 40] [--workers 4] [--seconds 1] [--seed 0]

For each role a service on PostgreSQL works at a batch, and processes of that role are killed until it was
done often enough: a shard's, a worker's with what it has at work, the batch's, the server's, PostgreSQL's,
and all of them at once. PostgreSQL is started again as its service would be, `pst serve` as systemd would; a
schedule starts the batch every now and then, as it would any night. Batches that are done before they were
killed often enough are followed by others. Exit status 1 if a pair is lost, done twice or not what it is
undisturbed, if finished work was begun again, or if anything says Running or holds a slot in the end.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from batch_runs import QUICK, finals, repeats, settings_file
from postgres import Postgres, postgres_server
from service_runs import (
    BATCH,
    ROLES,
    Place,
    Service,
    Verdict,
    names_of,
    order_of,
    pairs_in,
    rows_of,
    service,
)

EVERY = 60.0  # seconds from one start of the schedule to the next
REST = 1.0
AT_WORK = ("RUNNING", "PENDING", "CANCELLING")
LONGEST_BATCH = 1500.0
MOST_IDLE = 10  # batches that may pass by before the next kill
QUIET = 120.0  # seconds until all that was killed must have been told of


@dataclass
class Killing:
    """A service whose parts are killed, role after role, while it works at batches."""

    serving: Service
    roles: Sequence[str]
    kills: int
    pairs: int
    chance: random.Random
    verdict: Verdict
    killed: int = 0
    batches: int = 0
    starts: int = 0
    scheduled: float = float("-inf")

    def run(self) -> None:
        """Batch after batch until there were enough kills."""
        idle = 0
        while self.killed < self.kills:
            killed = self.killed
            self._batch()
            idle = idle + 1 if killed == self.killed else 0
            if idle == MOST_IDLE:
                raise RuntimeError(f"{idle} batches passed and nobody was killed of {', '.join(self.roles)}")
        self.verdict.check_quiet(self.serving.api, QUIET)
        told = ", ".join(self.roles)
        print(f"{told}: {self.killed} kills, {self.batches} batches, {self.starts} starts by "
              f"the schedule, {self.serving.starts} of the service", flush=True)  # fmt: skip

    def _batch(self) -> None:
        self.batches += 1
        place, number = self.serving.place, self.batches
        source = pairs_in(place.folder, self.pairs, name=f"killed-{number}", seed=self.chance.getrandbits(32))
        out = place.folder / f"killed-out-{number}"
        wanted, order = self._undisturbed(source, out), order_of(source, out)
        killed_before, begun_before = self.killed, repeats(place.log)
        now, self.scheduled = time.monotonic(), float("-inf")
        until, due = now + LONGEST_BATCH, now + self.chance.uniform(5.0, 20.0)
        while not self._is_done(out) and time.monotonic() < until:
            self.serving.keep_up()
            self._start_if_due(order)
            if time.monotonic() > due and self.killed < self.kills and self._kill():
                due = time.monotonic() + self.chance.uniform(4.0, 16.0)
            time.sleep(REST)
        self.verdict.check_table(out, names_of(self.pairs))
        self.verdict.check("bits as undisturbed", finals(out) == wanted, f"{len(wanted)} files")
        at_risk = 1 if {*self.roles} <= {"shard", "worker"} else self.serving.workers
        killed = self.killed - killed_before
        self.verdict.check_work(place, out, self.pairs, killed * at_risk, begun_before)

    def _undisturbed(self, source: Path, out: Path) -> dict[str, str]:
        """The batch's files as one process makes them, at the same place: reports know where they lie."""
        calm = self.serving.place.folder / f"calm-{out.name}"
        calm.mkdir()
        settings = settings_file(calm)
        command = Place(calm, evaluation_seconds=0.0).run(
            "run", str(source), "--out", str(out), "--settings", str(settings), "--quiet",
            PREFECT_API_URL=self.serving.url,
        )  # fmt: skip
        if command.process.returncode:
            raise RuntimeError(f"the undisturbed batch failed: {command.said}")
        wanted = finals(out)
        out.rename(calm / "out")
        return wanted

    def _start_if_due(self, order: dict[str, object]) -> None:
        if time.monotonic() - self.scheduled > EVERY and self.serving.api.is_up():
            self.serving.api.start(BATCH, order)
            self.scheduled = time.monotonic()
            self.starts += 1

    def _is_done(self, out: Path) -> bool:
        """Whether a batch has all its pairs, and no run of it is at work any more."""
        if len(rows_of(out)) < self.pairs or not self.serving.api.is_up():
            return False
        return not any(run["state_type"] in AT_WORK for run in self.serving.api.runs_of(BATCH))

    def _kill(self) -> bool:
        role = self.roles[self.killed % len(self.roles)]
        if not self.serving.is_well() or not self.serving.kill(role, self.chance):
            return False
        self.killed += 1
        print(f"{time.strftime('%H:%M:%S')} killed: {role} ({self.killed})", flush=True)
        return True


def kill_role(
    role: str, postgres: Postgres, *, kills: int, pairs: int, workers: int, seconds: float, seed: int,
    verdict: Verdict,
) -> None:  # fmt: skip
    """The trial for one role."""
    print(f"--- {role}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        place = Place(Path(name), seconds / QUICK["global_iterations"])
        with service(place, workers=workers, postgres=postgres) as serving:
            killing = Killing(serving, (role,), kills, pairs, random.Random(f"{role} {seed}"), verdict)
            killing.run()


def main() -> int:
    """Run the trial from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--roles", default=",".join(ROLES))
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments, verdict = parser.parse_args(), Verdict()
    for role in arguments.roles.split(","):
        with postgres_server() as postgres:
            kill_role(
                role, postgres, kills=arguments.kills, pairs=arguments.pairs, workers=arguments.workers,
                seconds=arguments.seconds, seed=arguments.seed, verdict=verdict,
            )  # fmt: skip
    return verdict.status


if __name__ == "__main__":
    sys.exit(main())
