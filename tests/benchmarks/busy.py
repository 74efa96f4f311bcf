"""What a busy machine costs, as ratios taken in one run.

    python tests/benchmarks/busy.py [--pair 4] [--rounds 3] [--data ../shared/luan60]

Prints, each the median of some rounds: two pairs' processes at once on two cores over the same two one after
the other (goal 1.1); a pair beside two processes that burn both cores over the same alone (goal 2.5); and the
processor time of `pst stylize` as a whole process over that of a library call in a warm process (goal 1.25).
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from one_pair import parser_of, paths_of

ROOT = Path(__file__).resolve().parents[2]
BURN = "while True: pass"
WARM = """
import sys, time
from pst_core import stylize
stylize(*sys.argv[2:])
for _ in range(int(sys.argv[1])):
    started = time.process_time()
    stylize(*sys.argv[2:])
    print(time.process_time() - started, flush=True)
"""


class Machine:
    """Two cores, and `pst stylize` of one pair on them."""

    def __init__(self, paths: list[str], cores: list[int], folder: Path) -> None:
        self.paths, self.cores, self.folder = paths, cores, folder
        self._numbers = count()

    def python(self, *arguments: str, output: int = subprocess.DEVNULL) -> "subprocess.Popen[str]":
        bound = ["taskset", "--cpu-list", ",".join(map(str, self.cores))]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
        return subprocess.Popen(
            [*bound, sys.executable, *arguments], env=environment | {"PYTHONPATH": str(ROOT)}, text=True,
            stdout=output, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def stylizing(self) -> "subprocess.Popen[str]":
        content, style, content_map, style_map = self.paths
        out = self.folder / f"{next(self._numbers)}.png"
        return self.python(
            "-c", "from flows.cli.app import main; main()", "stylize", content, style, "--output", str(out),
            "--content-map", content_map, "--style-map", style_map, "--quiet",
        )  # fmt: skip

    def one(self) -> None:
        _finish(self.stylizing())

    def two_in_turn(self) -> None:
        for _ in range(2):
            self.one()

    def two_at_once(self) -> None:
        for process in [self.stylizing(), self.stylizing()]:
            _finish(process)

    @contextmanager
    def burning(self) -> Iterator[None]:
        burners = [self.python("-c", BURN) for _ in self.cores]
        try:
            yield
        finally:
            for burner in burners:
                burner.kill()
                burner.wait()

    def beside_burners(self) -> float:
        with self.burning():
            return timed(self.one)

    def whole_process(self) -> float:
        """Processor time of one command, what it starts included."""
        process = self.stylizing()
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"pst stylize ended with {os.waitstatus_to_exitcode(status)}")
        process.returncode = 0
        return usage.ru_utime + usage.ru_stime

    def library_calls(self, rounds: int) -> list[float]:
        process = self.python("-c", WARM, str(rounds), *self.paths, output=subprocess.PIPE)
        output, _ = process.communicate()
        return [float(line) for line in output.splitlines()]


def timed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def _finish(process: "subprocess.Popen[str]") -> None:
    if process.wait() != 0:
        raise SystemExit(f"pst stylize ended with {process.returncode}")


def _tell(what: str, ratios: list[float], goal: float) -> None:
    each = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    print(f"{what}: {statistics.median(ratios):.2f} (goal {goal}; {each})", flush=True)


def main() -> None:
    parser = parser_of(__doc__, pair=4)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    paths = paths_of(arguments.data, arguments.pair)
    rounds = range(arguments.rounds)
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(paths, sorted(os.sched_getaffinity(0))[:2], Path(folder))
        machine.one()  # so that the first round reads from memory, too
        print(f"processor cores {machine.cores}", flush=True)
        together = [timed(machine.two_at_once) / timed(machine.two_in_turn) for _ in rounds]
        _tell("two pairs at once / one after the other", together, 1.1)
        beside = [machine.beside_burners() / timed(machine.one) for _ in rounds]
        _tell("a pair beside two burning processes / alone", beside, 2.5)
        whole = [machine.whole_process() for _ in rounds]
        library = statistics.median(machine.library_calls(arguments.rounds))
        _tell(
            "processor time of pst stylize / of a warm library call", [each / library for each in whole], 1.25
        )


if __name__ == "__main__":
    main()
