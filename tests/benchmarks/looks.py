"""How much of a result its look holds, how steep it is, and what applying it costs.

    python tests/benchmarks/looks.py RESULTS [--pairs 1,4,8] [--data ../shared/luan60] [--megapixels 24]

RESULTS holds finished pictures by number, as `quality.py --out` leaves them. Prints for each pair the share
of the result's gain in colour distance that the whole look and the regional one reach (goals on the mean:
0.80 and 0.92), and the largest slope of both (goal 4); then bends in a ramp of 16 bits, and the seconds and
memory that a large picture takes.
"""

import argparse
import resource
import time
from pathlib import Path

import numpy as np
from one_pair import SHARED, paths_of

from pst_core.images.inputs import load_inputs
from pst_core.images.reading import Photograph, read_photograph
from pst_core.looks.lattice import Lattice
from pst_core.pipeline.applying import levels_of
from pst_core.pipeline.look import Look, fit_look
from pst_core.pipeline.regions import regions_of
from pst_core.quality.distances import color_distance
from pst_core.quality.slopes import largest_slope
from pst_core.settings.config import Config

RAMP = 2**12


def figures(data: Path, results: Path, number: int) -> tuple[list[float], Look]:
    """Gains of the whole and of the regional look, their slopes, and the look."""
    inputs, config = load_inputs(*paths_of(data, number)), Config()
    regions = regions_of(inputs, None, None, config)
    content, result = inputs.content.filled, read_photograph(results / f"{number}.png").filled
    started = time.perf_counter()
    look = fit_look(content, inputs.style.filled, regions, result, config)
    seconds = time.perf_counter() - started
    looked = [look.whole.apply(content), look.apply_by_region(content)]
    labels = regions.content, regions.style
    before, after, *reached = (
        color_distance(each, inputs.style.filled, *labels, matched=regions.matched)
        for each in (content, result, *looked)
    )
    gains = [(before - each) / (before - after) for each in reached]
    slopes = [largest_slope(looked[0], content), largest_slope(looked[1], content, regions.content)]
    return [*gains, *slopes, seconds], look


def bend(look: Lattice) -> float:
    """The largest second difference along a gray ramp, in levels of 8 bits: banding has some above one."""
    ramp = np.broadcast_to(np.linspace(0, 1, RAMP, dtype=np.float32), (3, 1, RAMP))
    return float(255 * np.abs(np.diff(look.apply(ramp), 2, axis=-1)).max())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path)
    parser.add_argument("--pairs")
    parser.add_argument("--data", type=Path, default=SHARED / "luan60")
    parser.add_argument("--megapixels", type=float, default=24)
    arguments = parser.parse_args()
    numbers = (
        [int(part) for part in arguments.pairs.split(",")] if arguments.pairs
        else sorted(int(path.stem) for path in arguments.results.glob("*.png") if path.stem.isdigit())
    )  # fmt: skip
    rows, bends, look = [], [], Look.of_whole(Lattice.identity())
    for number in numbers:
        row, look = figures(arguments.data, arguments.results, number)
        rows.append(row)
        bends.append(bend(look.whole))
        print(f"{number:4} gain whole {row[0]:.3f} regional {row[1]:.3f}   slope {row[2]:.2f} {row[3]:.2f}   "
              f"fitted in {row[4]:.1f} s", flush=True)  # fmt: skip
    mean, most = np.mean(rows, axis=0), np.max(rows, axis=0)
    print(f"mean gain whole {mean[0]:.3f} (goal 0.80) regional {mean[1]:.3f} (goal 0.92)")
    print(f"largest slope whole {most[2]:.2f} regional {most[3]:.2f} (goal 4)")
    print(f"largest bend of a gray ramp of {RAMP} steps: {max(bends):.3f} levels of 255")
    cost(look, arguments.megapixels)


def cost(look: Look, megapixels: float) -> None:
    """What a large picture takes under the whole look, and under all of them."""
    side = round((megapixels * 1e6) ** 0.5)
    pixels = np.random.default_rng(0).random((3, side, side), dtype=np.float32)
    picture = Photograph(pixels, None, "", Path("large.png"), 8)
    whole = f"{megapixels:g} megapixels under the whole look", (look.whole,), None
    regional = f"under {len(look.regions)} regions' looks", (*look.regions, look.whole), look.placement
    look.whole.apply(pixels[:, :1])  # loads what it is done with
    for name, lattices, shares in (whole, regional):
        before, started, worked = memory(), time.perf_counter(), time.process_time()
        levels_of(lattices, picture, shares, 8)
        seconds, of_cores = time.perf_counter() - started, time.process_time() - worked
        print(f"{name}: {seconds:.2f} s, {of_cores:.2f} s of all cores, {memory() - before:.0f} MB more")


def memory() -> float:
    """The process's largest so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
