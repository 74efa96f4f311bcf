import math

import numpy as np
import pytest
from fit_models import blurred, compressed, eight_bits
from PIL import Image
from scipy.optimize import brentq
from scipy.special import gamma
from scipy.stats import gennorm

from pst_core.images.reading import read_photograph
from pst_core.quality.brisque import brisque, brisque_features
from pst_core.quality.models import BrisqueModel, load_quality_models
from pst_core.quality.scene_statistics import (
    MeasureError,
    fit_asymmetric,
    fit_symmetric,
    gray_levels,
    half_size,
    normalize,
    pair_products,
)


def textured(height, width, seed=0):
    """Colours with correlated neighbours, for features that differ from one direction to another."""
    noise = np.random.default_rng(seed).random((3, height + 4, width + 4))
    soft = sum(np.roll(noise, (row, 2 * column), (1, 2)) for row in range(3) for column in range(2)) / 6
    return soft[:, 2:-2, 2:-2].astype(np.float32)


def shape_of(ratio):
    return brentq(lambda a: gamma(2 / a) ** 2 / (gamma(1 / a) * gamma(3 / a)) - ratio, 0.2, 10)


def direct_normalized(gray, beyond):
    """Mittal et al. 2012, equations 1 to 3, a pixel at a time; `beyond` says what lies past the edge."""
    offsets = np.arange(-3, 4)
    bell = np.exp(-(offsets**2) / (2 * (7 / 6) ** 2))
    window = np.outer(bell, bell) / bell.sum() ** 2
    padded = np.pad(gray, 3, **beyond)
    result = np.empty_like(gray)
    for row in range(gray.shape[0]):
        for column in range(gray.shape[1]):
            part = padded[row : row + 7, column : column + 7]
            mean = (window * part).sum()
            deviation = math.sqrt(abs((window * part**2).sum() - mean**2))
            result[row, column] = (gray[row, column] - mean) / (deviation + 1)
    return result


