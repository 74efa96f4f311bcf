"""What a GPU makes of the library: rates, pairs a second, a large picture, equality with the CPU's.

    python tests/benchmarks/gpu.py [--device cuda] [--only machine,pairs] [--data ../shared/luan60]

On a machine with torch and a GPU, from the project's root, without Prefect, in under five minutes on an H100:

    pip install numpy scipy opencv-python-headless pillow pydantic safetensors simplejpeg scikit-learn &&
    PYTHONPATH=. PST_VGG19_WEIGHTS=vgg19.safetensors python tests/benchmarks/gpu.py --data luan60

Prints a line a figure as it is found, and at the end all of them as one line of JSON. A part that fails says
why, and the others go on:

- machine: the device, its driver, torch, cores, and the rate of a large product of bfloat16 matrices;
- evaluations: of the regional loss with its step, a second, at three sizes, as a graph's replays and without,
  and the share of the matrices' rate that their arithmetic comes to;
- large: a 24-megapixel content without maps and with, and of it what comes after the stages (1 s wanted);
- pairs: a second, from files to PNG files, on as many threads as there are cores, and as many processes
  (8 wanted at 700 pixels);
- equality: differences to the CPU's picture by the same arithmetic, in levels of 255, at the 99.9th
  percentile (2 allowed);
- bits: whether a picture has the same ones again, and without graphs;
- starved: what becomes of a pair that may have so much of the memory that it took at first;
- presets: `quality` and the method `luan`, once each.
"""

import pst_core  # noqa: F401  # isort: skip - how threads wait is said before what has them is loaded

import json
import math
import multiprocessing
import subprocess
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
import torch
from one_pair import parser_of, paths_of
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from pst_core import Config, PstError, stylize
from pst_core.cores import usable_cores
from pst_core.images.inputs import load_inputs
from pst_core.images.writing import write_image
from pst_core.machine import describe_device, free_device, has_fast_bfloat16, reproducible
from pst_core.network.encoder import open_encoder
from pst_core.optimisation import replay
from pst_core.optimisation.lbfgs import BufferedDescent
from pst_core.optimisation.objectives import regional_losses
from pst_core.optimisation.replay import captured
from pst_core.pipeline import steps
from pst_core.pipeline.stylize import Result

WARM_UP = 3
LARGE = (6000, 4000)
PAIRS_A_LANE = 6
SHARES = (2.0, 1.5, 1.2, 1.0, 0.7)  # of the memory that a pair took at first


@dataclass
class Run:
    """What is measured on, how much of it, and what was found."""

    device: torch.device
    data: Path
    pair: int
    quick: bool
    found: dict[str, dict[str, Any]] = field(default_factory=dict)

    def config(self, **settings: Any) -> Config:
        """Settings on the device; small ones where it has to be quick."""
        small = {"size": 64, "regional_iterations": 4} if self.quick else {}
        return Config.make(**{"device": str(self.device), **small, **settings})

    @property
    def paths(self) -> list[str]:
        return paths_of(self.data, self.pair)

    def seconds(self, action: Callable[[], object], times: int) -> float:
        """Seconds that each of several runs took, all of them together, the device's work included."""
        self.wait()
        start = time.perf_counter()
        for _ in range(times):
            action()
        self.wait()
        return (time.perf_counter() - start) / times

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def machine(run: Run) -> dict[str, Any]:
    dtype = torch.bfloat16 if has_fast_bfloat16(run.device) else torch.float32
    side = 256 if run.quick else 8192 if run.device.type == "cuda" else 2048
    left, right = (torch.randn(side, side, device=run.device).to(dtype) for _ in range(2))
    run.seconds(lambda: left @ right, WARM_UP)
    rate = 2 * side**3 / run.seconds(lambda: left @ right, 20)
    return {
        "device": describe_device(run.device), "driver": driver(run.device), "torch": torch.__version__,
        "cuda": torch.version.cuda, "cores": usable_cores(), "matrix_dtype": str(dtype),
        "matrix_teraflops": rate / 1e12,
    }  # fmt: skip


def driver(device: torch.device) -> str | None:
    if device.type != "cuda":
        return None
    asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() or None


def evaluations(run: Run) -> dict[str, Any]:
    rate = run.found.get("machine", {}).get("matrix_teraflops")
    sides = (64, 96) if run.quick else (256, 700, 1400)
    return {str(side): at_size(run, side, rate) for side in sides}


