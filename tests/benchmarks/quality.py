"""Quality over Luan et al.'s pairs: ours against their published results, at native size.

    python tests/benchmarks/quality.py [--rows with-maps,without-maps] [--pairs 1,4,16] [--jobs 2]
        [--out FOLDER] [--data ../shared/luan60] [--preset default] [--set NAME=VALUE ...] [--sheet 1,4,16]

Rows, all of them without `--rows`:

- with-maps, quality: the presets `default` and `quality` with semantic maps
- without-optimisation: the same as with-maps, start and closing match alone
- without-maps, one-region: regions found in the photographs, and one region for all
- transfer-maps, transfer-found, transfer-one: the first colour transfer alone, all at 192 pixels
- self-reference: pairs made of one photograph each, whose right answer is known

Whatever made it, a picture is judged by the regions of the true maps. Each row prints a line a pair, then
means, how often ours wins, and what it is to reach. With `--out` pictures and scores are kept
(ROW/PAIR.png, ROW.json), so that rows and pairs can be run one after another and are compared all the same;
what is kept of Luan's own results is not measured again. `--sheet` draws content, style, Luan, ours.
"""

import pst_core  # noqa: F401  # isort: skip - how threads wait is said before what has them is loaded

import argparse
import json
import multiprocessing
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pst_core import Config, stylize
from pst_core.color.baselines import linear, match_histograms
from pst_core.errors import PstError
from pst_core.images.inputs import Inputs, load_inputs
from pst_core.images.writing import write_image
from pst_core.network.encoder import open_encoder
from pst_core.pipeline.steps import regions_of_maps
from pst_core.quality.answers import answer_similarity, mean_ciede2000, peak_signal_to_noise
from pst_core.quality.distances import color_distance, structural_similarity
from pst_core.quality.grams import gram_distance
from pst_core.quality.rims import rim_overshoot
from pst_core.quality.self_reference import FIRST_SEED, self_reference
from pst_core.quality.slopes import largest_slope
from pst_core.regions.labels import Regions

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
WEIGHTS = SHARED / "weights/vgg19-hybrid.fp16.safetensors"
SELF_REFERENCE = (1, 4, 5, 8, 14, 17, 22, 25, 29, 31, 37, 41, 44, 47, 49, 53)
SMALL = 192  # pixels
TRANSFER = {"size": SMALL, "rounds": 0, "color_match": 0.0, "detail": 0.0}

Pixels = np.ndarray
Scores = dict[str, float]
Table = dict[int, dict[str, Scores]]
"""Pair -> whose result -> scores."""


@dataclass(frozen=True)
class Row:
    """What is run over the pairs: a preset and settings, with maps or without, at native size or small."""

    preset: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    maps: bool = False
    small: bool = False
    answers: bool = False


ROWS = {
    "with-maps": Row(maps=True),
    "without-optimisation": Row(settings={"method": "without-optimisation"}, maps=True),
    "quality": Row(preset="quality", maps=True),
    "without-maps": Row(),
    "one-region": Row(settings={"regions": 1}),
    "transfer-maps": Row(settings=TRANSFER, maps=True, small=True),
    "transfer-found": Row(settings=TRANSFER, small=True),
    "transfer-one": Row(settings=TRANSFER | {"regions": 1}, small=True),
    "self-reference": Row(answers=True),
}


@dataclass(frozen=True)
class Task:
    """One pair of one row."""

    row: str
    pair: int
    place: int
    data: Path
    preset: str
    settings: dict[str, Any]
    out: Path | None
    gram: bool
    theirs: Scores | None

    @property
    def config(self) -> Config:
        row = ROWS[self.row]
        return Config.make(row.preset or self.preset, **(row.settings | self.settings))


@dataclass(frozen=True)
class Measured:
    """What came of a task."""

    task: Task
    scores: dict[str, Scores]
    seconds: float
    color_match: float


def read(path: Path, side: int | None = None, resample: int = Image.Resampling.LANCZOS) -> Pixels:
    """A picture as uint8 of shape (H, W, 3), shrunk to a long side if one is given."""
    image = Image.open(path).convert("RGB")
    if side is not None:
        scale = side / max(image.size)
        image = image.resize((round(image.width * scale), round(image.height * scale)), resample)
    return np.asarray(image)


