"""Exposure: what is measured against known stops, and the curve that brings a photograph to another one's."""

import numpy as np
import pytest
from lattices import bent, colour

from pst_core.images.light import decode_srgb, encode_srgb
from pst_core.looks.exposure import MOST_STOPS, at_exposure, exposed, stops_against
from pst_core.looks.lattice import Lattice


@pytest.fixture
def scene():
    """Colours of a scene whose light spans eight stops, none of it near white."""
    rng = np.random.default_rng(4)
    light = 2.0 ** rng.uniform(-9, -1, (1, 60, 80)) * rng.uniform(0.4, 1, (3, 60, 80))
    return encode_srgb(light).astype(np.float32)


def under(scene, stops):
    """By colour-science: the scene under more light, clipped and rounded as a camera does it."""
    light = colour.models.eotf_sRGB(scene) * 2.0**stops
    return (np.rint(colour.models.eotf_inverse_sRGB(light.clip(0, 1)) * 255) / 255).astype(np.float32)


def test_light_is_srgbs():
    levels = np.linspace(0, 1, 501).astype(np.float32)
    assert np.allclose(decode_srgb(levels), colour.models.eotf_sRGB(levels), atol=1e-6)
    assert np.allclose(encode_srgb(levels), colour.models.eotf_inverse_sRGB(levels), atol=1e-6)


@pytest.mark.parametrize("stops", [-2, -1, -0.3, 0, 0.3, 1, 2])
def test_known_stops_are_found_though_some_of_it_is_clipped(scene, stops):
    assert stops_against(under(scene, stops), scene) == pytest.approx(stops, abs=0.06)


def test_what_differs_by_more_is_bounded(scene):
    assert stops_against(under(scene, -5), scene) == -MOST_STOPS
    assert stops_against(np.ones_like(scene), scene) == 0  # all of it is clipped
    assert stops_against(scene, np.zeros_like(scene)) == 0


def test_pixels_that_do_not_count_say_nothing(scene):
    half = scene.copy()
    half[:, :, :40] = under(scene, 1)[:, :, :40]
    counted = np.zeros(scene.shape[1:], bool)
    counted[:, :40] = True
    assert stops_against(half, scene, counted) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("stops", [-2, -0.5, 1, 2])
def test_nothing_is_clipped_and_hues_stay(stops):
    grid = Lattice.identity(9).values
    moved = exposed(grid, stops)
    assert moved.min() >= 0 and moved.max() <= 1
    light, after = decode_srgb(grid), decode_srgb(moved)
    assert np.allclose(after * light.sum(-1, keepdims=True), light * after.sum(-1, keepdims=True), atol=2e-5)
    levels = exposed(np.linspace(0, 1, 300, dtype=np.float32)[:, None].repeat(3, 1), stops)[:, 0]
    assert (np.diff(levels) > 0).all() and levels[0] == 0
    assert decode_srgb(levels[-1]) == pytest.approx(min(2.0**stops, 1), rel=1e-5)


@pytest.mark.parametrize("stops", [-2, -1, 1, 2])
def test_in_the_dark_it_is_a_gain(stops):
    gray = np.full((1, 3), 0.02, np.float32)
    assert decode_srgb(exposed(encode_srgb(gray), stops)) == pytest.approx(0.02 * 2.0**stops, rel=0.01)


def test_a_look_at_no_other_exposure_is_the_look():
    assert np.abs(at_exposure(bent(), 0, 0.5).apply(grays()) - bent().apply(grays())).max() < 2e-3


@pytest.mark.parametrize("stops", [-1.5, 1.5])
def test_a_look_is_taken_where_it_is_known_and_light_comes_back(stops):
    given = grays()
    brought = np.moveaxis(exposed(np.moveaxis(given, 0, -1), -stops), -1, 0)
    under_look = bent().apply(np.ascontiguousarray(brought))
    for share in (0, 0.5, 1):
        wanted = np.moveaxis(exposed(np.moveaxis(under_look, 0, -1), share * stops), -1, 0)
        assert np.abs(at_exposure(bent(), stops, share).apply(given) - wanted).mean() < 4e-3


@pytest.mark.parametrize("stops", [-2, 1])
def test_with_all_of_its_light_back_no_look_leaves_what_is_not_near_white(stops):
    given = 0.5 * grays()
    looked = at_exposure(Lattice.identity(), stops, 1).apply(given)
    assert np.abs(looked - given).max() < 2e-2


def grays():
    """Colours between grid points, off the gray axis a little."""
    levels = np.linspace(0.01, 0.97, 200, dtype=np.float32)
    return np.stack([levels, 0.9 * levels, 0.8 * levels])[:, None]
