"""SIGKILL at random moments of a batch: always resumed, no step done twice but those that were killed.

    python tests/trials/kill_batch.py [--kills 50] [--pairs 8] [--seed 0] [--behind 1]

Runs a batch once undisturbed; then again from nothing, killed at random moments and started anew with the
same command until it has been killed often enough and has ended. Prints how much work was repeated, and
whether every final file is the undisturbed run's to the bit. Exit status 1 if not, or if more units of work
per kill were repeated than pairs are at work at once: one more than may be finished meanwhile.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from batch_runs import finals, make_folder, repeats, settings_file, start_run

from flows.runtime.lanes import BEHIND
from flows.runtime.server import prefect_server

LONGEST_RUN = 300.0


@dataclass(frozen=True)
class Trial:
    """What came of a killed batch."""

    behind: int
    kills: int
    starts: int
    repeated: int
    identical: bool
    files: int

    @property
    def good(self) -> bool:
        """Whether all promises were kept."""
        at_work = 1 + self.behind  # steps: of the pair that is computed, and of each that is being finished
        return self.identical and self.repeated <= at_work * self.kills and self.files > 0


def kill_batch(folder: Path, kills: int, pairs: int, seed: int, address: str, behind: int = 1) -> Trial:
    """Carry out a trial; `address` is that of a Prefect server's API."""
    environment = {"PREFECT_API_URL": address, BEHIND: str(behind)}
    source, settings = make_folder(folder / "in", pairs), settings_file(folder)
    out = folder / "out"  # one place for both: reports know where their result lies
    command = ["run", str(source), "--out", str(out), "--settings", str(settings), "--quiet"]
    started = time.monotonic()
    _end(start_run(command, folder / "calm-home", folder / "calm.log", **environment))
    took = time.monotonic() - started
    wanted = finals(out)
    out.rename(folder / "calm-out")
    home, log, chance = folder / "home", folder / "units.log", random.Random(seed)
    starts = killed = 0
    while True:
        starts += 1
        process = start_run(command, home, log, **environment)
        if killed >= kills:
            _end(process)
            break
        # Mostly while it works, sometimes while it starts or ends; a long batch dies many times on its way.
        try:
            process.wait(chance.uniform(0.3, max(4.0, took * (1.5 if killed % 5 == 4 else 0.5))))
            if process.returncode != 0:
                raise SystemExit(f"a run failed by itself: {process.communicate()}")
            _begin_anew(out, home, folder)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += 1
        process.communicate()
    return Trial(behind, killed, starts, repeats(log), finals(out) == wanted, len(wanted))


def _begin_anew(out: Path, home: Path, folder: Path) -> None:
    """The batch was quicker than its killer: the next kill shall find work to interrupt."""
    out.rename(folder / f"out-{time.monotonic_ns()}")
    home.rename(folder / f"home-{time.monotonic_ns()}")
    log, stamp = folder / "units.log", time.monotonic_ns()
    log.write_text("".join(f"{line} before {stamp}\n" for line in log.read_text().splitlines()))


def _end(process: "subprocess.Popen[str]") -> None:
    output, errors = process.communicate(timeout=LONGEST_RUN)
    if process.returncode != 0:
        raise SystemExit(f"a run ended with {process.returncode}:\n{output}\n{errors}")


def main() -> int:
    """Run the trial from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--behind", type=int, default=1, help="pairs that may be finished meanwhile")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, prefect_server(own=True) as address:
        trial = kill_batch(
            Path(folder), arguments.kills, arguments.pairs, arguments.seed, f"{address}/api", arguments.behind
        )
    print(trial)
    print("all promises kept" if trial.good else "PROMISES BROKEN")
    return 0 if trial.good else 1


if __name__ == "__main__":
    sys.exit(main())