def planes(levels: Pixels) -> Pixels:
    """Float32 on [0, 1], shape (3, H, W)."""
    return np.ascontiguousarray(np.moveaxis(levels, -1, 0)) / np.float32(255)


def photographs(data: Path, pair: int, side: int | None = None) -> tuple[Pixels, Pixels]:
    """Content and style."""
    return read(data / f"input/in{pair}.png", side), read(data / f"style/tar{pair}.png", side)


def maps(data: Path, pair: int, side: int | None = None) -> tuple[Pixels, Pixels]:
    """Their semantic maps."""
    nearest = Image.Resampling.NEAREST
    paths = data / f"segmentation/in{pair}.png", data / f"segmentation/tar{pair}.png"
    return read(paths[0], side, nearest), read(paths[1], side, nearest)


def true_pair(data: Path, pair: int, side: int | None = None) -> tuple[Inputs, Regions]:
    """Both photographs, and the regions of the maps by which every result is judged."""
    inputs = load_inputs(*photographs(data, pair, side), *maps(data, pair, side))
    return inputs, regions_of_maps(inputs, Config())


def luan_result(data: Path, pair: int, shape: tuple[int, ...]) -> Pixels:
    theirs = Image.open(data / f"luan_results/best{pair}_t_1000.png").convert("RGB")
    if theirs.size != (shape[2], shape[1]):
        theirs = theirs.resize((shape[2], shape[1]), Image.Resampling.BICUBIC)
    return planes(np.asarray(theirs))


def number(measure: Callable[[], float]) -> float:
    """A measure's value; none where it cannot be taken."""
    try:
        return measure()
    except PstError:
        return float("nan")


def gram_of(image: Pixels, style: Pixels, regions: Regions, weights: str) -> float:
    """Regional Gram distance in float32 on the CPU."""
    config = Config(weights=weights, device="cpu", precision="float32")
    _, encoder = open_encoder(config, config.layers)
    return gram_distance(image, style, regions, encoder, tuple(config.style_layers))


def scores_of(image: Pixels, inputs: Inputs, regions: Regions, *, weights: str | None) -> Scores:
    """The measures of one result against its pair; of Gram matrices only with weights."""
    content, style = inputs.content.pixels, inputs.style.pixels
    image = np.round(image * 255) / np.float32(255)  # as the picture file holds it
    scores = {
        "SSIM": structural_similarity(image, content),
        "colour": color_distance(image, style, regions.content, regions.style, matched=regions.matched),
        "rims": number(lambda: rim_overshoot(image, content)),
        "slope": number(lambda: largest_slope(image, content, regions.content)),
    }
    if weights:
        scores["Gram"] = gram_of(image, style, regions, weights)
    return scores


def answer_scores(image: Pixels, answer: Pixels) -> Scores:
    """The measures of one result against the right answer."""
    image = np.round(image * 255) / np.float32(255)
    return {
        "PSNR": peak_signal_to_noise(image, answer),
        "SSIM": answer_similarity(image, answer),
        "CIEDE2000": mean_ciede2000(image, answer),
    }


def run(task: Task) -> Measured:
    """Make one picture and measure it, with what it is compared with."""
    return _run_answered(task) if ROWS[task.row].answers else _run_pair(task)


def _run_pair(task: Task) -> Measured:
    row, config = ROWS[task.row], task.config
    side = SMALL if row.small else None
    inputs, regions = true_pair(task.data, task.pair, side)
    given = maps(task.data, task.pair, side) if row.maps else ()
    start = time.perf_counter()
    result = stylize(*photographs(task.data, task.pair, side), *given, config=config)
    seconds = time.perf_counter() - start
    weights = config.weights if task.gram and not row.small else None
    scores = {"ours": scores_of(result.image, inputs, regions, weights=weights)}
    if not row.small:
        theirs = luan_result(task.data, task.pair, result.image.shape)
        known = task.theirs is not None and (weights is None or "Gram" in task.theirs)
        scores["Luan"] = task.theirs if known else scores_of(theirs, inputs, regions, weights=weights)
    _keep(task, result.image)
    return Measured(task, scores, seconds, result.color_match)


