"""What the pipeline costs beside the library, what a batch costs that is done, and whether memory stays flat.

    python tests/benchmarks/pipeline.py [--pairs 1,4,7] [--small 200] [--data ../shared/luan60] [--only lanes]

Prints, each as measured in one run with a server up: the flow's time per pair over the library call's
(default preset, the two in turn); of a batch whose pairs overlap the time that a pair has the lane beyond the
library call's for the same pair, the batch's time over that of a loop of library calls, and the same for
pairs one after another, each with seconds on the processor, which other work on the machine changes less; the
time of a second run over all pairs of the folder, and the resident memory of the process that runs a batch of
many small pairs, by the pairs done.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from batch_runs import make_folder, settings_file

from flows.runtime.server import prefect_server

ROOT = Path(__file__).resolve().parents[2]
FILES = {"content": ("input", "in"), "style": ("style", "tar"), "content_map": ("segmentation", "in"),
         "style_map": ("segmentation", "tar")}  # fmt: skip


def timed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def used(action: Callable[[], object]) -> tuple[float, float]:
    """Seconds it took, and seconds of this process on the processor meanwhile."""
    before = time.process_time()
    return timed(action), time.process_time() - before


def overhead(data: Path, numbers: list[str], folder: Path) -> None:
    """Flow against library call, pair by pair, the order changing."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    from flows.pair import stylize_pair
    from pst_core import stylize

    ratios, extra = [], []
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        for turn, number in enumerate([numbers[0], *numbers]):
            paths = {
                role: next((data / sub).glob(f"{prefix}{number}.*")) for role, (sub, prefix) in FILES.items()
            }
            os.environ["PST_HOME"] = str(folder / f"home-{turn}")
            actions = {
                "library": lambda paths=paths: stylize(**paths),
                "flow": lambda paths=paths, turn=turn: stylize_pair(
                    **paths, out=folder / f"out-{turn}", name="pair"
                ),
            }
            order = list(actions) if turn % 2 else list(actions)[::-1]
            seconds = {name: timed(actions[name]) for name in order}
            if turn:  # the first one loads libraries and weights
                ratios.append(seconds["flow"] / seconds["library"])
                extra.append(seconds["flow"] - seconds["library"])
                print(f"pair {number}: library {seconds['library']:.2f} s, flow {seconds['flow']:.2f} s, "
                      f"{ratios[-1]:.3f} times")  # fmt: skip
    percent = 100 * (statistics.median(ratios) - 1)
    print(f"overhead: median {percent:.1f} %, {statistics.median(extra):.2f} s a pair")


