"""What share of its own exposure a photograph of a series is to get back.

    python tests/benchmarks/series.py RESULTS [--pairs 1,4,8] [--data ../shared/luan60]
        [--also CONTENT RESULT]

RESULTS holds finished pictures by number, as `quality.py --out` leaves them. Each is an anchor whose look
others take, of which the right answer is known:

- the same scene, exposed by so many stops in linear light, clipped and rounded as a camera does it: its
  answer is the anchor under the look
- another scene of the same shoot: the look is fitted to the left half, and the right half takes it, and the
  other way round, each exposed by so many stops, or by none; its answer is that half of the finished picture

Prints for each the mean difference to the answer (CIEDE2000) by share, and under the plain look.
"""

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from one_pair import SHARED

from pst_core.images.light import decode_srgb, encode_srgb
from pst_core.images.reading import read_photograph
from pst_core.looks.exposure import at_exposure, stops_against
from pst_core.looks.fitting import fit_lattice
from pst_core.looks.lattice import Lattice
from pst_core.quality.answers import mean_ciede2000

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
STEP = 3  # every so many pixels of a picture are looked at
Pixels = np.ndarray


def under_light(image: Pixels, stops: float) -> Pixels:
    """What a camera keeps of a scene under so many more stops of light."""
    light = np.clip(decode_srgb(image) * np.float32(2**stops), 0, 1)
    return (np.rint(encode_srgb(light) * 255) / 255).astype(np.float32)


def read(path: Path) -> Pixels:
    """Some of a photograph's pixels."""
    return np.ascontiguousarray(read_photograph(path).filled[:, ::STEP, ::STEP])


def fitted(content: Pixels, result: Pixels) -> Lattice:
    """The look of a picture as a whole."""
    return fit_lattice(content, result, np.ones(content.shape[1:]))


def differences(look: Lattice, anchor: Pixels, given: Pixels, answer: Pixels) -> list[float]:
    """The stops that are found; differences to the answer by share, and under the plain look."""
    stops = stops_against(given, anchor)
    looks = [at_exposure(look, stops, share) for share in SHARES] + [look]
    return [stops, *(mean_ciede2000(each.apply(given), answer) for each in looks)]


def cases(content: Pixels, result: Pixels) -> Iterator[tuple[str, list[float]]]:
    """Every case of a pair: its name, and `differences`."""
    look = fitted(content, result)
    for stops in (-2, -1, -0.5, 0.5, 1, 2):
        case = partial(differences, look, content, under_light(content, stops), look.apply(content))
        yield f"same scene, {stops:+g} stops", case()
    halves = [
        tuple(np.ascontiguousarray(part) for part in np.array_split(each, 2, axis=2))
        for each in (content, result)
    ]
    for here, there in ((0, 1), (1, 0)):
        anchor, look = halves[0][here], fitted(halves[0][here], halves[1][here])
        for stops in (-1, 0, 1):
            given = under_light(halves[0][there], stops)
            yield f"other scene, {stops:+g} stops", differences(look, anchor, given, halves[1][there])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path)
    parser.add_argument("--pairs")
    parser.add_argument("--data", type=Path, default=SHARED / "luan60")
    parser.add_argument("--also", type=Path, nargs=2, action="append", default=[])
    arguments = parser.parse_args()
    there = sorted(int(path.stem) for path in arguments.results.glob("*.png") if path.stem.isdigit())
    numbers = [int(part) for part in arguments.pairs.split(",")] if arguments.pairs else there
    pairs = [(arguments.data / f"input/in{each}.png", arguments.results / f"{each}.png") for each in numbers]
    rows: dict[str, list[list[float]]] = {}
    for content, result in [*pairs, *arguments.also]:
        for name, row in cases(read(content), read(result)):
            rows.setdefault(name, []).append(row)
        print(content.name, flush=True)
    print(f"{'':26} found  " + "".join(f"share {share:<6}" for share in SHARES) + "plain look")
    for name, each in rows.items():
        print(
            f"{name:26} {np.mean(each, axis=0)[0]:+5.2f}"
            + "".join(f"{value:12.2f}" for value in np.mean(each, axis=0)[1:])
        )
    for kind in ("same scene", "other scene"):
        mean = np.mean(
            [np.mean(each, axis=0)[1:] for name, each in rows.items() if name.startswith(kind)], axis=0
        )
        print(f"{kind:32}" + "".join(f"{value:12.2f}" for value in mean))


if __name__ == "__main__":
    main()
