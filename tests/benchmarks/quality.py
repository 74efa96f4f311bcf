"""Quality over Luan et al.'s pairs: ours against their published results, at native size.

    python tests/benchmarks/quality.py [--data ../shared/luan60] [--pairs 1,4,16] [--preset default]
        [--out FOLDER] [--sheet 1,4,16] [--set NAME=VALUE ...]

Prints a row a pair: SSIM to the content (higher is better), colour distance and regional Gram distance to
the style (lower is better), theirs and ours; then means and how often ours is at least as good in both of
the first two. `--out` keeps the pictures; `--sheet` draws content, style, Luan, ours.
"""

import argparse
import json
import os
import re
import time
from pathlib import Path

import numpy as np
from PIL import Image

from pst_core import Config, stylize
from pst_core.images.reading import read_photograph
from pst_core.images.writing import write_image
from pst_core.network.encoder import open_encoder
from pst_core.pipeline.stylize import Result
from pst_core.quality.distances import color_distance, structural_similarity
from pst_core.quality.grams import gram_distance

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"


def gram_of(image: np.ndarray, style: np.ndarray, result: Result) -> float:
    """Regional Gram distance by the run's weights, in float32 on the CPU."""
    config = result.config.model_copy(update={"device": "cpu", "precision": "float32"})
    _, encoder = open_encoder(config, config.layers)
    return gram_distance(image, style, result.regions, encoder, tuple(config.style_layers))


def scores(image: np.ndarray, result: Result, with_gram: bool) -> tuple[float, float, float]:
    content, style, regions = result.inputs.content.pixels, result.inputs.style.pixels, result.regions
    image = np.round(image * 255) / np.float32(255)  # as the picture file holds it
    return (
        structural_similarity(image, content),
        color_distance(image, style, regions.content, regions.style, matched=regions.matched),
        gram_of(image, style, result) if with_gram else float("nan"),
    )


def luan_result(data: Path, pair: int, shape: tuple[int, ...]) -> np.ndarray:
    theirs = Image.open(data / f"luan_results/best{pair}_t_1000.png").convert("RGB")
    if theirs.size != (shape[2], shape[1]):
        theirs = theirs.resize((shape[2], shape[1]), Image.Resampling.BICUBIC)
    return np.moveaxis(np.asarray(theirs, dtype=np.float32) / 255, 2, 0)


def thumbnail(pixels: np.ndarray, width: int = 480) -> Image.Image:
    picture = Image.fromarray(np.moveaxis(np.round(pixels * 255).astype(np.uint8), 0, 2))
    return picture.resize((width, round(width * 0.66)), Image.Resampling.LANCZOS)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=SHARED / "luan60")
    parser.add_argument("--pairs", default="")
    parser.add_argument("--preset", default="default")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--sheet", default="")
    parser.add_argument("--gram", action="store_true", help="regional Gram distances too (slow)")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    return parser.parse_args()


def main() -> None:
    arguments = parse()
    pairs = [int(name) for name in arguments.pairs.split(",") if name] or sorted(
        int(re.findall(r"in(\d+)", path.name)[0]) for path in (arguments.data / "input").glob("in*.png")
    )
    given = SHARED / "weights/vgg19-hybrid.fp16.safetensors"
    settings = {"weights": os.environ.get("PST_VGG19_WEIGHTS", str(given))}
    for item in arguments.set:
        name, _, value = item.partition("=")
        settings[name] = json.loads(value) if value[0] in "0123456789{[n" else value
    config = Config.make(arguments.preset, **settings)
    sheet = {int(name) for name in arguments.sheet.split(",") if name}
    rows, pictures = [], []
    print("pair   Luan: SSIM  colour   Gram   ours: SSIM  colour   Gram   match  seconds", flush=True)
    for pair in pairs:
        data = arguments.data
        start = time.perf_counter()
        result = stylize(
            data / f"input/in{pair}.png", data / f"style/tar{pair}.png",
            data / f"segmentation/in{pair}.png", data / f"segmentation/tar{pair}.png", config,
        )  # fmt: skip
        seconds = time.perf_counter() - start
        theirs = luan_result(data, pair, result.image.shape)
        row = [*scores(theirs, result, arguments.gram), *scores(result.image, result, arguments.gram)]
        rows.append(row)
        numbers = "  ".join(f"{value:7.3f}" for value in row)
        print(f"{pair:4d}   {numbers}  {result.color_match:5.2f}  {seconds:6.1f}", flush=True)
        if arguments.out:
            write_image(arguments.out / f"{pair}.png", result.image, overwrite=True)
        if pair in sheet:
            style = read_photograph(data / f"style/tar{pair}.png").pixels
            pictures.append([result.inputs.content.pixels, style, theirs, result.image])
    table = np.array(rows)
    print("mean   " + "  ".join(f"{value:7.3f}" for value in table.mean(axis=0)))
    wins = (table[:, 3] >= table[:, 0]) & (table[:, 4] <= table[:, 1])
    print(f"SSIM at least theirs and colour distance at most theirs: {wins.sum()} of {len(pairs)} pairs")
    print("not:", [pair for pair, won in zip(pairs, wins, strict=True) if not won])
    print("weights:", result.weights.name, result.weights.sha256[:16])
    if pictures:
        lines = [
            np.concatenate([np.asarray(thumbnail(pixels)) for pixels in line], axis=1) for line in pictures
        ]
        Image.fromarray(np.concatenate(lines)).save(arguments.out / "sheet.png")


if __name__ == "__main__":
    main()
