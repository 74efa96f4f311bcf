import numpy as np
import pytest
from skimage.color import lab2rgb, rgb2lab

from pst_core.errors import PstError
from pst_core.quality import distances
from pst_core.quality.distances import color_distance, structural_similarity


def image_of(seed, height=17, width=21):
    return np.random.default_rng(seed).random((3, height, width))


def direct_ssim(first, second):
    """Wang et al. 2004, equation 13, window by window, on 8-bit gray."""
    weights = np.array([0.298936, 0.587043, 0.114021])
    x, y = (
        np.round(sum(w * p for w, p in zip(weights, np.round(255 * image), strict=True)))
        for image in (first, second)
    )
    offsets = np.arange(-5, 6)  # 3.5 deviations
    kernel = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(kernel, kernel) / kernel.sum() ** 2
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for row in range(5, x.shape[0] - 5):
        for column in range(5, x.shape[1] - 5):
            part = slice(row - 5, row + 6), slice(column - 5, column + 6)
            a, b = x[part], y[part]
            mean_a, mean_b = (window * a).sum(), (window * b).sum()
            var_a = (window * (a - mean_a) ** 2).sum()
            var_b = (window * (b - mean_b) ** 2).sum()
            both = (window * (a - mean_a) * (b - mean_b)).sum()
            values.append(
                (2 * mean_a * mean_b + c1)
                * (2 * both + c2)
                / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
            )
    return np.mean(values)


def test_ssim_is_the_published_one():
    first, second = image_of(0), 0.6 * image_of(0) + 0.4 * image_of(1)
    assert structural_similarity(first, second) == pytest.approx(direct_ssim(first, second), rel=1e-9)


def test_ssim_of_an_image_with_itself_is_one_and_it_is_symmetric():
    first, second = image_of(0), image_of(1)
    assert structural_similarity(first, first) == 1
    assert structural_similarity(first, second) == pytest.approx(
        structural_similarity(second, first), rel=1e-12
    )
    assert -1 <= structural_similarity(first, second) < 0.5


def test_ssim_refuses_what_it_cannot_compare():
    with pytest.raises(PstError, match=r"of one size, not \(17, 21\) and \(17, 20\)"):
        structural_similarity(image_of(0), image_of(0, width=20))
    with pytest.raises(PstError, match="at least 11 pixels"):
        structural_similarity(image_of(0, height=10), image_of(0, height=10))


WHOLE = np.zeros((17, 21), int)


def whole_distance(first, second):
    labels = np.zeros(first.shape[1:], int), np.zeros(second.shape[1:], int)
    return color_distance(first, second, *labels, matched=np.array([True]))


def test_the_same_colours_are_at_no_distance_wherever_they_are():
    first = image_of(0)
    shuffled = np.random.default_rng(5).permutation(first.reshape(3, -1), axis=1).reshape(3, 21, 17)
    assert whole_distance(first, first) == 0
    assert whole_distance(first, shuffled) == pytest.approx(0, abs=1e-9)


def test_distance_is_symmetric_and_positive():
    first, second = image_of(0), image_of(1) ** 2
    assert whole_distance(first, second) > 1
    assert whole_distance(first, second) == pytest.approx(whole_distance(second, first), rel=1e-12)


@pytest.mark.parametrize("shift", [2.0, 7.5])
def test_a_shift_counts_by_its_mean_projection(shift):
    rng = np.random.default_rng(3)
    lab = np.stack(
        [rng.uniform(40, 60, (17, 21)), rng.uniform(-8, 8, (17, 21)), rng.uniform(-8, 8, (17, 21))], -1
    )
    first, second = (np.moveaxis(lab2rgb(lab + np.array([up, 0, 0])), -1, 0) for up in (0, shift))
    directions = np.random.default_rng(0).standard_normal((64, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    expected = shift * np.abs(directions[:, 0]).mean()
    assert whole_distance(first, second) == pytest.approx(expected, rel=1e-3)
    assert expected == pytest.approx(shift / 2, rel=0.15)  # on the sphere the mean of |cos| is 1/2


def test_distance_is_the_documented_one():
    first, second = image_of(0), image_of(1, 13, 19) ** 2
    colors = [rgb2lab(np.moveaxis(image, 0, -1)).reshape(-1, 3) for image in (first, second)]
    directions = np.random.default_rng(4).standard_normal((distances.DIRECTIONS, 3))
    total = 0.0
    for direction in directions:
        along = [np.sort(values @ (direction / np.linalg.norm(direction))) for values in colors]
        for level in np.linspace(0, 1, 256):
            place = [level * (len(values) - 1) for values in along]
            here, there = (np.interp(p, np.arange(len(v)), v) for p, v in zip(place, along, strict=True))
            total += abs(here - there) / (256 * 64)
    labels = np.zeros((17, 21), int), np.zeros((13, 19), int)
    assert color_distance(first, second, *labels, matched=np.array([True]), seed=4) == pytest.approx(
        total, rel=1e-9
    )


def test_regions_are_averaged_by_their_area_in_the_image():
    first, second = image_of(0), image_of(1) ** 2
    here, there = WHOLE.copy(), WHOLE.copy()
    here[:, 5:], there[9:] = 1, 1
    parts = []
    for region in range(2):
        inside, outside = first[:, here == region], second[:, there == region]
        parts.append(whole_distance(inside[:, None], outside[:, None]))
    found = color_distance(first, second, here, there, matched=np.array([True, True]))
    assert found == pytest.approx((5 * parts[0] + 16 * parts[1]) / 21, rel=1e-9)
    only = color_distance(first, second, here, there, matched=np.array([False, True]))
    assert only == pytest.approx(parts[1], rel=1e-9)


def test_without_a_region_in_common_there_is_no_distance():
    with pytest.raises(PstError, match="needs a region that both images have"):
        color_distance(image_of(0), image_of(1), WHOLE, WHOLE, matched=np.array([False]))
