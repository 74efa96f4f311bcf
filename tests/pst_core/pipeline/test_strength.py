import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from pst_core.filters import guided
from pst_core.pipeline.strength import at_strength
from pst_core.pipeline.working import make_working_pair
from pst_core.regions.labels import Regions

CPU = torch.device("cpu")
HEIGHT, WIDTH = 48, 64
AWAY = np.r_[:26, 38:WIDTH]  # columns away from the regions' border, which is soft


@pytest.fixture(scope="module")
def content():
    """A dark half beside a bright one, so that the border is an edge of the photograph."""
    shapes = gaussian_filter(np.random.default_rng(1).standard_normal((3, HEIGHT, WIDTH)), (0, 3, 3))
    picture = 0.3 + 0.06 * shapes / shapes.std()
    picture[:, :, WIDTH // 2 :] += 0.35
    return picture.clip(0.05, 0.95).astype(np.float32)


def pair_of(content, size=WIDTH, count=2):
    labels = np.zeros(content.shape[1:], np.int16)
    labels[:, labels.shape[1] // 2 :] = count - 1
    regions = Regions(labels, labels, np.zeros((count, 3), np.uint8))
    return make_working_pair(content, content, regions, size=size, device=CPU, softness=1)


def changed(content):
    """Another linear change of colours in each half."""
    result = content * 0.9 - 0.02
    half = content.shape[2] // 2
    result[:, :, half:] = content[:, :, half:] * 1.1 + np.float32([0.02, -0.05, -0.1])[:, None, None]
    return result.clip(0, 1)


def test_nothing_is_the_content_and_one_is_the_result_to_the_bit(content):
    pair, result = pair_of(content), changed(content)
    assert np.array_equal(at_strength(result.copy(), pair, content, 1.0), result)
    left = at_strength(result.copy(), pair, content, 0.0)
    assert np.array_equal(left, content) and not np.shares_memory(left, content)


@pytest.mark.parametrize("strength", [1e-3, 0.25, 0.999])
def test_in_between_is_that_share_of_the_way(content, strength):
    result = changed(content)
    found = at_strength(result.copy(), pair_of(content), content, strength)
    wanted = (1 - strength) * content.astype(float) + strength * result
    assert found.dtype == np.float32 and np.abs(found - wanted).max() < 1e-6


def test_beyond_each_regions_change_of_colours_goes_on(content):
    result = changed(content)
    found = at_strength(result.copy(), pair_of(content), content, 1.6)
    wanted = content + 1.6 * (result - content)
    assert wanted.min() > 0 and wanted.max() < 1  # nothing is held back
    missed = np.abs(found - wanted)[:, :, AWAY].mean()
    assert missed < 0.1 * np.abs(found - result)[:, :, AWAY].mean()


def test_texture_stays_as_it_is_at_one(content):
    """What no change of colours explains is added once."""
    texture = 0.02 * np.random.default_rng(2).standard_normal(content.shape).astype(np.float32)
    pair, plain = pair_of(content, count=1), 0.8 * content + 0.1
    added = at_strength(plain + texture, pair, content, 2.0) - at_strength(plain.copy(), pair, content, 2.0)
    gain = (added * texture).mean() / (texture**2).mean()
    assert gain == pytest.approx(1, abs=0.1)


def test_a_pixel_that_would_leave_the_range_stops_on_its_way():
    """One colour: r + t (r - c), with the largest t that keeps every channel."""
    content = np.full((3, 40, 40), 0.5, np.float32)
    result = np.array([0.2, 0.1, 0.05], np.float32)[:, None, None].repeat(40, 1).repeat(40, 2)
    found = at_strength(result.copy(), pair_of(content, 40, count=1), content, 2.0)
    wanted = [0.2 - 0.3 / 9, 0.1 - 0.4 / 9, 0]  # blue has 0.05 to go of 0.45
    np.testing.assert_allclose(found, np.array(wanted)[:, None, None].repeat(40, 1).repeat(40, 2), atol=2e-3)


def test_a_large_picture_keeps_the_regions_apart_at_its_own_edge(content):
    """Worked on at a quarter of its size: what changes one half beyond 1 leaves the other."""
    large = content.repeat(4, 1).repeat(4, 2)
    result, half = large.copy(), large.shape[2] // 2
    result[:, :, half:] = large[:, :, half:] + np.float32(0.1)
    found = at_strength(result.copy(), pair_of(large), large, 2.0)
    assert np.abs(found - result)[:, :, : half - 8].max() < 0.01
    gone_on = (found - result)[:, :, half + 8 :]
    assert gone_on.mean() == pytest.approx(0.1, abs=0.01) and np.abs(gone_on - 0.1).max() < 0.05


def test_strips_make_no_difference(content, monkeypatch):
    large = content.repeat(2, 1).repeat(2, 2)
    pair, result = pair_of(large, count=1), 0.8 * large + 0.1
    whole = at_strength(result.copy(), pair, large, 1.5)
    monkeypatch.setattr(guided, "STRIP_PIXELS", 7 * large.shape[2])
    np.testing.assert_allclose(at_strength(result.copy(), pair, large, 1.5), whole, atol=1e-6)
