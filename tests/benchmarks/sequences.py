"""Whether a restyled sequence flickers, and how fast frames are restyled.

    python tests/benchmarks/sequences.py [--pairs 4,16,49] [--frames 25] [--grain 0] [--preset default]

Makes sequences of photographs: a crop that moves over one by a fraction of a pixel that is known, and one
whose exposure rises as well. The change from a frame to the next one, once that is moved back by the known
motion, is held against the source's own, which is what moving back leaves, the grain and, of the ramp, the
exposure (goal: at most 1.2 times that). A look that raises contrast raises these as well, with no flicker at
all: so beside it stands what the first key's looks alone do, whose regions move as is known; and the same
frames each as a pair of its own.

Then frames of 1080 lines from files to files, as many a second as two cores do (goal: 8).
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from one_pair import SHARED, paths_of

from pst_core.images.input_files import probe
from pst_core.images.reading import Photograph, read_photograph
from pst_core.images.writing import encode_levels, to_levels
from pst_core.looks.lattice import Lattice
from pst_core.pipeline.applying import enlarged
from pst_core.pipeline.look import Look, finding_of_pair, fit_look
from pst_core.pipeline.stylize import stylize
from pst_core.sequences.carrying import Key
from pst_core.sequences.cuts import SIDE, find_cuts
from pst_core.sequences.footage import PictureFrames
from pst_core.sequences.motion import Small
from pst_core.sequences.restyling import levels_under, restyle
from pst_core.sequences.side_by_side import side_by_side
from pst_core.sequences.spans import Span, keys_of, plan_spans
from pst_core.settings.config import Config, OutputSettings

SHIFT = (2.37, 0.61)  # pixels a frame, to the right and down
STOPS = 1.0  # by which the exposure rises in all
EDGE = 8  # pixels that are not compared
PER_FRAME = 4  # frames that are done as pairs of their own


class Scene:
    """A crop that moves over a photograph.

    Parameters
    ----------
    photograph : ndarray of float32, shape (3, H, W)
    frames
        How many there are.
    stops
        By which the exposure rises from the first to the last.
    grain
        Standard deviation on [0, 1].
    """

    def __init__(self, photograph: np.ndarray, frames: int, stops: float, grain: float) -> None:
        self.photograph, self.frames, self.stops, self.grain = photograph, frames, stops, grain
        room = [int(np.ceil(each * frames)) + 4 for each in SHIFT]
        self.size = photograph.shape[2] - room[0], photograph.shape[1] - room[1]

    def frame(self, place: int) -> np.ndarray:
        """A frame, shape (3, h, w), with grain of its own."""
        moved = self.moved(self.photograph, (place * SHIFT[0] + 2, place * SHIFT[1] + 2))
        exposed = (moved**2.2 * 2 ** (self.stops * (place / (self.frames - 1) - 0.5))) ** (1 / 2.2)
        grain = np.random.default_rng(place).normal(0, self.grain, moved.shape)
        return np.rint((exposed + grain).clip(0, 1) * 255).astype(np.float32) / 255

    def change(self, frames: Sequence[np.ndarray]) -> float:
        """Mean change from each frame to the next, moved back onto it, in levels of 255."""
        inside = np.s_[:, EDGE:-EDGE, EDGE:-EDGE]
        return 255 * float(np.mean([
            np.abs(self.moved(after, (-SHIFT[0], -SHIFT[1])) - before)[inside].mean()
            for before, after in pairwise(frames)
        ]))  # fmt: skip

    def moved(self, image: np.ndarray, by: tuple[float, float]) -> np.ndarray:
        """What a crop shows that lies so far to the right and down."""
        move = np.array([[1, 0, by[0]], [0, 1, by[1]]], np.float32)
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        border = cv2.BORDER_REPLICATE
        planes = [cv2.warpAffine(plane, move, self.size, flags=flags, borderMode=border) for plane in image]
        return np.stack(planes).clip(0, 1).astype(np.float32)


def as_photograph(pixels: np.ndarray) -> Photograph:
    return Photograph(pixels, None, "", Path("frame.png"), 8)


def look_of(frame: np.ndarray, style: Photograph, config: Config) -> tuple[Look, np.ndarray]:
    """A frame's look as a pair, and the pair's own result."""
    result = stylize(to_levels(frame), style, config=config)
    finding = finding_of_pair(config, has_maps=False)
    look = fit_look(frame, style.filled, result.regions, result.image, config, finding)
    return look, result.image


def under_keys(
    frames: Sequence[np.ndarray], spans: Sequence[Span], looks: dict[int, Look]
) -> list[np.ndarray]:
    """Every frame as `levels_under` makes it."""
    found = []
    for span in spans:
        keys = Key(looks[span.before]), Key(looks[span.after])
        for place in range(span.first, span.stop):
            levels = levels_under(keys, span.distance(place), as_photograph(frames[place]), None, 8)
            found.append(np.moveaxis(levels, -1, 0).astype(np.float32) / 255)
    return found


def unchanging(scene: Scene, frames: Sequence[np.ndarray], look: Look) -> list[np.ndarray]:
    """Every frame under the first one's looks, whose regions move as the scene does."""
    masks = enlarged(look.placement, frames[0])
    found = []
    for place, frame in enumerate(frames):
        there = scene.moved(masks, (place * SHIFT[0], place * SHIFT[1]))
        lattices = (*look.regions, look.whole)
        parts = [lattice.apply(frame) * mask for lattice, mask in zip(lattices, there, strict=True)]
        found.append(np.rint(np.sum(parts, axis=0) / there.sum(axis=0) * 255).astype(np.float32) / 255)
    return found


