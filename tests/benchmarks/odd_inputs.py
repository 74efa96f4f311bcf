"""What regions that are found do to odd photographs, against one region: gray ones, strips, a single surface.

    python tests/benchmarks/odd_inputs.py [--kinds gray,wide] [--pairs 1,4,16] [--jobs 2] [--set NAME=VALUE]

Luan et al.'s pairs are made odd, the content, the style, or both: without colour (gray), cut to a strip three
times as wide as high (wide) or as high as wide (tall), to a portrait of two to three (portrait), or to the
largest square inside a region of the maps (surface). Each is restyled by the first colour transfer alone, at
192 pixels, with regions that are found and with one region, and judged by the colour distance per region of
the true maps, cut likewise. Each kind prints means, and which pairs are worse for found regions by more than
5 %, which none is to be.
"""

import argparse
import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from quality import SHARED, SMALL, TRANSFER, Pixels, compare_regions, maps, photographs, settings_of
from scipy.ndimage import distance_transform_cdt

from pst_core import Config, stylize
from pst_core.errors import MapError
from pst_core.images.inputs import Inputs, load_inputs
from pst_core.pipeline.steps import regions_of_maps
from pst_core.quality.distances import color_distance
from pst_core.regions.labels import Regions, one_region

DATA = SHARED / "luan60"
SIDES = ("content", "style", "both")
STRIP = 3  # times as wide as high


class Side(NamedTuple):
    """A photograph and its map, each of shape (H, W, 3)."""

    photograph: Pixels
    map: Pixels


def gray(side: Side) -> Side:
    levels = np.asarray(Image.fromarray(side.photograph).convert("L"))
    return side._replace(photograph=np.repeat(levels[:, :, None], 3, axis=2))


def wide(side: Side) -> Side:
    height, width = side.photograph.shape[:2]
    return cut(side, (height - width // STRIP) // 2, 0, width // STRIP, width)


def tall(side: Side) -> Side:
    height, width = side.photograph.shape[:2]
    return cut(side, 0, (width - height // STRIP) // 2, height, height // STRIP)


def portrait(side: Side) -> Side:
    height, width = side.photograph.shape[:2]
    narrow = min(width, 2 * height // 3)
    return cut(side, 0, (width - narrow) // 2, height, narrow)


def surface(side: Side) -> Side:
    """The largest square of one colour of the map."""
    codes = side.map.astype(np.int64) @ (65536, 256, 1)
    inside = np.stack([padded_distance(codes == code) for code in common(codes)]).max(axis=0)
    row, column = np.unravel_index(inside.argmax(), inside.shape)
    reach = int(inside.max()) - 1
    return cut(side, row - reach, column - reach, 2 * reach + 1, 2 * reach + 1)


def common(codes: np.ndarray) -> np.ndarray:
    """The colours of a map that are more than an edge's blend."""
    found, counts = np.unique(codes, return_counts=True)
    return found[counts > 0.01 * codes.size]


def padded_distance(inside: np.ndarray) -> np.ndarray:
    """Chessboard distance to what is not inside, the picture's border included."""
    distance: np.ndarray = distance_transform_cdt(np.pad(inside, 1), "chessboard")[1:-1, 1:-1]
    return distance


def cut(side: Side, top: int, left: int, height: int, width: int) -> Side:
    rows, columns = slice(max(top, 0), top + height), slice(max(left, 0), left + width)
    return Side(side.photograph[rows, columns], side.map[rows, columns])


KINDS: dict[str, Callable[[Side], Side]] = {
    "gray": gray,
    "wide": wide,
    "tall": tall,
    "portrait": portrait,
    "surface": surface,
}


@dataclass(frozen=True)
class Task:
    """A pair, which is made odd in one way."""

    kind: str
    odd: str
    pair: int
    settings: dict[str, Any]


def sides(pair: int) -> tuple[Side, Side]:
    """Content and style; a map that is a pixel off is made to fit."""
    both = zip(photographs(DATA, pair), maps(DATA, pair), strict=True)
    content, style = (Side(photograph, fitted(labels, photograph.shape)) for photograph, labels in both)
    return content, style


def fitted(picture: Pixels, shape: tuple[int, ...]) -> Pixels:
    resized = Image.fromarray(picture).resize((shape[1], shape[0]), Image.Resampling.NEAREST)
    return np.asarray(resized)


def shrunk(side: Side) -> Side:
    scale = SMALL / max(side.photograph.shape[:2])
    size = tuple(max(round(length * scale), 1) for length in side.photograph.shape[1::-1])
    photograph = Image.fromarray(side.photograph).resize(size, Image.Resampling.LANCZOS)
    return Side(np.asarray(photograph), fitted(side.map, size[::-1]))


def run(task: Task) -> dict[str, float]:
    """Colour distance per true region with found regions and with one."""
    odd, (content, style) = KINDS[task.kind], sides(task.pair)
    content = shrunk(odd(content) if task.odd in ("content", "both") else content)
    style = shrunk(odd(style) if task.odd in ("style", "both") else style)
    inputs = load_inputs(content.photograph, style.photograph, content.map, style.map)
    regions = true_regions(inputs)
    return {
        name: color_distance(
            stylize(content.photograph, style.photograph, config=config).image, inputs.style.pixels,
            regions.content, regions.style, matched=regions.matched,
        )
        for name, config in configs(task.settings).items()
    }  # fmt: skip


def true_regions(inputs: Inputs) -> Regions:
    """Those of the maps; one, where a map has no more."""
    try:
        return regions_of_maps(inputs, Config())
    except MapError:
        return one_region((inputs.content.pixels, inputs.style.pixels), (None, None))


def configs(settings: dict[str, Any]) -> dict[str, Config]:
    return {
        "found": Config.make("default", **(TRANSFER | settings)),
        "one": Config.make("default", **(TRANSFER | settings | {"regions": 1})),
    }


def report(kind: str, odd: str, measured: dict[int, dict[str, float]]) -> None:
    means = {name: np.mean([each[name] for each in measured.values()]) for name in ("found", "one")}
    print(f"\n{kind}, {odd}: found {means['found']:.3f}, one region {means['one']:.3f}")
    found, one = (
        {pair: {"ours": {"colour": each[name]}} for pair, each in measured.items()}
        for name in ("found", "one")
    )
    print("\n".join(compare_regions(found, one, "one")), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--pairs", default="")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    arguments = parser.parse_args()
    everything = sorted(
        int(re.findall(r"in(\d+)", path.name)[0]) for path in (DATA / "input").glob("in*.png")
    )
    pairs = [int(name) for name in arguments.pairs.split(",") if name] or everything
    settings = settings_of(arguments.set)
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool:
        for kind in arguments.kinds.split(","):
            for odd in SIDES:
                tasks = [Task(kind, odd, pair, settings) for pair in pairs]
                report(kind, odd, dict(zip(pairs, pool.map(run, tasks), strict=True)))
    print("weights:", settings["weights"])


if __name__ == "__main__":
    main()