def at_size(run: Run, side: int, rate: float | None) -> dict[str, Any]:
    """Figures of one working size; photographs are enlarged to it."""
    times = 2 if run.quick or run.device.type == "cpu" else 50
    descent = descent_at(run, side, evaluations=2 * times + 3 * WARM_UP)
    with reproducible():
        with FlopCounterMode(display=False) as counter:
            descent.advance()
        operations = counter.get_total_flops() / 1e12
        run.seconds(descent.advance, WARM_UP)
        plain = run.seconds(descent.advance, times)
        found = {"teraflop": operations, "without_graph": 1 / plain}
        if run.device.type == "cuda":
            found |= with_graph(run, descent, times)
            found["peak_gigabytes"] = torch.cuda.max_memory_allocated(run.device) / 1e9
    if rate is not None:
        for way in ("without_graph", "with_graph"):
            if way in found:
                found[f"share_{way}"] = operations * found[way] / rate
    return found


def with_graph(run: Run, descent: BufferedDescent, times: int) -> dict[str, Any]:
    start = time.perf_counter()
    try:
        again = captured(descent.advance, run.device)
    except RuntimeError as error:
        return {"graph": f"refused: {error}"}
    run.wait()
    seconds = time.perf_counter() - start
    run.seconds(again, WARM_UP)
    return {"capture_seconds": seconds, "with_graph": 1 / run.seconds(again, times)}


def descent_at(run: Run, side: int, evaluations: int) -> BufferedDescent:
    config = run.config(size=side)
    kinds = (Image.Resampling.BICUBIC,) * 2 + (Image.Resampling.NEAREST,) * 2
    inputs = load_inputs(*(enlarged(path, side, kind) for path, kind in zip(run.paths, kinds, strict=True)))
    _, encoder = open_encoder(config, config.layers)
    regions = steps.regions_of_maps(inputs, config)
    pixels = inputs.content.filled, [inputs.style.filled]
    pair, targets = steps.precompute(*pixels, [regions], side, encoder, config, staged=True)
    objective = regional_losses(encoder, targets, config, even_slopes=True)
    image = steps.start_image(pair, config)
    return BufferedDescent(
        image, objective, history=config.history, step=config.step, evaluations=evaluations
    )


def enlarged(path: str, side: int, kind: Image.Resampling) -> np.ndarray:
    picture = Image.open(path).convert("RGB")
    scale = max(1.0, side / max(picture.size))
    return np.asarray(picture.resize([round(length * scale) for length in picture.size], kind))


def pairs(run: Run) -> dict[str, Any]:
    threads, processes = (2, 1) if run.quick else (usable_cores(),) * 2
    return {
        "threads": restyled(run, threads, ThreadPoolExecutor(threads, initializer=one_thread)),
        "processes": restyled(
            run,
            processes,
            ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), one_thread),
        ),
    }


def restyled(run: Run, lanes: int, pool: Executor) -> dict[str, Any]:
    """Pairs a second on so many lanes, from files to files."""
    numbers = sorted(int(path.stem[2:]) for path in (run.data / "input").glob("in*.png"))
    least = 1 if run.quick or run.device.type == "cpu" else PAIRS_A_LANE * lanes
    tasks = list(enumerate(numbers * math.ceil(least / len(numbers))))
    with tempfile.TemporaryDirectory() as folder, pool:
        done = partial(restyle, run.data, run.config(), Path(folder))
        list(pool.map(done, [(index, numbers[0]) for index in range(2 * lanes)]))  # warms up
        start = time.perf_counter()
        results = list(pool.map(done, tasks))
        seconds = time.perf_counter() - start
    each = {name: sum(result[name] for result in results) / len(results) for name in results[0]}
    return {
        "a_second": len(tasks) / seconds, "lanes": lanes, "pairs": len(tasks), "seconds_in_a_lane": each,
    }  # fmt: skip


def restyle(data: Path, config: Config, folder: Path, task: tuple[int, int]) -> dict[str, float]:
    """One pair from its files to its picture's; seconds of each step."""
    index, number = task
    result = stylize(*paths_of(data, number), config=config)
    start = time.perf_counter()
    write_image(folder / f"{index}.png", result.image, overwrite=True)
    return result.seconds | {"write": time.perf_counter() - start}