def cubic(x):
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def direct_half(gray):
    """Every result a weighted mean around its place, of pixels mirrored at the edge; an axis at a time."""
    for _ in range(2):
        lines = np.pad(gray, ((0, 0), (8, 8)), mode="symmetric")
        centers = [2 * index + 0.5 for index in range(-(-gray.shape[1] // 2))]
        places = np.arange(lines.shape[1]) - 8
        weights = [np.array([cubic((place - center) / 2) for place in places]) for center in centers]
        gray = np.stack([lines @ weight / weight.sum() for weight in weights], axis=1).T
    return gray


def direct_asymmetric(values):
    """Shape and deviations either side from moments, the shape by a root finder."""
    left = math.sqrt(np.mean([v * v for v in values if v < 0]))
    right = math.sqrt(np.mean([v * v for v in values if v > 0]))
    balance = left / right
    ratio = np.mean(np.abs(values)) ** 2 / np.mean(values**2)
    return shape_of(ratio * (balance**3 + 1) * (balance + 1) / (balance**2 + 1) ** 2), left, right


def direct_features(image):
    weights = np.array([0.298936, 0.587043, 0.114021])
    gray = np.round(sum(w * c for w, c in zip(weights, np.round(255 * image.astype(float)), strict=True)))
    features = []
    for level in (gray, direct_half(gray)):
        field = direct_normalized(level, {"mode": "constant"})
        features += [shape_of(np.mean(np.abs(field)) ** 2 / np.mean(field**2)), np.mean(field**2)]
        height, width = field.shape
        for down, right in ((0, 1), (1, 0), (1, 1), (-1, 1)):
            pairs = [field[r, c] * field[(r - down) % height, (c - right) % width]
                     for r in range(height) for c in range(width)]  # fmt: skip
            a, low, high = direct_asymmetric(np.array(pairs))
            middle = (high - low) * gamma(2 / a) / gamma(1 / a) * math.sqrt(gamma(1 / a) / gamma(3 / a))
            features += [a, middle, low**2, high**2]
    return np.array(features)


@pytest.mark.parametrize("size", [(32, 45), (41, 34)])
def test_features_are_those_of_the_equations(size):
    image = textured(*size)
    np.testing.assert_allclose(brisque_features(image), direct_features(image), rtol=2e-6, atol=1e-8)


def test_half_size_is_an_antialiased_bicubic_reduction():
    gray = np.round(255 * textured(40, 52)[0]).astype(float)
    pillow = np.asarray(Image.fromarray(gray.astype(np.float32)).resize((26, 20), Image.Resampling.BICUBIC))
    np.testing.assert_allclose(half_size(gray)[3:-3, 3:-3], pillow[3:-3, 3:-3], atol=1e-3)
    assert half_size(gray[:39, :51]).shape == (20, 26)
    np.testing.assert_allclose(half_size(np.full((9, 9), 7.0)), 7.0)


@pytest.mark.parametrize("shape", [0.5, 1.0, 2.0, 4.0])
def test_symmetric_fit_recovers_a_known_distribution(shape):
    values = gennorm.rvs(shape, scale=0.7, size=(2, 100_000), random_state=np.random.default_rng(1))
    found, variance = fit_symmetric(values)
    assert found == pytest.approx(shape, rel=0.03)
    assert variance == pytest.approx(gennorm.var(shape, scale=0.7), rel=0.03)


@pytest.mark.parametrize(("shape", "left", "right"), [(0.7, 0.3, 0.9), (1.0, 1.0, 1.0), (2.5, 1.2, 0.4)])
def test_asymmetric_fit_recovers_a_known_distribution(shape, left, right):
    rng = np.random.default_rng(2)
    size = rng.gamma(1 / shape, size=200_000) ** (1 / shape)
    values = np.where(rng.random(200_000) < left / (left + right), -left * size, right * size)
    fit = fit_asymmetric(values[None])
    assert fit.shape[0] == pytest.approx(shape, rel=0.03)
    assert (fit.left_scale[0], fit.right_scale[0]) == pytest.approx((left, right), rel=0.03)
    assert fit.mean[0] == pytest.approx(values.mean(), abs=0.02)


def test_patches_are_fitted_by_themselves_and_one_without_a_side_has_no_fit():
    values = np.random.default_rng(3).laplace(size=(3, 500))
    values[1] = np.abs(values[1])
    together = np.stack(fit_asymmetric(values))
    for index in (0, 2):
        np.testing.assert_allclose(together[:, index], np.concatenate(fit_asymmetric(values[[index]])))
    assert np.isnan(together[0, 1])


def test_pairs_go_round_within_their_patch():
    patch = np.arange(6.0).reshape(1, 2, 3)
    right, below, diagonal, other = pair_products(patch)
    assert right[0].tolist() == [[0, 0, 2], [15, 12, 20]]
    assert below[0].tolist() == [[0, 4, 10], [0, 4, 10]]
    assert diagonal[0].tolist() == [[0, 3, 8], [6, 0, 5]]
    assert other[0].tolist() == [[0, 5, 6], [3, 8, 0]]


def test_flat_areas_have_no_rounding_noise():
    gray = np.full((30, 30), 201.0)
    gray[20:] = 90
    assert (normalize(gray, "replicate")[0][:15] == 0).all()
    assert (normalize(gray, "zero")[0][5:15, 5:-5] == 0).all()


def test_gray_is_that_of_the_8_bit_picture():
    image = np.array([0.2004, 0.7, -0.5], np.float32)[:, None, None] * np.ones((1, 2, 2), np.float32)
    image[:, 0, 0] = 1.2
    assert gray_levels(image, measure="BRISQUE", least=1).tolist() == [
        [255, round(0.298936 * 51 + 0.587043 * 178)],
        [round(0.298936 * 51 + 0.587043 * 178)] * 2,
    ]


def test_score_is_the_regressions_decision_value():
    rng = np.random.default_rng(4)
    image = textured(32, 32)
    features = brisque_features(image)
    lower, upper = features - rng.random(36) - 0.1, features + rng.random(36) + 0.1
    vectors, coefficients = rng.uniform(-1, 1, (5, 36)), rng.normal(0, 30, 5)
    model = BrisqueModel("made up", "", vectors, coefficients, -11.5, 0.05, lower, upper)
    expected = 11.5
    for coefficient, vector in zip(coefficients, vectors, strict=True):
        distance = 0.0
        for value, low, high, place in zip(features, lower, upper, vector, strict=True):
            distance += (-1 + 2 * (value - low) / (high - low) - place) ** 2
        expected += coefficient * math.exp(-0.05 * distance)
    assert brisque(image, model) == pytest.approx(expected, rel=1e-9)


def noisy(image, deviation):
    return eight_bits(image + np.random.default_rng(0).normal(0, deviation, image.shape))


@pytest.mark.parametrize(
    ("spoil", "grades"), [(noisy, (0.03, 0.1, 0.3)), (blurred, (0.8, 1.6, 3.2)), (compressed, (40, 15, 6))]
)
def test_the_shipped_model_scores_worse_what_is_spoilt_more(flower, spoil, grades):
    model = load_quality_models().brisque
    scores = [brisque(flower, model)] + [brisque(spoil(flower, grade), model) for grade in grades]
    assert scores == sorted(scores)
    assert scores[-1] - scores[0] > 30


def test_means_over_the_published_pairs_are_those_of_lives_model(luan60):
    live = luan60.parent / "iqa"
    if not live.is_dir():
        pytest.skip("needs LIVE's models in ../shared/iqa beside the project")
    model = load_quality_models(live).brisque
    means = [
        np.mean([brisque(read_photograph(path).pixels, model) for path in folder.glob("*.png")])
        for folder in (luan60 / "input", luan60 / "luan_results")
    ]
    assert means == pytest.approx([15.60, 23.65], rel=0.002)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.zeros((3, 31, 200), np.float32), "at least 32x32 pixels: this image has 200x31"),
        (np.full((3, 64, 64), 0.3, np.float32), "one gray level everywhere"),
        (np.full((3, 64, 64), np.nan, np.float32), "NaN or infinite"),
        (np.zeros((64, 64, 3), np.float32), r"shape \(3, H, W\), not \(64, 64, 3\)"),
        (np.zeros((64, 64), np.float32), r"shape \(3, H, W\), not \(64, 64\)"),
        (np.repeat(np.eye(2, dtype=np.float32), 32, 0)[None, :, [0] * 64].repeat(3, 0), "too little of it"),
    ],
)
def test_what_cannot_be_scored_is_refused_in_a_sentence(image, said):
    with pytest.raises(MeasureError, match=said):
        brisque(image, load_quality_models().brisque)