def _run_answered(task: Task) -> Measured:
    """The left part of a photograph in the look of its graded right part."""
    pair = self_reference(read(task.data / f"input/in{task.pair}.png"), FIRST_SEED + task.place)
    content, style, answer = map(planes, pair)
    start = time.perf_counter()
    result = stylize(pair.content, pair.style, config=task.config)
    seconds = time.perf_counter() - start
    made = {
        "content": content, "linear": linear(content, style),
        "histogram": match_histograms(content, style), "ours": result.image,
    }  # fmt: skip
    scores = {name: answer_scores(image, answer) for name, image in made.items()}
    scores["ours"]["rims"] = number(lambda: rim_overshoot(result.image, content))
    scores["ours"]["slope"] = number(lambda: largest_slope(result.image, content))
    _keep(task, result.image)
    return Measured(task, scores, seconds, result.color_match)


def _keep(task: Task, image: Pixels) -> None:
    if task.out is not None:
        (task.out / task.row).mkdir(parents=True, exist_ok=True)
        write_image(task.out / task.row / f"{task.pair}.png", image, overwrite=True)


def run_all(tasks: Sequence[Task], jobs: int) -> Iterator[Measured]:
    """Run tasks in order, over as many processes."""
    if jobs == 1:
        yield from map(run, tasks)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(run, tasks)


def column(table: Table, whose: str, measure: str) -> np.ndarray:
    """One measure of all pairs of a row that have it, in the order of the table."""
    return np.array([scores[whose].get(measure, np.nan) for scores in table.values()])


def mean(table: Table, whose: str, measure: str) -> float:
    values = column(table, whose, measure)
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def wins(table: Table) -> dict[int, bool]:
    """Pair -> whether ours is at least as good as Luan's in both SSIM and colour."""
    return {
        pair: each["ours"]["SSIM"] >= each["Luan"]["SSIM"]
        and each["ours"]["colour"] <= each["Luan"]["colour"]
        for pair, each in table.items()
    }


def reached(name: str, value: float, bound: str, limit: float) -> str:
    """A line on a figure that is to be at least or at most something."""
    good = value >= limit if bound == "at least" else value <= limit
    return f"  {name}: {value:.3f}, to be {bound} {limit:g}: {'yes' if good else 'NO'}"


def counted(name: str, won: dict[int, bool], limit: int | None = None) -> Iterator[str]:
    """Lines on how many pairs have something; `limit` of 36 are to."""
    wanted = "" if limit is None else f", to be at least {limit} of 36"
    yield f"  {name}: {sum(won.values())} of {len(won)} pairs{wanted}"
    if lost := [pair for pair, good in won.items() if not good]:
        yield f"    not: {lost}"


def conclude_with_maps(table: Table, others: dict[str, Table]) -> Iterator[str]:
    yield reached("SSIM", mean(table, "ours", "SSIM"), "at least", 0.69)
    yield reached("colour", mean(table, "ours", "colour"), "at most", 1.95)
    yield reached("Gram", mean(table, "ours", "Gram"), "at most", 0.20)
    yield from counted("SSIM and colour as good as Luan's", wins(table), 35)
    yield from conclude_looks(table)


def conclude_looks(table: Table) -> Iterator[str]:
    yield reached("rims, mean", mean(table, "ours", "rims"), "at most", 1.1)
    slopes = column(table, "ours", "slope")
    yield reached("slope, largest of all pairs", float(np.nanmax(slopes)), "at most", 6)
    steep = [pair for pair, slope in zip(table, slopes, strict=True) if slope > 6]
    yield f"  slope, mean: {np.nanmean(slopes):.3f}; above 6: {steep}"


