"""Do the shipped models of BRISQUE and NIQE rank pictures as LIVE's do, on photographs they have not seen?

    python tests/benchmarks/quality_models.py [--data ../shared/luan60] [--live ../shared/iqa]
        [--models data/models]

Prints Spearman's rank correlation with LIVE's scores, over the pairs' contents, distorted copies of them
(two grades each; resampling and photon noise are not among what the models learnt from) and Luan et al.'s
results; LIVE's means to compare with published ones; and the milliseconds a picture takes.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.stats import spearmanr

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "data"))
from fit_models import blurred, compressed, eight_bits

from pst_core.images.reading import read_photograph
from pst_core.quality.brisque import brisque
from pst_core.quality.models import QualityModels, load_quality_models
from pst_core.quality.niqe import niqe

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"


def resampled(image: np.ndarray, factor: float) -> np.ndarray:
    """Shrunk and enlarged again, bicubic."""
    picture = Image.fromarray(np.moveaxis(np.rint(image * 255).astype(np.uint8), 0, -1))
    small = (round(picture.width / factor), round(picture.height / factor))
    again = picture.resize(small, Image.Resampling.BICUBIC).resize(picture.size, Image.Resampling.BICUBIC)
    return np.moveaxis(np.asarray(again, np.float32) / 255, -1, 0)


def photons(image: np.ndarray, peak: float) -> np.ndarray:
    """Poisson noise of a sensor that counts `peak` photons at white."""
    return eight_bits(np.random.default_rng(int(peak)).poisson(image * peak) / peak)


def white_noise(image: np.ndarray, deviation: float) -> np.ndarray:
    return eight_bits(image + np.random.default_rng(7).normal(0, deviation / 255, image.shape))


DISTORTIONS: dict[str, tuple[Callable[[np.ndarray, float], np.ndarray], tuple[float, float]]] = {
    "white noise": (white_noise, (9, 35)),
    "blur": (blurred, (1.1, 2.5)),
    "JPEG": (lambda image, quality: compressed(image, int(quality)), (35, 14)),
    "resampling (not learnt)": (resampled, (1.7, 3.5)),
    "photon noise (not learnt)": (photons, (300, 30)),
}


def pictures(data: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Each with what was done to it."""
    for path in sorted((data / "input").glob("in*.png")):
        image = read_photograph(path).pixels
        yield "content", image
        for name, (distortion, grades) in DISTORTIONS.items():
            for grade in grades:
                yield name, distortion(image, grade)
    for path in sorted((data / "luan_results").glob("best*.png")):
        yield "Luan", read_photograph(path).pixels


def measure(data: Path, models: list[QualityModels]) -> tuple[np.ndarray, np.ndarray]:
    """Kinds of shape (N,), and scores of shape (N, models, 2)."""
    kinds, rows, seconds = [], [], []
    for kind, image in pictures(data):
        kinds.append(kind)
        row = []
        for each in models:
            start = time.perf_counter()
            first = brisque(image, each.brisque)
            middle = time.perf_counter()
            row.append((first, niqe(image, each.niqe)))
            seconds.append((middle - start, time.perf_counter() - middle))
        rows.append(row)
    for name, values in zip(("BRISQUE", "NIQE"), zip(*seconds, strict=True), strict=True):
        print(f"{name}: {1e3 * min(values):.0f} ms at least, {1e3 * statistics.median(values):.0f} ms median")
    return np.array(kinds), np.array(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=SHARED / "luan60")
    parser.add_argument("--live", type=Path, default=SHARED / "iqa")
    parser.add_argument("--models", type=Path, default=ROOT / "data" / "models")
    arguments = parser.parse_args()
    models = [load_quality_models(arguments.live), load_quality_models(arguments.models)]
    kinds, scores = measure(arguments.data, models)
    for index, metric in enumerate(("brisque", "niqe")):
        names = [getattr(each, metric).name for each in models]
        print(f"\n{metric.upper()}: {names[0]} against {names[1]}; mean scores, rank correlation")
        live, own = scores[:, 0, index], scores[:, 1, index]
        for kind in dict.fromkeys(kinds):
            some = kinds == kind
            rank = spearmanr(live[some], own[some]).statistic
            print(f"{kind:26s} {live[some].mean():7.2f} {own[some].mean():7.2f}   {rank:.3f}")
        groups = {"all": np.ones(len(kinds), bool), "all but Luan": kinds != "Luan"}
        for kind in dict.fromkeys(kinds[kinds != "content"]):
            groups[f"content with {kind}"] = np.isin(kinds, ["content", kind])
        for name, some in groups.items():
            print(f"{name:45s} {spearmanr(live[some], own[some]).statistic:.3f}")


if __name__ == "__main__":
    main()
