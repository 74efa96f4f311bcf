"""Fit the models that come with the program, from photographs that nothing has spoilt.

    python data/fit_models.py PHOTOGRAPHS... --out data/models

Takes files and folders of files. NIQE's model is a Gaussian of the features of their sharp patches. BRISQUE's
is a support vector regression on the photographs and on copies with white noise, Gaussian blur and JPEG
compression, each in graded steps: the step stands for the people's ratings that LIVE's own model learnt from.
"""

import argparse
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pst_core.errors import ImageError, PstError
from pst_core.images.reading import read_photograph
from pst_core.quality.brisque import brisque_features
from pst_core.quality.models import write_model
from pst_core.quality.niqe import patch_features
from pst_core.quality.scene_statistics import MeasureError

Image3 = NDArray[np.float32]
Floats = NDArray[np.float64]

SIDE = 1000  # pixels, of a photograph's long side at most
SHARE = 2 / 3  # of its own size at most: shrinking takes away what its camera and its compression left
SCORES = (15.0, 30.0, 45.0, 60.0, 75.0, 90.0)  # an undistorted photograph has 0
NOISE = (3.0, 6.0, 12.0, 24.0, 48.0, 96.0)  # deviation, in gray levels, one a score
BLUR = (0.5, 0.75, 1.1, 1.7, 2.5, 4.0)  # deviation, in pixels
JPEG = (70, 45, 28, 18, 11, 6)  # quality
SHARP = 0.75  # of a photograph's sharpest patch: patches above it go into NIQE's model
REGRESSION = {"C": 128.0, "gamma": 0.05, "epsilon": 8.0}
FOLDS = 5
DIGITS = 5


class Samples(NamedTuple):
    """What is learnt from: a row a patch for NIQE; a row a copy of a photograph, with score, for BRISQUE.

    Attributes
    ----------
    patches : ndarray, shape (P, 36)
    features : ndarray, shape (N, 36)
    scores : ndarray, shape (N,)
    groups : ndarray of int, shape (N,)
        Which photograph each copy is of.
    """

    patches: Floats
    features: Floats
    scores: Floats
    groups: NDArray[np.intp]


def shrink(pixels: Image3, side: int = SIDE) -> Image3:
    """Shrink to at most `side` pixels and two thirds, by areas, to 8-bit levels.

    Parameters
    ----------
    pixels : ndarray, shape (3, H, W)
        On [0, 1].
    """
    import cv2

    share = min(SHARE, side / max(pixels.shape[1:]))
    height, width = (max(1, round(length * share)) for length in pixels.shape[1:])
    small = cv2.resize(np.moveaxis(pixels, 0, -1), (width, height), interpolation=cv2.INTER_AREA)
    return eight_bits(np.moveaxis(small, -1, 0))


def distort(image: Image3, generator: np.random.Generator) -> Iterator[tuple[float, Image3]]:
    """Yield the score and the pixels of the image itself and of every distorted copy.

    Parameters
    ----------
    image : ndarray, shape (3, H, W)
        Undistorted, on [0, 1].
    """
    yield 0.0, image
    for score, noise, sigma, quality in zip(SCORES, NOISE, BLUR, JPEG, strict=True):
        grain = generator.standard_normal(image.shape, np.float32) * np.float32(noise / 255)
        yield score, eight_bits(image + grain)
        yield score, blurred(image, sigma)
        yield score, compressed(image, quality)


def eight_bits(pixels: NDArray[np.floating]) -> Image3:
    """Round to the levels that an 8-bit file holds."""
    return np.ascontiguousarray(np.rint(pixels.clip(0, 1) * 255) / 255, dtype=np.float32)


