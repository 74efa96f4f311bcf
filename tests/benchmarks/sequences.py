"""Whether a restyled sequence flickers, and how fast frames are restyled.

    python tests/benchmarks/sequences.py [--pairs 4,16,49] [--frames 25] [--preset default] [--speed-only]

Makes sequences of photographs that stand still: a crop that moves over the photograph by a fraction of a pixel
that is known, and one whose exposure rises as well. Flicker is the mean change from a frame to the next one, once
that is moved back by the known motion; printed is that of the result over that of the source, whose change is
what moving back leaves, the grain and, of the ramp, the exposure (goal: at most 1.2). Beside it stand the same
frames each as a pair of its own, and the whole sequence under one look that nothing changes: what it has above 1
is the look's contrast.

Then frames of 1080 lines from files to files, as many a second as two cores do (goal: 8).
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from one_pair import SHARED, paths_of

from pst_core.images.input_files import probe
from pst_core.images.reading import Photograph, read_photograph
from pst_core.images.writing import encode_levels, to_levels
from pst_core.pipeline.applying import enlarged, strips_of
from pst_core.pipeline.look import Look, finding_of_pair, fit_look
from pst_core.pipeline.stylize import stylize
from pst_core.sequences.carrying import Key
from pst_core.sequences.cuts import SIDE, find_cuts
from pst_core.sequences.footage import PictureFrames
from pst_core.sequences.mixing import frame_under
from pst_core.sequences.motion import Small
from pst_core.sequences.restyling import restyle
from pst_core.sequences.side_by_side import side_by_side
from pst_core.sequences.spans import Span, keys_of, plan_spans
from pst_core.settings.config import Config, OutputSettings

SHIFT = (2.37, 0.61)  # pixels a frame, to the right and down
GRAIN = 0.01  # standard deviation on [0, 1]
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
    """

    def __init__(self, photograph: np.ndarray, frames: int, stops: float) -> None:
        self.photograph, self.frames, self.stops = photograph, frames, stops
        room = [int(np.ceil(each * frames)) + 4 for each in SHIFT]
        self.size = photograph.shape[2] - room[0], photograph.shape[1] - room[1]

    def frame(self, place: int) -> np.ndarray:
        """A frame, shape (3, h, w), with grain of its own."""
        moved = self._moved(self.photograph, (place * SHIFT[0] + 2, place * SHIFT[1] + 2))
        exposed = (moved**2.2 * 2 ** (self.stops * (place / (self.frames - 1) - 0.5))) ** (1 / 2.2)
        grain = np.random.default_rng(place).normal(0, GRAIN, moved.shape)
        return np.rint((exposed + grain).clip(0, 1) * 255).astype(np.float32) / 255

    def change(self, frames: Sequence[np.ndarray]) -> float:
        """Mean change from each frame to the next, moved back onto it, in levels of 255."""
        changes = []
        for before, after in zip(frames, frames[1:], strict=False):
            back = self._moved(after, (-SHIFT[0], -SHIFT[1]))
            inside = np.s_[:, EDGE:-EDGE, EDGE:-EDGE]
            changes.append(float(np.abs(back - before)[inside].mean()) * 255)
        return float(np.mean(changes))

    def _moved(self, image: np.ndarray, by: tuple[float, float]) -> np.ndarray:
        move = np.array([[1, 0, by[0]], [0, 1, by[1]]], np.float32)
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        planes = [cv2.warpAffine(plane, move, self.size, flags=flags) for plane in image]
        return np.stack(planes).clip(0, 1).astype(np.float32)


def as_photograph(pixels: np.ndarray) -> Photograph:
    return Photograph(pixels, None, "", Path("frame.png"), 8)


def look_of(frame: np.ndarray, style: Photograph, config: Config) -> tuple[Look, np.ndarray]:
    """A frame's look as a pair, and the pair's own result."""
    result = stylize(np.ascontiguousarray(np.moveaxis(to_levels(frame), -1, -1)), style, config=config)
    finding = finding_of_pair(config, has_maps=False)
    look = fit_look(frame, style.filled, result.regions, result.image, config, finding)
    return look, result.image