def one_thread() -> None:
    """Lanes share the cores: none of them takes several."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def large(run: Run) -> dict[str, Any]:
    size = (96, 64) if run.quick else LARGE
    kinds = (Image.Resampling.BICUBIC, Image.Resampling.NEAREST)
    photographs, maps = run.paths[:2], run.paths[2:]
    content, labels = (
        np.asarray(Image.open(path).convert("RGB").resize(size, kind))
        for path, kind in zip((photographs[0], maps[0]), kinds, strict=True)
    )
    bare = content, np.asarray(Image.open(photographs[1]).convert("RGB"))
    mapped = *bare, labels, np.asarray(Image.open(maps[1]).convert("RGB"))
    return {"megapixels": size[0] * size[1] / 1e6, "without_maps": at_full_size(run, *bare),
            "with_maps": at_full_size(run, *mapped)}  # fmt: skip


def at_full_size(run: Run, *sources: np.ndarray) -> dict[str, Any]:
    if not run.quick:
        stylize(*sources, config=run.config())  # warms up
    start = time.perf_counter()
    result = stylize(*sources, config=run.config())
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "after_stages": result.seconds["finish"], "steps": result.seconds}


def equality(run: Run) -> dict[str, Any]:
    return {precision: differences(run, precision) for precision in ("float32", "bfloat16")}


def differences(run: Run, precision: str) -> dict[str, float]:
    """How far a device's picture is from the CPU's, both in one arithmetic."""
    here, there = (
        stylize(*run.paths, config=run.config(precision=precision, device=device)).image
        for device in (str(run.device), "cpu")
    )
    apart = 255 * np.abs(here - there)
    return {
        "percentile_99.9": float(np.percentile(apart, 99.9)), "most": float(apart.max()),
        "mean": float(apart.mean()),
    }  # fmt: skip


def bits(run: Run) -> dict[str, Any]:
    with watched() as graphs:
        first = stylize(*run.paths, config=run.config())
    again = stylize(*run.paths, config=run.config())
    with mock.patch.object(replay, "captured", lambda advance, _device: advance):
        plain = stylize(*run.paths, config=run.config())
    return {
        "same_again": np.array_equal(first.image, again.image),
        "same_without_graphs": np.array_equal(first.image, plain.image), **graphs,
    }  # fmt: skip


@contextmanager
def watched() -> Iterator[dict[str, int]]:
    """How many graphs were captured in the block, and how many refused."""
    counts = {"captured": 0, "refused": 0}

    def counting(advance: Callable[[], None], device: torch.device) -> Callable[[], None]:
        try:
            again = captured(advance, device)
        except RuntimeError:
            counts["refused"] += 1
            raise
        counts["captured"] += 1
        return again

    with mock.patch.object(replay, "captured", counting):
        yield counts


def starved(run: Run) -> dict[str, Any]:
    if run.device.type != "cuda":
        return {"skipped": "a GPU's memory is looked at"}
    free_device()
    torch.cuda.reset_peak_memory_stats(run.device)
    enough = stylize(*run.paths, config=run.config())
    taken = torch.cuda.max_memory_reserved(run.device)
    whole, index = torch.cuda.get_device_properties(run.device).total_memory, run.device.index or 0
    try:
        return {"gigabytes": taken / 1e9} | {
            str(share): with_memory(run, index, share * taken / whole, enough) for share in SHARES
        }
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, index)


def with_memory(run: Run, index: int, fraction: float, enough: Result) -> dict[str, Any]:
    free_device()
    torch.cuda.set_per_process_memory_fraction(fraction, index)
    with watched() as graphs:
        try:
            result = stylize(*run.paths, config=run.config())
        except (PstError, RuntimeError) as error:
            return {"failed": f"{type(error).__name__}: {error}".partition("\n")[0], **graphs}
    return {"same": np.array_equal(result.image, enough.image), **graphs}


def presets(run: Run) -> dict[str, Any]:
    ways: dict[str, dict[str, Any]] = {"quality": {"preset": "quality"}, "luan": {"method": "luan"}}
    return {name: once(run, **settings) for name, settings in ways.items()}


def once(run: Run, **settings: Any) -> dict[str, Any]:
    start = time.perf_counter()
    result = stylize(*run.paths, config=run.config(**settings))
    last = result.trace[-1].evaluations
    return {
        "seconds": time.perf_counter() - start, "steps": result.seconds,
        "last_stage": [last[0].total, last[-1].total],
    }  # fmt: skip


PARTS = {
    part.__name__: part for part in (machine, evaluations, large, pairs, equality, bits, starved, presets)
}


def measured(part: Callable[[Run], dict[str, Any]], run: Run) -> dict[str, Any]:
    start = time.perf_counter()
    try:
        found = part(run)
    except Exception as error:  # noqa: BLE001 - a GPU is dear: the other parts are measured all the same
        traceback.print_exc()
        found = {"failed": f"{type(error).__name__}: {error}"}
    return found | {"took": time.perf_counter() - start}


def tell(name: str, value: object) -> None:
    if isinstance(value, dict):
        for key, each in value.items():
            tell(f"{name} {key}", each)
    else:
        print(f"{name}: {value:.4g}" if isinstance(value, float) else f"{name}: {value}", flush=True)


def main(arguments: list[str] | None = None) -> dict[str, dict[str, Any]]:
    parser = parser_of(__doc__, pair=4)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas between")
    parser.add_argument("--quick", action="store_true", help="small sizes: whether it runs, not how fast")
    chosen = parser.parse_args(arguments)
    names = chosen.only.split(",")
    if unknown := set(names) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}: choose from {', '.join(PARTS)}")
    run = Run(torch.device(chosen.device), chosen.data, chosen.pair, chosen.quick)
    for name in names:
        run.found[name] = measured(PARTS[name], run)
        tell(name, run.found[name])
    print(json.dumps(run.found))
    return run.found


if __name__ == "__main__":
    main()