def conclude_quality(table: Table, others: dict[str, Table]) -> Iterator[str]:
    won = {
        pair: good and table[pair]["ours"]["Gram"] <= 1.3 * table[pair]["Luan"]["Gram"]
        for pair, good in wins(table).items()
        if "Gram" in table[pair]["ours"]
    }
    yield from counted("SSIM and colour as good as Luan's", wins(table))
    yield from counted("and Gram at most 1.3 times theirs", won, 24)


def conclude_without_maps(table: Table, others: dict[str, Table]) -> Iterator[str]:
    yield reached("colour per true region", mean(table, "ours", "colour"), "at most", 4.0)
    yield from counted("SSIM and colour as good as Luan's", wins(table), 18)
    yield from compare_regions(table, others.get("one-region", {}), "one-region")


def compare_regions(table: Table, one: Table, name: str) -> Iterator[str]:
    """By how much found regions are worse than one region, pair by pair."""
    both = [pair for pair in table if pair in one]
    if not both:
        yield f"  against one region: run the row {name}, too, with the same --out"
        return
    ratios = {pair: table[pair]["ours"]["colour"] / one[pair]["ours"]["colour"] for pair in both}
    worst = max(ratios, key=lambda pair: ratios[pair])
    yield reached(f"colour against one region's, worst pair ({worst})", ratios[worst], "at most", 1.05)
    worse = {pair: round(ratio, 2) for pair, ratio in ratios.items() if ratio > 1.05}
    yield f"    over {len(both)} pairs; worse by more than 5 %: {worse}"


def conclude_transfer(table: Table, others: dict[str, Table]) -> Iterator[str]:
    yield reached("colour per true region", mean(table, "ours", "colour"), "at most", 4.2)
    yield from compare_regions(table, others.get("transfer-one", {}), "transfer-one")


def conclude_ablation(table: Table, others: dict[str, Table]) -> Iterator[str]:
    whole = {pair: scores for pair, scores in others.get("with-maps", {}).items() if pair in table}
    if not whole:
        yield "  against the whole method: run the row with-maps, too, with the same --out"
        return
    without = {pair: table[pair] for pair in whole}
    ratio = mean(whole, "ours", "Gram") / mean(without, "ours", "Gram")
    yield reached(f"Gram with optimisation, of that without, {len(whole)} pairs", ratio, "at most", 0.65)
    yield reached("SSIM with it", mean(whole, "ours", "SSIM"), "at least", mean(without, "ours", "SSIM"))
    yield reached("colour with it", mean(whole, "ours", "colour"), "at most", mean(without, "ours", "colour"))


def conclude_answers(table: Table, others: dict[str, Table]) -> Iterator[str]:
    yield reached("PSNR", mean(table, "ours", "PSNR"), "at least", 29.0)
    yield reached("SSIM", mean(table, "ours", "SSIM"), "at least", 0.985)
    yield reached("CIEDE2000", mean(table, "ours", "CIEDE2000"), "at most", 4.0)
    yield from conclude_looks(table)


CONCLUSIONS: dict[str, Callable[[Table, dict[str, Table]], Iterator[str]]] = {
    "with-maps": conclude_with_maps,
    "without-optimisation": conclude_ablation,
    "quality": conclude_quality,
    "without-maps": conclude_without_maps,
    "transfer-found": conclude_transfer,
    "self-reference": conclude_answers,
}


def line_of(scores: dict[str, Scores]) -> str:
    return "   ".join(
        f"{whose}: " + " ".join(f"{name} {value:.3f}" for name, value in own.items())
        for whose, own in scores.items()
    )


def report(row: str, tables: dict[str, Table]) -> Iterator[str]:
    """A row's means and what it is to reach."""
    table = tables[row]
    first = next(iter(table.values()))
    means = {whose: {name: mean(table, whose, name) for name in own} for whose, own in first.items()}
    yield f"mean of {len(table)} pairs   {line_of(means)}"
    if row in CONCLUSIONS:
        yield from CONCLUSIONS[row](table, {name: other for name, other in tables.items() if name != row})


def thumbnail(pixels: Pixels, width: int = 480) -> Image.Image:
    picture = Image.fromarray(np.moveaxis(np.round(pixels * 255).astype(np.uint8), 0, 2))
    return picture.resize((width, round(width * 0.66)), Image.Resampling.LANCZOS)


