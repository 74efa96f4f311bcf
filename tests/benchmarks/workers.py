"""Pairs a second of a whole `pst run`, by how many workers do them side by side.

    python tests/benchmarks/workers.py [--workers none,1,8] [--copies 4] [--data ../shared/luan60]

Every content of the folder is copied so many times, each with a pixel changed, so that nothing is found done.
Prints for each number of workers (none: the run's own process) the pairs a second from the first fifth of the
pairs to the last, which leaves out how long workers take to start, with the ratio to the first number's; and
seconds of processor a pair of Prefect's server, of the workers and of the batch.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import psutil
from one_pair import SHARED
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
PST = (sys.executable, "-c", "from flows.cli.app import main; main()")
LEFT_OUT = 5  # one part of so many, at the beginning
KINDS = {
    "prefect_server": "server"
}  # what a process is, by what its command has; the run itself is the batch


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=SHARED / "luan60")
    parser.add_argument("--workers", default="none,1,2")
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--first", type=int, default=None, help="so many of the folder's pairs only")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pairs = copied(chosen.data, folder / "pairs", chosen.copies, chosen.first)
        print(f"{pairs} pairs", flush=True)
        first = None
        for number in chosen.workers.split(","):
            rate, seconds = measured(folder, number)
            first = first or rate
            parts = ", ".join(f"{kind} {used / pairs:.2f}" for kind, used in sorted(seconds.items()))
            print(
                f"workers {number}: {rate:.2f} pairs a second ({rate / first:.2f}); seconds a pair: {parts}",
                flush=True,
            )


def copied(data: Path, folder: Path, copies: int, first: int | None) -> int:
    """Copies of a folder's pairs, each with one pixel changed; how many there are."""
    numbers = sorted(int(path.stem[2:]) for path in (data / "input").glob("in*.png"))[:first]
    for copy in range(copies):
        for index, number in enumerate(numbers):
            name = 1000 * (copy + 1) + index
            for part, prefix in (
                ("input", "in"),
                ("style", "tar"),
                ("segmentation", "in"),
                ("segmentation", "tar"),
            ):
                target = folder / part / f"{prefix}{name}.png"
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(data / part / f"{prefix}{number}.png", target)
            content = folder / "input" / f"in{name}.png"
            picture = Image.open(content).convert("RGB")
            picture.putpixel((0, 0), (copy, 7, 7))
            picture.save(content, compress_level=1)
    return copies * len(numbers)


def measured(folder: Path, number: str) -> tuple[float, Counter[str]]:
    """Pairs a second of one run, and processor seconds by kind of process."""
    asked = [] if number == "none" else ["--workers", number]
    command = [*PST, "run", str(folder / "pairs"), "--out", str(folder / f"out-{number}"), *asked, "--json"]
    environment = os.environ | {"PST_HOME": str(folder / f"home-{number}"), "PYTHONPATH": _python_path()}
    ends: list[float] = []
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as run:
        used, ended = _Used(run.pid), threading.Event()
        watch = threading.Thread(target=used.watch, args=(ended,))
        watch.start()
        for line in run.stdout or ():
            event = json.loads(line)
            if event["event"] == "pair":
                if event["state"] not in ("done", "cached"):
                    raise SystemExit(f"{event['name']}: {event['error']}")
                ends.append(time.perf_counter())
        ended.set()
        watch.join()
    counted = ends[len(ends) // LEFT_OUT :]
    return (len(counted) - 1) / (counted[-1] - counted[0]), used.by_kind()


def _python_path() -> str:
    return os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])


class _Used:
    """Processor time of a process and all below it, also of those that end."""

    def __init__(self, pid: int) -> None:
        self.root = psutil.Process(pid)
        self.seconds: dict[tuple[int, str], float] = {}

    def watch(self, ended: threading.Event) -> None:
        while not ended.wait(0.5):
            try:
                for process in [self.root, *self.root.children(recursive=True)]:
                    self._look_at(process)
            except psutil.Error:  # the run has ended
                return

    def _look_at(self, process: psutil.Process) -> None:
        try:
            called, times = " ".join(process.cmdline()), process.cpu_times()
        except psutil.Error:  # it has ended meanwhile
            return
        kind = next((kind for mark, kind in KINDS.items() if mark in called), None)
        kind = kind or ("batch" if process == self.root else "workers")
        self.seconds[process.pid, kind] = times.user + times.system

    def by_kind(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for (_, kind), seconds in self.seconds.items():
            found[kind] += seconds
        return found


if __name__ == "__main__":
    main()