def blurred(image: Image3, sigma: float) -> Image3:
    """Blur by a Gaussian of `sigma` pixels."""
    import cv2

    pixels = cv2.GaussianBlur(np.moveaxis(image, 0, -1), (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    return eight_bits(np.moveaxis(pixels, -1, 0))


def compressed(image: Image3, quality: int) -> Image3:
    """Compress as a JPEG file, and read it again."""
    levels = np.ascontiguousarray(np.moveaxis(np.rint(image * 255).astype(np.uint8), 0, -1))
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "JPEG", quality=quality)
    with Image.open(file) as again:
        return np.moveaxis(np.asarray(again, np.float32) / np.float32(255), -1, 0)


def collect(paths: Sequence[Path], seed: int = 0) -> tuple[Samples, list[str]]:
    """Measure photographs and their distorted copies.

    Returns
    -------
    samples : Samples
    names : list of str
        Of the files that went in: those that can be read and measured.
    """
    generator = np.random.default_rng(seed)
    names: list[str] = []
    patches, rows, scores, groups = [], [], [], []
    for path in paths:
        try:
            image = shrink(read_photograph(path).pixels)
            features, sharpness = patch_features(image)
            copies = [(score, brisque_features(copy)) for score, copy in distort(image, generator)]
        except (ImageError, MeasureError) as error:
            print(f"left out: {path.name} ({error})")
            continue
        patches.append(features[sharpness > SHARP * sharpness.max()])
        scores += [score for score, _ in copies]
        rows += [row for _, row in copies]
        groups += [len(names)] * len(copies)
        names.append(path.name)
    if len(names) < FOLDS:
        raise MeasureError(f"A model needs at least {FOLDS} photographs of 200 pixels or more once shrunk.")
    return Samples(np.concatenate(patches), np.array(rows), np.array(scores), np.array(groups)), names


def fit_niqe(patches: Floats) -> dict[str, Any]:
    """Mean and covariance of patches' features (Mittal et al. 2013, equation 9), as numbers to write."""
    return {"mean": _rounded(patches.mean(axis=0)), "covariance": _rounded(np.cov(patches, rowvar=False))}


def fit_brisque(features: Floats, scores: Floats) -> dict[str, Any]:
    """Regress scores on features that are scaled to [-1, 1], as numbers to write."""
    from sklearn.svm import SVR

    lower, upper = features.min(axis=0), features.max(axis=0)
    regression = SVR(**REGRESSION).fit(_scaled(features, lower, upper), scores)
    return {
        "gamma": REGRESSION["gamma"],
        "rho": -float(regression.intercept_[0]),
        "lower": _rounded(lower),
        "upper": _rounded(upper),
        "coefficients": _rounded(regression.dual_coef_[0]),
        "vectors": np.round(regression.support_vectors_, DIGITS - 1).tolist(),
    }


def held_out_correlation(samples: Samples) -> float:
    """Spearman's rank correlation of scores and predictions for photographs that were not learnt from."""
    from scipy.stats import spearmanr
    from sklearn.svm import SVR

    lower, upper = samples.features.min(axis=0), samples.features.max(axis=0)
    scaled, predicted = _scaled(samples.features, lower, upper), np.zeros(len(samples.scores))
    for fold in range(FOLDS):
        held = samples.groups % FOLDS == fold
        predicted[held] = SVR(**REGRESSION).fit(scaled[~held], samples.scores[~held]).predict(scaled[held])
    return float(spearmanr(predicted, samples.scores).statistic)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit both models and write them; prints which photographs went in."""
    parser = argparse.ArgumentParser(
        prog="python data/fit_models.py",
        description="Fit BRISQUE's and NIQE's models from undistorted photographs.",
    )
    parser.add_argument("photographs", nargs="+", type=Path, help="files, or folders of files")
    parser.add_argument("--out", type=Path, required=True, help="folder for brisque.json and niqe.json")
    parser.add_argument("--seed", type=int, default=0, help="of the noise")
    chosen = parser.parse_args(arguments)
    try:
        _fit(chosen.photographs, chosen.out, chosen.seed)
    except PstError as error:
        parser.exit(1, f"{error}\n")


def _fit(places: Sequence[Path], out: Path, seed: int) -> None:
    samples, names = collect(_files(places), seed)
    print("\n".join(names))
    name, made = f"project fit, {len(names)} photographs", _settings(len(names), seed)
    brisque_values = fit_brisque(samples.features, samples.scores)
    write_model(out / "brisque.json", "brisque", name, {"made": made} | brisque_values)
    write_model(out / "niqe.json", "niqe", name, {"made": made} | fit_niqe(samples.patches))
    print(
        f"{name}; NIQE: {len(samples.patches)} patches; BRISQUE: {len(samples.scores)} copies, "
        f"{len(brisque_values['vectors'])} support vectors, rank correlation with the steps "
        f"{held_out_correlation(samples):.3f} on photographs not learnt from"
    )


def _files(places: Sequence[Path]) -> list[Path]:
    files = []
    for place in places:
        files += sorted(path for path in place.iterdir() if path.is_file()) if place.is_dir() else [place]
    return files


def _settings(photographs: int, seed: int) -> dict[str, Any]:
    """What a model's file says of its making."""
    return {
        "photographs": photographs, "seed": seed, "long_side": SIDE, "largest_share": round(SHARE, 4),
        "sharpness": SHARP, "scores": SCORES, "noise": NOISE, "blur": BLUR, "jpeg": JPEG,
        "regression": REGRESSION,
    }  # fmt: skip


def _scaled(features: Floats, lower: Floats, upper: Floats) -> Floats:
    return 2 * (features - lower) / (upper - lower) - 1


def _rounded(values: Floats) -> Any:  # noqa: ANN401 - a list of the array's depth
    """Numbers of `DIGITS` significant digits, which keeps the file small and its scores to 0.01."""
    rounded = np.array([float(f"{value:.{DIGITS}g}") for value in values.ravel()])
    return rounded.reshape(values.shape).tolist()


if __name__ == "__main__":
    main()
