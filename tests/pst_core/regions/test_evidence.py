import numpy as np
import pytest

from pst_core.regions.evidence import look_at


def unit(image):
    return np.moveaxis(image, -1, 0).astype(np.float32) / 255


@pytest.fixture
def photograph(landscape):
    return unit(landscape(96, 128, sky=(110, 160, 225), ground=(70, 110, 40), horizon=0.5, seed=1)[0])


def test_a_sky_is_backdrop_and_the_ground_is_not(photograph, small_encoder):
    behind = look_at(photograph, None, small_encoder).behind
    half = len(behind) // 2
    assert behind[: half - 1].mean() > 0.95 and behind[half + 1 :].mean() < 0.05


def test_a_backdrop_is_the_same_in_a_mirror(photograph, small_encoder):
    seen, mirrored = (
        look_at(np.ascontiguousarray(each), None, small_encoder).backdrop
        for each in (photograph, photograph[:, :, ::-1])
    )
    assert np.abs(seen - mirrored[:, ::-1]).mean() < 0.02  # gradients are taken to the right: near, not equal


def test_probabilities_lie_between_0_and_1(photograph, small_encoder):
    seen = look_at(photograph, None, small_encoder)
    assert seen.backdrop.min() >= 0 and seen.backdrop.max() <= 1
    assert 0 < seen.contrast <= 1


def test_an_object_before_a_plain_ground_is_no_backdrop(small_encoder):
    image = np.full((3, 96, 96), 0.05, np.float32)
    image[:, 32:64, 32:64] = np.random.default_rng(0).random((3, 32, 32))
    behind = look_at(image, None, small_encoder).behind
    assert not behind[9:15, 9:15].any() and behind[:4].all()


@pytest.mark.parametrize("shape", [(16, 16), (16, 300), (300, 16)])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_plain_photograph_of_any_size_can_be_looked_at(shape, value, small_encoder):
    seen = look_at(np.full((3, *shape), value, np.float32), None, small_encoder)
    assert np.isfinite(seen.backdrop).all() and 0 <= seen.contrast <= 1
    assert seen.features.shape[0] == seen.seen.size == seen.backdrop.size


def test_what_does_not_count_is_no_backdrop(photograph, small_encoder):
    counted = np.ones(photograph.shape[1:], np.bool_)
    counted[:, :64] = False
    seen = look_at(photograph, counted, small_encoder)
    assert not seen.behind[:, : seen.seen.shape[1] // 2].any() and seen.behind.any()


def test_photographs_of_one_surface_have_little_variety(small_encoder):
    grain = np.random.default_rng(0).random((3, 96, 96)).astype(np.float32)
    both = grain.copy()
    both[:, :48] = 0.5 + 0.02 * grain[:, :48]
    lawn, lawn_and_sky = (look_at(image, None, small_encoder).variety for image in (grain, both))
    assert lawn < 0.2 < 1 < lawn_and_sky


@pytest.mark.parametrize("shape", [(96, 240), (240, 96)])
def test_strips_lie_or_stand(shape, small_encoder):
    plain = np.full((3, *shape), 0.5, np.float32)
    assert look_at(plain, None, small_encoder).strip
    assert not look_at(plain[:, :96, :96], None, small_encoder).strip
