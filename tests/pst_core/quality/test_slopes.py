from itertools import combinations

import numpy as np
import pytest

from pst_core.errors import PstError
from pst_core.quality.slopes import LEAST_DISTANCE, SHARE, largest_slope
from pst_core.regions.labels import NOWHERE


def noise(height=40, width=60, seed=0):
    return np.random.default_rng(seed).random((3, height, width))


def halves(height=40, width=60):
    labels = np.zeros((height, width), np.int16)
    labels[:, width // 2 :] = 1
    return labels


def test_the_content_itself_is_as_steep_as_it_is():
    assert largest_slope(noise(), noise()) == largest_slope(noise(), noise(), halves()) == 1


@pytest.mark.parametrize("gain", [0.0, 0.4, 3.0])
def test_a_linear_gain_is_the_slope(gain):
    assert largest_slope(gain * noise() + 0.1, noise()) == pytest.approx(gain, abs=1e-9)
    assert largest_slope(gain * noise() + 0.1, noise(), halves()) == pytest.approx(gain, abs=1e-9)


def test_the_steepest_region_counts():
    image = noise()
    image[..., :30] *= 0.5
    image[..., 30:] *= 4
    assert largest_slope(image, noise(), halves()) == pytest.approx(4)


def test_looks_that_differ_from_region_to_region_are_not_steep():
    image = noise()
    image[..., 30:] += 0.5
    assert largest_slope(image, noise(), halves()) == pytest.approx(1)
    assert largest_slope(image, noise()) > 3


def test_few_pixels_among_many_are_no_slope():
    image = noise(100, 100)
    image[:, 0, 0] += 50  # is in a five thousandth of all pairs
    assert largest_slope(image, noise(100, 100)) < 1.001
    image[:, :2, :20] += 50
    assert largest_slope(image, noise(100, 100)) > 50


def test_it_is_what_all_pairs_say():
    content = noise(12, 15)
    image = content**2 + 0.3 * noise(12, 15, seed=1)
    colors = [each.reshape(3, -1).T for each in (content, image)]
    slopes = []
    for here, there in combinations(range(180), 2):
        before, after = (np.sqrt(sum((each[here] - each[there]) ** 2)) for each in colors)
        if before >= LEAST_DISTANCE:
            slopes.append(after / before)
    assert largest_slope(image, content) == pytest.approx(np.quantile(slopes, SHARE), rel=0.05)


def test_what_differs_by_grain_alone_is_no_slope():
    grain = 0.5 + 0.004 * noise()
    with pytest.raises(PstError, match="more than one colour"):
        largest_slope(noise(), grain)


def test_what_is_invisible_does_not_count():
    labels, image = halves(), noise()
    labels[:, 30:] = NOWHERE
    image[..., 30:] *= 9
    assert largest_slope(image, noise(), labels) == pytest.approx(1)
    with pytest.raises(PstError, match="visible"):
        largest_slope(image, noise(), np.full_like(labels, NOWHERE))


def test_the_same_seed_draws_the_same_pairs():
    image = noise() ** 3
    assert largest_slope(image, noise(), seed=4) == largest_slope(image, noise(), seed=4)
    assert largest_slope(image, noise(), seed=4) != largest_slope(image, noise(), seed=5)


def test_sizes_must_agree():
    with pytest.raises(PstError, match=r"of one size, not \(40, 60\) and \(40, 20\)"):
        largest_slope(noise(), noise(40, 20))
