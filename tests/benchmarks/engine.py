"""Processor time of a pair's steps, in a warm process: what the engine takes besides its optimisation.

    python tests/benchmarks/engine.py [--pair 4] [--rounds 3] [--data ../shared/luan60]

Prints, of the library call with the default preset and semantic maps and of writing its result, the median
seconds of processor time by step, and each as a ratio to the optimisation's in the same round: ratios can be
compared between runs, seconds on a quiet machine alone.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from one_pair import parser_of, paths_of

from pst_core import stylize
from pst_core.images.writing import write_image
from pst_core.pipeline import stylize as library

OTHERS = ("read", "encoder", "regions", "targets", "finish")  # steps that are no stage
OPTIMISATION = "optimisation"


class ProcessorClock(library.Clock):
    """Seconds of processor time by step, in all threads."""

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        step = step if step in OTHERS else OPTIMISATION
        start = time.process_time()
        yield
        self.seconds[step] = self.seconds.get(step, 0.0) + time.process_time() - start


def one_round(paths: list[str], folder: Path) -> dict[str, float]:
    start = time.process_time()
    result = stylize(*paths)
    seconds = dict(result.seconds, all=time.process_time() - start)
    for depth in (8, 16):
        start = time.process_time()
        write_image(folder / "result.png", result.image, bit_depth=depth, overwrite=True)
        seconds[f"PNG of {depth} bits"] = time.process_time() - start
    return seconds


def main() -> None:
    parser = parser_of(__doc__, pair=4)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    paths = paths_of(arguments.data, arguments.pair)
    library.Clock = ProcessorClock
    with tempfile.TemporaryDirectory() as folder:
        one_round(paths, Path(folder))  # warms up
        rounds = [one_round(paths, Path(folder)) for _ in range(arguments.rounds)]
    for step in rounds[0]:
        seconds = statistics.median(each[step] for each in rounds)
        ratio = statistics.median(each[step] / each[OPTIMISATION] for each in rounds)
        print(f"{step:<14} {seconds:7.3f} s {ratio:7.3f} of the optimisation's")


if __name__ == "__main__":
    main()
