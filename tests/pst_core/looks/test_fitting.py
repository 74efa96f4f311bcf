import numpy as np
import pytest

from pst_core.looks.fitting import MAX_SLOPE, fit_lattice
from pst_core.looks.lattice import Lattice
from pst_core.quality.slopes import largest_slope

RANDOM = np.random.default_rng(5)
COLORS = RANDOM.random((3, 60, 80), dtype=np.float32)


def slopes(lattice):
    """Of every cell along each axis, by plain differences."""
    steps = len(lattice.values) - 1
    return [np.linalg.norm(np.diff(lattice.values, axis=axis), axis=-1) * steps for axis in range(3)]


def test_a_linear_change_is_found_again():
    turn = np.array([[0.7, 0.1, 0.0], [0.1, 0.6, 0.2], [0.0, 0.1, 0.8]], np.float32)
    result = (np.einsum("ij,jhw->ihw", turn, COLORS) + 0.03).astype(np.float32)
    assert np.abs(fit_lattice(COLORS, result).apply(COLORS) - result).max() < 0.01


def test_a_curve_is_found_again():
    result = COLORS**1.5
    assert np.abs(fit_lattice(COLORS, result).apply(COLORS) - result).mean() < 0.01


def test_where_no_pixel_tells_the_colours_stay():
    dark = COLORS * 0.2
    lattice = fit_lattice(dark, dark + 0.05)
    assert np.abs(lattice.apply(dark) - dark - 0.05).max() < 0.01
    assert np.abs(lattice.values[-1, -1, -1] - 1).max() < 0.02


def test_a_steep_change_is_held_to_the_bound():
    threshold = (COLORS > 0.5).astype(np.float32)
    lattice = fit_lattice(COLORS, threshold)
    assert 2 < max(each.max() for each in slopes(lattice)) < 1.05 * MAX_SLOPE
    assert 2 < largest_slope(lattice.apply(COLORS), COLORS) < 4


def test_a_result_with_texture_keeps_its_spread():
    """What the content's colour does not explain is spread, not noise to be averaged away."""
    gray = np.repeat(RANDOM.normal(0.5, 0.08, (1, 60, 80)).clip(0, 1), 3, axis=0).astype(np.float32)
    result = (gray + RANDOM.normal(0, 0.08, gray[:1].shape)).clip(0, 1).astype(np.float32)
    spread = fit_lattice(gray, result).apply(gray).std()
    assert spread == pytest.approx(result.std(), rel=0.1)


def test_pixels_without_weight_say_nothing():
    result, weights = COLORS.copy(), np.zeros(COLORS.shape[1:], np.float32)
    weights[:, :40] = 1
    result[:, :, :40] = 0.8 * result[:, :, :40]
    result[:, :, 40:] = 0
    here = fit_lattice(COLORS, result, weights)
    assert np.abs(here.apply(COLORS) - 0.8 * COLORS).max() < 0.03


def test_what_two_parts_contradict_each_other_in_is_met_halfway():
    """Grays that stay in one part and turn warm in the other: not some of them here and others there."""
    gray = np.repeat(RANDOM.uniform(0.3, 0.7, (1, 60, 80)), 3, axis=0).astype(np.float32)
    warm = np.array([0.2, 0, -0.2], np.float32)[:, None, None]
    parts = np.arange(80) // 40 * np.ones((60, 1), int)
    result = gray + warm * parts
    missed = [
        np.abs(fit_lattice(gray, result, parts=each).apply(gray) - gray - warm / 2).mean()
        for each in (parts, None)
    ]
    assert missed[0] < 0.01 < missed[1]


def test_no_pixel_at_all_is_no_change():
    weights = np.zeros(COLORS.shape[1:], np.float32)
    assert np.array_equal(fit_lattice(COLORS, 1 - COLORS, weights).values, Lattice.identity().values)


def test_values_are_colours_whatever_is_given():
    lattice = fit_lattice(COLORS[:, :8, :8], 1 - COLORS[:, 8:16, :8])
    assert lattice.values.min() >= 0 and lattice.values.max() <= 1


def test_the_same_pictures_give_the_same_bits():
    fits = [fit_lattice(COLORS, COLORS**2).values for _ in range(2)]
    assert np.array_equal(*fits)
