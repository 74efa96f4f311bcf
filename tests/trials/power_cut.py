"""Power cuts at random moments of a batch: nothing that was told to be finished is lost, the rest goes on.

    python tests/trials/power_cut.py [--cuts 20] [--pairs 6] [--workers N] [--seed 0]

Runs a batch of stand-in steps once undisturbed; then again from nothing. At random moments all its processes
are killed at once, and what they had not forced to the disk is lost, emptied, cut short or filled with zeros
(see `standins/power_cuts.py`); then the same command goes on, until it has been cut often enough and has
ended. Prints how much was spoilt and repeated. Exit status 1 if a pair that was told of as done was not whole
after a cut or was worked at again, or if a final file is not the undisturbed run's to the bit.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from batch_runs import finals, make_folder, repeats, settings_file, start_run
from standins.power_cuts import DISK, cut_power

from flows.runtime.server import prefect_server

LONGEST_RUN = 300.0


@dataclass
class Trial:
    """What came of a batch whose power was cut."""

    cuts: int = 0
    spoilt: int = 0
    told: int = 0
    lost: list[str] = field(default_factory=list)
    repeated: int = 0
    identical: bool = False
    files: int = 0

    @property
    def good(self) -> bool:
        """Whether all promises were kept."""
        return self.identical and not self.lost and self.files > 0


class _Batch:
    """One command, run again and again on a disk that power cuts befall."""

    def __init__(self, folder: Path, pairs: int, workers: int, address: str) -> None:
        self.folder, self.address = folder, address
        source, settings = make_folder(folder / "in", pairs), settings_file(folder)
        self.out, self.home, self.notes = folder / "out", folder / "home", folder / "notes"
        self.log = folder / "units.log"
        self.command = ["run", str(source), "--out", str(self.out), "--settings", str(settings), "--json"]
        self.command += ["--workers", str(workers)] if workers else []

    def start(self, home: Path, log: Path, **environment: str) -> "subprocess.Popen[str]":
        return start_run(
            self.command, home, log, PREFECT_API_URL=self.address, PST_TEST_EVALUATION_SECONDS="0.02",
            **environment,
        )  # fmt: skip

    def start_on_disk(self) -> "subprocess.Popen[str]":
        self.home.mkdir(exist_ok=True)
        disk = ":".join(map(str, (self.notes, self.home, self.out)))
        return self.start(self.home, self.log, **{DISK: disk})

    def begin_anew(self) -> set[str]:
        """The batch was done before the last cut: the next one shall find work to take. None is done."""
        stamp = time.monotonic_ns()
        for place in (self.out, self.home, self.notes):
            place.rename(self.folder / f"{place.name}-{stamp}")
        self.log.write_text("".join(f"{line} before {stamp}\n" for line in self.log.read_text().splitlines()))
        return set()


def cut_batch(folder: Path, cuts: int, pairs: int, seed: int, address: str, workers: int = 0) -> Trial:
    """Carry out a trial; `address` is that of a Prefect server's API."""
    batch, chance, trial = _Batch(folder, pairs, workers, address), random.Random(seed), Trial()
    _end(batch.start(folder / "calm-home", folder / "calm.log"))
    steps = _lines(folder / "calm.log")
    wanted = finals(batch.out)
    batch.out.rename(folder / "calm-out")
    done: set[str] = set()
    while trial.cuts < cuts:
        if len(done) == pairs:
            trial.told += pairs
            done = batch.begin_anew()
        process = batch.start_on_disk()
        # Anywhere within what there is to do, and a moment later: between its files, too.
        _wait_for(process, batch.log, _lines(batch.log) + chance.randrange(1, steps))
        time.sleep(chance.uniform(0.0, 0.1))
        _kill_all(process)
        done |= _told_done(process.communicate()[0])
        trial.cuts += 1
        trial.spoilt += len(cut_power(batch.notes, [batch.home, batch.out], chance))
        whole = finals(batch.out)
        mine = {name: digest for name, digest in wanted.items() if name.split("/")[0] in done}
        trial.lost += [f"{name} after cut {trial.cuts}" for name in mine if whole.get(name) != mine[name]]
    output = _end(batch.start_on_disk())
    trial.told += len(done)
    trial.lost += [f"{name} was worked at again" for name in done & _told_done(output, "done")]
    trial.repeated, trial.files = repeats(batch.log), len(wanted)
    trial.identical = finals(batch.out) == wanted
    return trial


def _lines(log: Path) -> int:
    return len(log.read_text().splitlines()) if log.exists() else 0


def _wait_for(process: "subprocess.Popen[str]", log: Path, lines: int) -> None:
    while _lines(log) < lines and process.poll() is None:
        time.sleep(0.01)


def _told_done(output: str, *states: str) -> set[str]:
    """Pairs that a run told of as finished; its last line may be cut."""
    told = set()
    for line in output.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if event.get("event") == "pair" and event["state"] in (states or ("done", "cached")):
            told.add(event["name"])
    return told


def _kill_all(process: "subprocess.Popen[str]") -> None:
    """End a run and everything that it started at one moment, unless it has ended well."""
    if process.poll() is not None:
        if process.returncode != 0:
            raise SystemExit(f"a run failed by itself: {process.communicate()}")
        return
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for act in (psutil.Process.suspend, psutil.Process.kill):
        for member in family:
            try:
                act(member)
            except psutil.NoSuchProcess:
                continue
    psutil.wait_procs(family, 30)


def _end(process: "subprocess.Popen[str]") -> str:
    output, errors = process.communicate(timeout=LONGEST_RUN)
    if process.returncode != 0:
        raise SystemExit(f"a run ended with {process.returncode}:\n{output}\n{errors}")
    return output


def main() -> int:
    """Run the trial from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cuts", type=int, default=20)
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, prefect_server(own=True) as address:
        trial = cut_batch(
            Path(folder), arguments.cuts, arguments.pairs, arguments.seed, f"{address}/api", arguments.workers
        )
    print(trial)
    print("all promises kept" if trial.good else "PROMISES BROKEN")
    return 0 if trial.good else 1


if __name__ == "__main__":
    sys.exit(main())
