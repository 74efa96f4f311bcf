import numpy as np
import pytest
from skimage import metrics

from pst_core.errors import PstError
from pst_core.quality.answers import answer_similarity, mean_ciede2000, peak_signal_to_noise


def levels(seed=0, height=30, width=40):
    """What a picture file holds."""
    random = np.random.default_rng(seed).integers(0, 256, (3, height, width))
    return random / np.float32(255)


def gray(level):
    return np.full((3, 20, 20), level / 255)


def lightness(level):
    """L of CIELAB of a neutral colour, from sRGB's curve (IEC 61966-2-1)."""
    share = level / 255
    linear = share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4
    return 116 * linear ** (1 / 3) - 16


@pytest.mark.parametrize("error", [1, 5, 26])
def test_an_even_error_has_a_ratio_in_closed_form(error):
    assert peak_signal_to_noise(gray(100 + error), gray(100)) == pytest.approx(20 * np.log10(255 / error))


def test_the_ratio_is_scikit_images():
    here, there = levels(), levels(1)
    eight = [np.round(each * 255).astype(np.uint8) for each in (here, there)]
    expected = metrics.peak_signal_noise_ratio(eight[1], eight[0], data_range=255)
    assert peak_signal_to_noise(here, there) == pytest.approx(expected)


def test_equal_pictures_are_as_near_as_can_be():
    assert peak_signal_to_noise(levels(), levels()) == 100
    assert answer_similarity(levels(), levels()) == pytest.approx(1)
    assert mean_ciede2000(levels(), levels()) == 0


@pytest.mark.parametrize(("here", "there"), [(120, 130), (30, 60), (200, 255)])
def test_neutral_colours_differ_by_weighted_lightness(here, there):
    """Sharma et al. 2005: with neither chroma nor hue, all that remains is lightness over S_L."""
    first, second = lightness(here), lightness(there)
    middle = ((first + second) / 2 - 50) ** 2
    expected = abs(first - second) / (1 + 0.015 * middle / np.sqrt(20 + middle))
    assert mean_ciede2000(gray(here), gray(there)) == pytest.approx(expected, rel=2e-3)


def test_differences_are_a_mean_over_pixels():
    half = gray(120)
    half[..., 10:] = gray(130)[..., 10:]
    assert mean_ciede2000(half, gray(120)) == pytest.approx(mean_ciede2000(gray(130), gray(120)) / 2)


def test_similarity_is_that_of_gray_which_is_not_rounded():
    here, there = levels(), 0.9 * levels() + 0.05
    weights = np.array([0.298936, 0.587043, 0.114021])
    planes = [np.einsum("c,chw->hw", weights, np.round(each * 255)) for each in (here, there)]
    expected = metrics.structural_similarity(
        *planes, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
    )
    assert answer_similarity(here, there) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("measure", [peak_signal_to_noise, mean_ciede2000, answer_similarity])
def test_what_is_invisible_does_not_count(measure):
    image, seen = levels(), np.zeros((30, 40), bool)
    image[..., :25] = levels(1)[..., :25]
    seen[:, 31:] = True  # further than SSIM's window from what differs
    assert measure(image, levels(), seen) == pytest.approx(measure(levels(), levels()))
    with pytest.raises(PstError, match="visible"):
        measure(image, levels(), np.zeros_like(seen))


@pytest.mark.parametrize("measure", [peak_signal_to_noise, mean_ciede2000, answer_similarity])
def test_an_answer_has_its_results_size(measure):
    with pytest.raises(PstError, match=r"size, not \(30, 40\) for \(30, 39\)"):
        measure(levels()[..., 1:], levels())