def draw_sheet(row: str, pairs: Iterable[int], data: Path, out: Path) -> None:
    """Content, style, Luan's and ours of some pairs of a row, below one another: ROW.sheet.png."""
    lines = []
    for pair in pairs:
        content, style = map(planes, photographs(data, pair))
        ours = planes(read(out / row / f"{pair}.png"))
        shown = content, style, luan_result(data, pair, content.shape), ours
        lines.append(np.concatenate([np.asarray(thumbnail(pixels)) for pixels in shown], axis=1))
    Image.fromarray(np.concatenate(lines)).save(out / f"{row}.sheet.png")


def load_tables(out: Path | None) -> dict[str, Table]:
    """What was kept of rows that were run before."""
    found = {name: out / f"{name}.json" for name in ROWS} if out is not None else {}
    return {
        name: {int(pair): scores for pair, scores in json.loads(path.read_text()).items()}
        for name, path in found.items()
        if path.is_file()
    }


def save_table(out: Path | None, row: str, table: Table) -> None:
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{row}.json").write_text(json.dumps(dict(sorted(table.items())), indent=1))


def their_scores(tables: dict[str, Table], pair: int) -> Scores | None:
    """The fullest of what is known of Luan's result for a pair."""
    known = [table[pair]["Luan"] for table in tables.values() if "Luan" in table.get(pair, {})]
    return max(known, key=len, default=None)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=SHARED / "luan60")
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--pairs", default="", help="all; for self-reference the 16 that are usual")
    parser.add_argument("--preset", default="default", help="of every row but quality")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--sheet", default="")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--no-gram", action="store_true", help="leave Gram distances out, which are slow")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.rows.split(",") if name not in ROWS]:
        parser.error(f"there is no row {unknown[0]!r}: choose from {', '.join(ROWS)}")
    return arguments


def settings_of(given: Iterable[str]) -> dict[str, Any]:
    settings: dict[str, Any] = {"weights": os.environ.get("PST_VGG19_WEIGHTS", str(WEIGHTS))}
    for item in given:
        name, _, value = item.partition("=")
        settings[name] = json.loads(value) if value[:1] in "0123456789{[n" else value
    return settings


def list_tasks(row: str, arguments: argparse.Namespace, tables: dict[str, Table]) -> list[Task]:
    """The pairs of a row. A self-reference's grade goes by its photograph's place among the usual ones."""
    everything = sorted(
        int(re.findall(r"in(\d+)", path.name)[0]) for path in (arguments.data / "input").glob("in*.png")
    )
    usual = list(SELF_REFERENCE) if ROWS[row].answers else everything
    chosen = [int(name) for name in arguments.pairs.split(",") if name] or usual
    task = partial(
        Task, row=row, data=arguments.data, preset=arguments.preset, settings=settings_of(arguments.set),
        out=arguments.out, gram=not arguments.no_gram,
    )  # fmt: skip
    return [
        task(pair=pair, place=usual.index(pair), theirs=their_scores(tables, pair))
        for pair in chosen
        if pair in usual
    ]


def main() -> None:
    arguments = parse()
    tables = load_tables(arguments.out)
    for row in arguments.rows.split(","):
        tasks = list_tasks(row, arguments, tables)
        if not tasks:
            continue
        print(f"\n{row}", flush=True)
        now: Table = {}
        for made in run_all(tasks, arguments.jobs):
            pair = made.task.pair
            now[pair] = made.scores
            print(
                f"{pair:4d}   {line_of(made.scores)}   match {made.color_match:.2f} {made.seconds:.1f} s",
                flush=True,
            )
            save_table(arguments.out, row, tables.get(row, {}) | now)
        tables[row] = now
        print("\n".join(report(row, tables)), flush=True)
        if arguments.sheet and not ROWS[row].answers and not ROWS[row].small:
            chosen = [int(name) for name in arguments.sheet.split(",") if int(name) in now]
            draw_sheet(row, chosen, arguments.data, arguments.out)
    print("weights:", settings_of(arguments.set)["weights"])


if __name__ == "__main__":
    main()