class LaneClock:
    """How long each pair of a batch in this process has the lane, in seconds."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._since = 0.0

    @contextmanager
    def listening(self) -> Iterator[None]:
        from flows import pair

        take, leave = pair.take_lane, pair.leave_lane

        def timed_take(**how: bool) -> None:
            take(**how)
            self._since = time.perf_counter()

        def timed_leave() -> None:
            self.seconds.append(time.perf_counter() - self._since)
            leave()

        pair.take_lane, pair.leave_lane = timed_take, timed_leave
        try:
            yield
        finally:
            pair.take_lane, pair.leave_lane = take, leave


def lanes(data: Path, numbers: list[str], folder: Path, rounds: int) -> None:
    """A batch whose pairs overlap, and one whose do not, over a loop of library calls, all in turn."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    from flows.batch import stylize_folder
    from flows.runtime.lanes import BEHIND
    from pst_core import stylize

    source = folder / "lanes-in"
    pairs = [
        {role: next((data / sub).glob(f"{prefix}{number}.*")) for role, (sub, prefix) in FILES.items()}
        for number in numbers
    ]
    for path in {path for paths in pairs for path in paths.values()}:
        place = source / path.parent.name / path.name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place)
    calls: list[float] = []

    def batch(behind: int, name: str) -> None:
        os.environ |= {BEHIND: str(behind), "PST_HOME": str(folder / f"lanes-home-{name}")}
        stylize_folder(source, folder / f"lanes-out-{name}", return_state=True).result()

    clock = LaneClock()
    took = {name: list[tuple[float, float]]() for name in ("library", "overlapping", "alternating")}
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        batch(1, "first")  # loads libraries and weights
        for turn in range(rounds):
            each = [used(lambda paths=paths: stylize(**paths)) for paths in pairs]
            calls += [seconds for seconds, _ in each]
            took["library"].append((sum(calls[-len(pairs) :]), sum(processor for _, processor in each)))
            with clock.listening():
                took["overlapping"].append(used(lambda turn=turn: batch(1, f"o{turn}")))
            took["alternating"].append(used(lambda turn=turn: batch(0, f"a{turn}")))
    lane, call = statistics.mean(clock.seconds), statistics.mean(calls)
    print(f"lane: {lane:.2f} s a pair, library call {call:.2f} s: {lane - call:+.2f} s of lane time a pair")
    for name, title in (("overlapping", "pairs overlap"), ("alternating", "one after another")):
        each = zip(took[name], took["library"], strict=True)
        ratios = [(one[0] / other[0], one[1] / other[1]) for one, other in each]
        longer, more = map(statistics.median, zip(*ratios, strict=True))
        seconds, processor = map(statistics.mean, zip(*took[name], strict=True))
        print(
            f"batch of {len(pairs)}, {title}: {seconds / len(pairs):.2f} s a pair, {longer:.3f} times the "
            f"library's loop; {processor / len(pairs):.2f} s on the processor, {more:.3f} times"
        )


def run(
    arguments: list[str], environment: dict[str, str], watch: Callable[[psutil.Process], None] | None = None
) -> float:
    """Run the command line in a process of its own; seconds it took."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", "from flows.cli.app import main; main()", *arguments],
        env=os.environ | environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    if watch is not None:
        watch(psutil.Process(process.pid))
    if process.wait() != 0:
        raise SystemExit(f"pst {' '.join(arguments)} ended with {process.returncode}")
    return time.perf_counter() - start


def memory(pairs: int, folder: Path, address: str) -> None:
    """Resident memory of a batch's process, at each tenth of its pairs."""
    source, settings, out = make_folder(folder / "many", pairs), settings_file(folder), folder / "many-out"
    seen: dict[int, float] = {}

    def watch(process: psutil.Process) -> None:
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            done = len(list(out.glob("*/report.json")))
            seen[done] = process.memory_info().rss / 2**20
            time.sleep(0.25)

    seconds = run(
        ["run", str(source), "--out", str(out), "--settings", str(settings)],
        {"PST_HOME": str(folder / "many-home"), "PREFECT_API_URL": address, "OMP_NUM_THREADS": "1"},
        watch,
    )
    marks = {done: round(seen[done]) for done in sorted(seen) if done % max(1, pairs // 10) == 0}
    print(f"{pairs} small pairs in {seconds:.0f} s; resident MB by pairs done: {marks}")
    late = [value for done, value in seen.items() if done >= pairs // 10]
    print(f"growth from a tenth of the pairs to the end: {late[-1] - late[0]:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", default="1,4,7,16,22")
    parser.add_argument("--small", type=int, default=200)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "luan60")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", choices=["overhead", "lanes", "cached", "memory"])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, prefect_server(own=True) as address:
        folder = Path(name)
        if arguments.only in (None, "overhead"):
            overhead(arguments.data, arguments.pairs.split(","), folder)
        if arguments.only in (None, "lanes"):
            lanes(arguments.data, arguments.pairs.split(","), folder, arguments.rounds)
        if arguments.only in (None, "cached"):
            command = ["run", str(arguments.data), "--out", str(folder / "all")]
            environment = {"PST_HOME": str(folder / "all-home"), "PREFECT_API_URL": f"{address}/api"}
            first, second = run(command, environment), run(command, environment)
            print(f"whole folder: {first:.0f} s at first, {second:.1f} s when all is done")
        if arguments.only in (None, "memory"):
            memory(arguments.small, folder, f"{address}/api")


if __name__ == "__main__":
    main()
