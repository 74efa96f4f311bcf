import math

import numpy as np
import pytest
from fit_models import blurred, compressed, eight_bits
from scipy.ndimage import correlate, gaussian_filter
from scipy.optimize import brentq
from scipy.special import gamma

from pst_core.images.reading import read_photograph
from pst_core.quality.models import NiqeModel, load_quality_models
from pst_core.quality.niqe import gaussian_distance, niqe, patch_features
from pst_core.quality.scene_statistics import MeasureError, half_size


def textured(height, width, seed=0):
    """Colours with correlated neighbours, more so along rows than across them."""
    noise = np.random.default_rng(seed).random((3, height, width))
    return gaussian_filter(noise, (0, 0.5, 1)).astype(np.float32)


def noisy(image, deviation):
    return eight_bits(image + np.random.default_rng(0).normal(0, deviation, image.shape))


def direct_fit(values):
    """Shape, and scale either side, of an asymmetric generalised Gaussian by its moments."""
    left = math.sqrt(np.mean(np.square(values[values < 0])))
    right = math.sqrt(np.mean(np.square(values[values > 0])))
    balance = left / right
    ratio = np.mean(np.abs(values)) ** 2 / np.mean(values**2)
    ratio *= (balance**3 + 1) * (balance + 1) / (balance**2 + 1) ** 2
    a = brentq(lambda a: gamma(2 / a) ** 2 / (gamma(1 / a) * gamma(3 / a)) - ratio, 0.2, 10)
    scale = math.sqrt(gamma(1 / a) / gamma(3 / a))
    return a, left * scale, right * scale


def direct_patch(patch):
    """Features of one patch at one size."""
    side = np.arange(len(patch))
    a, low, high = direct_fit(patch)
    features = [a, (low + high) / 2]
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        pairs = patch * patch[(side - down) % len(side)][:, (side - right) % len(side)]
        a, low, high = direct_fit(pairs)
        features += [a, (high - low) * gamma(2 / a) / gamma(1 / a), low, high]
    return features


def direct_field(gray):
    offsets = np.arange(-3, 4)
    window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * (7 / 6) ** 2))
    window /= window.sum()
    mean = correlate(gray, window, mode="nearest")
    deviation = np.sqrt(np.abs(correlate(gray**2, window, mode="nearest") - mean**2))
    return (gray - mean) / (deviation + 1), deviation


def test_features_are_those_of_the_equations():
    image = textured(200, 299)
    features, sharpness = patch_features(image)
    assert features.shape == (6, 36)
    levels = np.round(255 * image.astype(float))[:, :192, :288]
    gray = np.round(0.298936 * levels[0] + 0.587043 * levels[1] + 0.114021 * levels[2])
    (whole, deviation), (half, _) = direct_field(gray), direct_field(half_size(gray))
    for index, (row, column) in enumerate((row, column) for row in range(2) for column in range(3)):
        places = [
            (slice(side * row, side * (row + 1)), slice(side * column, side * (column + 1)))
            for side in (96, 48)
        ]
        expected = direct_patch(whole[places[0]]) + direct_patch(half[places[1]])
        np.testing.assert_allclose(features[index], expected, rtol=2e-6, atol=1e-8)
        assert sharpness[index] == pytest.approx(deviation[places[0]].mean(), rel=1e-9)


def test_patches_without_structure_are_left_out():
    image = textured(192, 288)
    image[:, :110, :110] = 0.5  # beyond the patch, as far as the windows reach at half size
    features, sharpness = patch_features(image)
    assert len(features) == len(sharpness) == 5
    assert np.isfinite(features).all()


def test_alike_gaussians_are_at_no_distance():
    spread = np.random.default_rng(0).random((36, 36))
    mean, covariance = np.arange(36.0), spread @ spread.T
    assert gaussian_distance(mean, covariance, mean, covariance) == 0


def test_distance_of_independent_features_has_a_closed_form():
    rng = np.random.default_rng(1)
    means, variances = rng.random((2, 36)), rng.random((2, 36)) + 0.1
    expected = math.sqrt(sum((means[0] - means[1]) ** 2 / (variances.sum(axis=0) / 2)))
    found = gaussian_distance(means[0], np.diag(variances[0]), means[1], np.diag(variances[1]))
    assert found == pytest.approx(expected, rel=1e-9)


def test_distance_leaves_out_directions_without_spread():
    covariance = np.diag([1.0, 4.0, 0.0])
    assert gaussian_distance(np.zeros(3), covariance, np.array([2.0, 2.0, 5.0]), covariance) == pytest.approx(
        math.sqrt(4 + 1)
    )


def test_score_is_the_distance_of_the_patches_gaussian():
    image = textured(192, 288, seed=3)
    features, _ = patch_features(image)
    model = NiqeModel("made up", "", np.full(36, 0.4), np.diag(np.linspace(1, 2, 36)))
    centered = features - features.sum(axis=0) / 6
    covariance = sum(np.outer(row, row) for row in centered) / 5
    difference = features.sum(axis=0) / 6 - 0.4
    expected = math.sqrt(difference @ np.linalg.solve((model.covariance + covariance) / 2, difference))
    assert niqe(image, model) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("spoil", "grades"), [(noisy, (0.03, 0.1, 0.3)), (blurred, (0.8, 1.6, 3.2)), (compressed, (40, 15, 6))]
)
def test_the_shipped_model_scores_worse_what_is_spoilt_more(flower, spoil, grades):
    model = load_quality_models().niqe
    scores = [niqe(flower, model)] + [niqe(spoil(flower, grade), model) for grade in grades]
    assert scores == sorted(scores)
    assert scores[-1] > 1.5 * scores[0]


def test_means_over_the_published_pairs_are_those_of_lives_model(luan60):
    live = luan60.parent / "iqa"
    if not live.is_dir():
        pytest.skip("needs LIVE's models in ../shared/iqa beside the project")
    model = load_quality_models(live).niqe
    means = [
        np.mean([niqe(read_photograph(path).pixels, model) for path in folder.glob("*.png")])
        for folder in (luan60 / "input", luan60 / "luan_results")
    ]
    assert means == pytest.approx([3.835, 4.235], rel=0.01)


def one_patch():
    image = np.full((3, 192, 192), 0.5, np.float32)
    image[:, 20:80, 20:80] = textured(60, 60)
    return image


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.zeros((3, 191, 500), np.float32), "at least 192x192 pixels: this image has 500x191"),
        (np.full((3, 200, 200), 0.3, np.float32), "one gray level everywhere"),
        (np.full((3, 200, 200), np.inf, np.float32), "NaN or infinite"),
        (one_patch(), "structure in at least two patches of 96x96"),
    ],
)
def test_what_cannot_be_scored_is_refused_in_a_sentence(image, said):
    with pytest.raises(MeasureError, match=said):
        niqe(image, load_quality_models().niqe)