def flicker(scene: Scene, style: Photograph, config: Config, out: Path | None) -> list[float]:
    """Change of the sequence, of frames as pairs, and under one look, over the source's own."""
    source = [scene.frame(place) for place in range(scene.frames)]
    cuts = find_cuts(Small.of(frame, SIDE) for frame in source)
    assert not cuts, f"a cut where there is none: {cuts}"
    spans = plan_spans(scene.frames, cuts, 24)
    looks = {key: look_of(source[key], style, config)[0] for key in keys_of(spans)}
    result = under_keys(source, spans, looks)
    middle = slice(scene.frames // 2, scene.frames // 2 + PER_FRAME)
    each = [look_of(frame, style, config)[1] for frame in source[middle]]
    own = scene.change(source)
    ratios = [
        scene.change(result) / own, scene.change(each) / scene.change(source[middle]),
        scene.change(unchanging(scene, source, looks[0])) / own,
    ]  # fmt: skip
    print(f"   source {own:.2f} levels; result {ratios[0]:.2f}, frame by frame {ratios[1]:.2f}, "
          f"one look {ratios[2]:.2f}", flush=True)  # fmt: skip
    if out is not None:
        save_strip(out, source, result)
    return ratios


def save_strip(path: Path, source: Sequence[np.ndarray], result: Sequence[np.ndarray]) -> None:
    """Five frames from all over, above what became of them."""
    places = np.linspace(0, len(source) - 1, 5).astype(int)
    rows = [np.concatenate([frames[place] for place in places], axis=2) for frames in (source, result)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_levels(to_levels(np.concatenate(rows, axis=1)), quick=True))


def speed(regions: int, frames: int) -> None:
    """Frames of 1080 lines from files to files, each key with so many regions; and looking for cuts."""
    picture = read_photograph(next((SHARED / "highres").glob("content*"))).filled
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for place in range(frames):
            crop = np.ascontiguousarray(picture[:, 300 + 2 * place :, 300 + 4 * place :][:, :1080, :1920])
            files.append(Path(folder) / f"{place:04}.png")
            files[-1].write_bytes(encode_levels(to_levels(crop), quick=True))
        footage = PictureFrames(files=tuple(map(probe, files)))
        keys = tuple(Key(_invented(crop, regions, rng)) for _ in range(2))

        def survey() -> None:
            find_cuts(
                side_by_side(
                    lambda each=each: Small.of(each().filled, SIDE)
                    for each in footage.decodings(range(frames))
                )
            )

        def write() -> None:
            jobs = (
                lambda each=each, place=place: restyle(each, keys, place / frames, None, OutputSettings())
                for place, each in enumerate(footage.decodings(range(frames)))
            )
            for place, restyled in enumerate(side_by_side(jobs)):
                (Path(folder) / f"{place:04}-result.png").write_bytes(restyled.picture)

        tell(f"1080 lines, {regions} regions: looking for cuts", survey, frames)
        tell(f"1080 lines, {regions} regions: restyling", write, frames)


def tell(what: str, work: Callable[[], None], frames: int) -> None:
    started, worked = time.perf_counter(), time.process_time()
    work()
    seconds, of_cores = time.perf_counter() - started, time.process_time() - worked
    print(f"{what} {frames / seconds:.1f} frames a second, {1000 * of_cores / frames:.0f} ms of a core each, "
          f"so {2 * frames / of_cores:.1f} on two free cores", flush=True)  # fmt: skip


def _invented(content: np.ndarray, regions: int, rng: np.random.Generator) -> Look:
    """A look whose regions are sectors of the picture."""
    small = Small.of(content, 700).image
    rows, columns = np.mgrid[-1 : 1 : small.shape[1] * 1j, -1 : 1 : small.shape[2] * 1j]
    sector = ((np.arctan2(rows, columns) / (2 * np.pi) + 0.5) * regions).astype(int).clip(0, regions - 1)
    masks = np.stack([sector == region for region in range(regions)]).astype(np.float32)
    lattices = [Lattice(Lattice.identity().values ** rng.uniform(0.7, 1.4)) for _ in range(regions)]
    return Look(Lattice.identity(), tuple(lattices), tuple(map(str, range(regions))), masks, small)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", default="4,16,49")
    parser.add_argument("--data", type=Path, default=SHARED / "luan60")
    parser.add_argument("--frames", type=int, default=25)
    parser.add_argument("--grain", type=float, default=0.0, help="standard deviation on [0, 1]")
    parser.add_argument("--preset", default="default")
    parser.add_argument("--out", type=Path, help="folder for strips of frames")
    parser.add_argument("--speed-only", action="store_true")
    arguments = parser.parse_args()
    for regions in (1, 2, 4):
        speed(regions, 24)
    if arguments.speed_only:
        return
    config, rows = Config.make(arguments.preset), []
    for number in map(int, arguments.pairs.split(",")):
        content, style = map(read_photograph, paths_of(arguments.data, number)[:2])
        for name, stops in (("pan", 0.0), ("ramp", STOPS)):
            print(f"{number} {name}", end="", flush=True)
            scene = Scene(content.filled, arguments.frames, stops, arguments.grain)
            strip = arguments.out and arguments.out / f"{number}-{name}.png"
            rows.append(flicker(scene, style, config, strip))
    result, each, one = np.mean(rows, axis=0)
    print(f"mean: result {result:.2f} (goal 1.2), frame by frame {each:.2f}, one look {one:.2f}")


if __name__ == "__main__":
    main()
