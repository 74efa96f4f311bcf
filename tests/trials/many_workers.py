"""Pairs over several workers: how much faster they are than one.

    PYTHONPATH=tests python tests/trials/many_workers.py [--pairs 48] [--seconds 2] [--workers 4]
        [--photographs ../shared/luan60] [--real-pairs 24] [--size 256]

First pairs whose optimisation stages are stood in for by so many seconds of waiting, as a process waits for
its GPU: one worker, then several. Then, where photographs are at hand, real pairs on this machine's cores:
one process, two workers, and two batches one after the other and at once. Exit status 1 if the workers are
less than seven eighths of their number as fast (four: 3.5 times), two workers slower than one process, or two
batches at once more than a tenth slower than one after the other.
"""

import argparse
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from batch_runs import QUICK, ROOT, repeats, settings_file
from service_runs import Command, Place, Verdict, pairs_in

PHOTOGRAPHS = ROOT.parent / "shared" / "luan60"
LONGEST_RUN = 3600.0
FASTER, SLOWER = 0.875, 1.1


def stood_in(folder: Path, pairs: int, seconds: float, workers: int, verdict: Verdict) -> None:
    """Pairs of steps of a fixed length: one worker, then several, and how their times compare."""
    source = pairs_in(folder, pairs)
    took = {number: work(folder, source, pairs, seconds, number, verdict) for number in (1, workers)}
    ratio, wanted = took[1] / took[workers], FASTER * workers
    verdict.check(f"{workers} workers are {wanted:.2f} times as fast as 1", ratio >= wanted, f"{ratio:.2f}")


def work(folder: Path, source: Path, pairs: int, seconds: float, workers: int, verdict: Verdict) -> float:
    """Have hired workers do pairs of steps of a fixed length; how long it took from first to last."""
    place = _new_place(folder / f"of-{workers}", seconds / QUICK["global_iterations"])
    begun = time.monotonic()
    command = place.run(
        "run", str(source), "--out", str(place.folder / "out"), "--settings", str(settings_file(folder)),
        "--json", "--workers", str(workers), timeout=LONGEST_RUN,
    )  # fmt: skip
    whole = time.monotonic() - begun
    _check_ended(command, pairs, verdict)
    verdict.check("no unit of work begins twice", repeats(place.log) == 0, repeats(place.log))
    took = command.seconds()
    print(f"{workers} workers: {took:.1f} s, {whole:.1f} s with all beginnings and ends", flush=True)
    return took


@dataclass
class Real:
    """Real pairs: how long they take in one process, by two workers, and as two batches."""

    folder: Path
    photographs: Path
    pairs: int
    size: int
    verdict: Verdict

    def run(self) -> None:
        """Run all of it; every run has a store of its own, or it would find everything done."""
        both = _some_pairs(self.photographs, self.folder / "both", 0, self.pairs)
        first = _some_pairs(self.photographs, self.folder / "first", 0, self.pairs // 2)
        second = _some_pairs(self.photographs, self.folder / "second", self.pairs // 2, self.pairs)
        one = self._seconds(self._begin("one", both))
        two = self._seconds(self._begin("two", both, "--workers", "2"))
        self.verdict.check("2 workers are as fast as one process", one >= two, f"{one / two:.2f} times")
        begun = time.monotonic()
        for name, source in (("first", first), ("second", second)):
            self._seconds(self._begin(f"{name}-alone", source))
        in_turn, begun = time.monotonic() - begun, time.monotonic()
        for command in [self._begin(f"{source.name}-beside", source) for source in (first, second)]:
            self._seconds(command)
        at_once = time.monotonic() - begun
        print(f"two batches: {in_turn:.1f} s in turn, {at_once:.1f} s at once", flush=True)
        self.verdict.check(
            "two batches at once are at most a tenth slower", at_once <= SLOWER * in_turn,
            f"{at_once / in_turn:.2f} times the time",
        )  # fmt: skip

    def _begin(self, name: str, source: Path, *options: str) -> Command:
        place = _new_place(self.folder / f"of-{name}")
        return place.start(
            "run",
            str(source),
            "--out",
            str(place.folder / "out"),
            "--size",
            str(self.size),
            "--json",
            *options,
        )

    def _seconds(self, command: Command) -> float:
        command.wait(LONGEST_RUN)
        [(_, batch)] = command.events("batch")
        _check_ended(command, batch["pairs"], self.verdict)
        seconds = command.seconds()
        print(f"{' '.join(command.arguments)}: {seconds:.1f} s", flush=True)
        return seconds


def _new_place(folder: Path, evaluation_seconds: float | None = None) -> Place:
    folder.mkdir()
    return Place(folder, evaluation_seconds)


def _check_ended(command: Command, pairs: int, verdict: Verdict) -> None:
    summaries = [event for _, event in command.events("summary")]
    done = summaries[-1].get("done") if summaries else None
    verdict.check(f"{pairs} pairs are done", done == pairs, done if summaries else command.said[-2000:])


def _some_pairs(photographs: Path, folder: Path, first: int, end: int) -> Path:
    """Some pairs of a folder in Luan's layout."""
    inputs = sorted((photographs / "input").glob("in*.*"), key=lambda path: int(path.stem[2:]))
    for number in [path.stem[2:] for path in inputs[first:end]]:
        wanted = f"input/in{number}.*", f"style/tar{number}.*", f"segmentation/*[nr]{number}.*"
        for path in (path for pattern in wanted for path in photographs.glob(pattern)):
            copy = folder / path.relative_to(photographs)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    return folder


def main() -> int:
    """Run the trial from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=48)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--photographs", type=Path, default=PHOTOGRAPHS)
    parser.add_argument("--real-pairs", type=int, default=24)
    parser.add_argument("--size", type=int, default=256)
    arguments, verdict = parser.parse_args(), Verdict()
    with tempfile.TemporaryDirectory() as name:
        if arguments.pairs:
            stood_in(Path(name), arguments.pairs, arguments.seconds, arguments.workers, verdict)
        if not arguments.photographs.is_dir():
            print(f"left out: real pairs, for there is no {arguments.photographs}")
        elif arguments.real_pairs:
            real = Real(Path(name), arguments.photographs, arguments.real_pairs, arguments.size, verdict)
            real.run()
    return verdict.status


if __name__ == "__main__":
    sys.exit(main())