def under_keys(
    frames: Sequence[np.ndarray], spans: Sequence[Span], looks: dict[int, Look]
) -> list[np.ndarray]:
    """Every frame as `frame_under` makes it."""
    found = []
    for span in spans:
        keys = Key(looks[span.before]), Key(looks[span.after])
        for place in range(span.first, span.stop):
            levels = frame_under(keys, span.distance(place), as_photograph(frames[place]), None, 8)
            found.append(np.moveaxis(levels, -1, 0).astype(np.float32) / 255)
    return found


def flicker(
    number: int, data: Path, frames: int, config: Config, name: str, stops: float, out: Path | None
) -> list[float]:
    """Change of the sequence, of frames as pairs, and under one look, over the source's."""
    content, style, *_ = paths_of(data, number)
    scene, styled = Scene(read_photograph(content).filled, frames, stops), read_photograph(style)
    source = [scene.frame(place) for place in range(frames)]
    cuts = find_cuts(Small.of(frame, SIDE) for frame in source)
    spans = plan_spans(frames, cuts, 24)
    pairs = {key: look_of(source[key], styled, config) for key in keys_of(spans)}
    looks = {key: look for key, (look, _) in pairs.items()}
    result = under_keys(source, spans, looks)
    middle = range(frames // 2, frames // 2 + PER_FRAME)
    each = [look_of(source[place], styled, config)[1] for place in middle]
    one = [np.rint(looks[0].whole.apply(frame) * 255) / 255 for frame in source]
    own = scene.change(source)
    own_there = scene.change([source[place] for place in middle])
    ratios = [scene.change(result) / own, scene.change(each) / own_there, scene.change(one) / own]
    print(f"{number:4} {name}: source {own:.2f} levels, result {ratios[0]:.2f} times that, frame by frame "
          f"{ratios[1]:.2f}, under one whole look {ratios[2]:.2f}   {len(cuts)} cuts", flush=True)  # fmt: skip
    if out is not None:
        save_strip(out / f"{number}-{name}.png", source, result)
    return ratios


def save_strip(path: Path, source: Sequence[np.ndarray], result: Sequence[np.ndarray]) -> None:
    """Five frames from all over, above what became of them."""
    places = np.linspace(0, len(source) - 1, 5).astype(int)
    rows = [np.concatenate([frames[place] for place in places], axis=2) for frames in (source, result)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_levels(to_levels(np.concatenate(rows, axis=1)), quick=True))


def speed(regions: int, frames: int) -> None:
    """Frames of 1080 lines from files to files, each key with so many regions; the cuts looked for as well."""
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
    print(f"{what} {frames / seconds:.1f} frames a second, {1000 * of_cores / frames:.0f} ms of a core a frame: "
          f"{2 * frames / of_cores:.1f} a second on two free cores", flush=True)  # fmt: skip


def _invented(content: np.ndarray, regions: int, rng: np.random.Generator) -> Look:
    """A look whose regions are sectors of the picture."""
    small = Small.of(content, 700).image
    rows, columns = np.mgrid[-1 : 1 : small.shape[1] * 1j, -1 : 1 : small.shape[2] * 1j]
    sector = ((np.arctan2(rows, columns) / (2 * np.pi) + 0.5) * regions).astype(int).clip(0, regions - 1)
    masks = np.stack([sector == region for region in range(regions)]).astype(np.float32)
    from pst_core.looks.lattice import Lattice

    lattices = [Lattice(Lattice.identity().values ** rng.uniform(0.7, 1.4)) for _ in range(regions)]
    return Look(Lattice.identity(), tuple(lattices), tuple(map(str, range(regions))), masks, small)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", default="4,16,49")
    parser.add_argument("--data", type=Path, default=SHARED / "luan60")
    parser.add_argument("--frames", type=int, default=25)
    parser.add_argument("--preset", default="default")
    parser.add_argument("--out", type=Path, help="folder for strips of frames")
    parser.add_argument("--speed-only", action="store_true")
    arguments = parser.parse_args()
    for regions in (1, 2, 4):
        speed(regions, 24)
    if arguments.speed_only:
        return
    config = Config.make(arguments.preset)
    rows = []
    for number in map(int, arguments.pairs.split(",")):
        for name, stops in (("pan", 0.0), ("ramp", STOPS)):
            rows.append(flicker(number, arguments.data, arguments.frames, config, name, stops, arguments.out))
    mean = np.mean(rows, axis=0)
    print(
        f"mean: result {mean[0]:.2f} (goal 1.2), frame by frame {mean[1]:.2f}, one whole look {mean[2]:.2f}"
    )


if __name__ == "__main__":
    main()
