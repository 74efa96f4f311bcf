from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.stats import wasserstein_distance

from pst_core.color.transfer import color_statistics
from pst_core.filters.guided import upsample_through_guide
from pst_core.filters.resizing import fit_size, resize
from pst_core.pipeline import finish
from pst_core.pipeline.finish import match_colors, render, restore_detail
from pst_core.pipeline.working import make_working_pair
from pst_core.quality.distances import structural_similarity
from pst_core.regions.labels import Regions
from pst_core.settings.config import Config

CPU = torch.device("cpu")


def photograph(height, width, seed, base, contrast=0.15):
    """Smooth shapes with fine texture, around a colour."""
    rng = np.random.default_rng(seed)
    shapes = gaussian_filter(rng.standard_normal((3, height, width)), (0, 5, 5))
    shapes *= contrast / shapes.std()
    fine = 0.02 * rng.standard_normal((1, height, width))
    return np.clip(np.array(base)[:, None, None] + shapes + fine, 0, 1).astype(np.float32)


def halves(height, width):
    labels = np.zeros((height, width), np.int16)
    labels[:, width // 2 :] = 1
    return labels


@pytest.fixture
def working_pair():
    content = photograph(48, 64, 1, (0.5, 0.5, 0.5))
    style = photograph(40, 56, 2, (0.7, 0.4, 0.3), 0.1)
    style[:, :, 28:] = photograph(40, 28, 3, (0.2, 0.4, 0.6), 0.1)
    regions = Regions(halves(48, 64), halves(40, 56), np.zeros((2, 3), np.uint8))
    return make_working_pair(content, style, regions, size=64, device=CPU, softness=4)


def test_strength_zero_changes_nothing(working_pair):
    image, strength = match_colors(working_pair.content, working_pair, Config(color_match=0.0))
    assert strength == 0 and torch.equal(image, working_pair.content)


def test_an_explicit_strength_is_that_share_of_the_way(working_pair):
    start = working_pair.content
    full, strength = match_colors(start, working_pair, Config(color_match=1.0))
    assert strength == 1
    half, strength = match_colors(start, working_pair, Config(color_match=0.5))
    assert strength == 0.5
    torch.testing.assert_close(half, (start + full) / 2)
    assert full.min() >= 0 and full.max() <= 1


def test_full_strength_brings_each_regions_colours_to_the_styles(working_pair):
    image, _ = match_colors(working_pair.content, working_pair, Config(color_match=1.0))
    wanted = working_pair.style_colors()
    before = color_statistics(working_pair.content, working_pair.content_masks)
    after = color_statistics(image, working_pair.content_masks)
    assert (after.mean - wanted.mean).abs().max() < 0.02 < 0.1 < (before.mean - wanted.mean).abs().max()
    for region in range(2):
        here = working_pair.content_masks[region] > 0.5
        there = working_pair.style_masks[region] > 0.5
        for channel in range(3):
            target = working_pair.style[channel][there].numpy()
            old = wasserstein_distance(working_pair.content[channel][here].numpy(), target)
            assert wasserstein_distance(image[channel][here].numpy(), target) < 0.35 * old + 0.005


def test_the_match_goes_beyond_moments(working_pair, monkeypatch):
    """A style of two tones: equal mean and covariance leave one broad hump, the whole match two."""
    style = torch.where(torch.rand(1, 40, 56, generator=torch.Generator().manual_seed(4)) < 0.3, 0.1, 0.8)
    pair = replace(working_pair, style=style.expand(3, 40, 56).contiguous())
    here, there = pair.content_masks[0] > 0.5, pair.style_masks[0] > 0.5
    distances = []
    for share in (0.0, finish.BEYOND_MOMENTS):
        monkeypatch.setattr(finish, "BEYOND_MOMENTS", share)
        image, _ = match_colors(pair.content, pair, Config(color_match=1.0))
        distances.append(wasserstein_distance(image[0][here].numpy(), pair.style[0][there].numpy()))
    assert distances[1] < 0.9 * distances[0]


def test_colours_that_agree_stay(working_pair):
    alike = replace(
        working_pair, style=working_pair.content, style_masks=working_pair.content_masks,
        style_counted=working_pair.content_counted,
    )  # fmt: skip
    image, _ = match_colors(alike.content, alike, Config(color_match=1.0))
    assert (image - alike.content).abs().mean() < 2e-3


UNSTAGED = Config(rounds=0)  # `auto` matches where no stage has the colours in its loss


@pytest.mark.parametrize("spare", [0.4, 0.05, 0.01, 0.0005])
def test_auto_keeps_structure_and_takes_the_largest_strength_that_does(working_pair, monkeypatch, spare):
    monkeypatch.setattr(finish, "STRUCTURE_TO_SPARE", spare)
    content = working_pair.content.numpy()
    image = 0.3 * working_pair.content + 0.7 * working_pair.content.flip(1)
    found, strength = match_colors(image, working_pair, UNSTAGED)
    before = structural_similarity(image.numpy(), content)
    assert 0.3 < before < 0.7  # so that its square is something else
    assert structural_similarity(found.numpy(), content) >= before - spare * before**2
    if strength == 0:
        assert torch.equal(found, image)
    stronger = [s for s in finish.STRENGTHS if s > strength]
    for candidate in stronger:
        tried, _ = match_colors(image, working_pair, Config(color_match=candidate))
        assert structural_similarity(tried.numpy(), content) < before - spare * before**2


def test_auto_is_held_back_by_structure(working_pair, monkeypatch):
    strengths = []
    for spare in (0.9, 0.05, 0.0):
        monkeypatch.setattr(finish, "STRUCTURE_TO_SPARE", spare)
        strengths.append(match_colors(working_pair.content, working_pair, UNSTAGED)[1])
    assert strengths == sorted(strengths, reverse=True)
    assert strengths[0] == 1 and strengths[-1] < 1


def test_a_tiny_image_is_matched_in_full():
    content, style = photograph(9, 12, 1, (0.5, 0.5, 0.5)), photograph(9, 12, 2, (0.6, 0.3, 0.3))
    one = np.zeros((9, 12), np.int16)
    pair = make_working_pair(
        content, style, Regions(one, one, np.zeros((1, 3), np.uint8)), size=12, device=CPU, softness=2
    )
    assert match_colors(pair.content, pair, UNSTAGED)[1] == 1


@pytest.mark.parametrize(("settings", "matched"), [
    ({}, False),
    ({"color_weight": 0.0}, True),
    ({"rounds": 0}, True),
    ({"global_iterations": 0, "regional_iterations": 0}, True),
    ({"color_match": 0.8}, True),
])  # fmt: skip
def test_auto_leaves_alone_what_stages_had_the_colours_in_their_losses_for(working_pair, settings, matched):
    image, strength = match_colors(working_pair.content, working_pair, Config(**settings))
    assert (strength > 0) == matched == (not torch.equal(image, working_pair.content))


def test_a_region_that_is_to_be_left_keeps_its_colours():
    content, style = photograph(48, 64, 1, (0.5, 0.5, 0.5)), photograph(48, 64, 2, (0.8, 0.3, 0.2))
    here, there = halves(48, 64), np.zeros((48, 64), np.int16)
    pair = make_working_pair(
        content, style, Regions(here, there, np.zeros((2, 3), np.uint8)), size=64, device=CPU, softness=4
    )
    config = Config(color_match=1.0, unmatched="leave")
    left, _ = match_colors(pair.content, pair, config)
    moved, _ = match_colors(pair.content, pair, config.model_copy(update={"unmatched": "style"}))
    torch.testing.assert_close(left[:, :, 44:], pair.content[:, :, 44:], rtol=0, atol=1e-5)
    assert (left[:, :, :20] - pair.content[:, :, :20]).abs().mean() > 0.1
    assert (moved[:, :, 44:] - pair.content[:, :, 44:]).abs().mean() > 0.1


def shrunk(full, side):
    return resize(torch.from_numpy(full), fit_size(*full.shape[1:], side))


def test_no_share_of_the_detail_changes_nothing():
    content = photograph(60, 80, 1, (0.5, 0.5, 0.5))
    full = torch.from_numpy(photograph(60, 80, 2, (0.5, 0.5, 0.5)))
    found = restore_detail(
        full.clone(), shrunk(full.numpy(), 40), shrunk(content, 40), torch.from_numpy(content), 0.0
    )
    assert torch.equal(found, full)


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_detail_changes_no_pixel_by_more_than_its_limit(share):
    content = photograph(60, 80, 1, (0.5, 0.5, 0.5))
    content[:, 20:40, 20:50] = 1 - content[:, 20:40, 20:50]
    full = torch.from_numpy(photograph(60, 80, 2, (0.5, 0.5, 0.5)))
    found = restore_detail(
        full.clone(), shrunk(full.numpy(), 40), shrunk(content, 40), torch.from_numpy(content), share
    )
    change = found - full
    assert change.abs().max() <= 0.03 + 1e-6
    assert change.abs().max() > 0.005
    inside = ((full > 0.04) & (full < 0.96)).all(dim=0)  # where nothing is clipped, brightness alone changes
    spread = change.max(dim=0).values - change.min(dim=0).values
    assert spread[inside].max() < 1e-6


def test_texture_that_was_damped_comes_back():
    rng = np.random.default_rng(0)
    smooth = photograph(96, 96, 1, (0.5, 0.4, 0.5), 0.05)
    fine = 0.015 * rng.standard_normal((96, 96)).astype(np.float32)
    content, damped = smooth + fine, torch.from_numpy(smooth.copy())
    found = restore_detail(
        damped.clone(), shrunk(smooth, 48), shrunk(content, 48), torch.from_numpy(content), 1.0
    )
    gained = (found - damped).mean(dim=0).numpy()
    assert np.corrcoef(gained.ravel(), fine.ravel())[0, 1] > 0.8
    assert gained.std() == pytest.approx(fine.std(), rel=0.4)


def test_edges_get_no_rim():
    """A clean edge with other colours: away from it nothing changes, and at it next to nothing."""
    content = np.full((3, 64, 96), 0.2, np.float32)
    content[:, :, 48:] = 0.8
    full = torch.from_numpy(content * np.array([0.9, 0.6, 0.5], np.float32)[:, None, None] + np.float32(0.05))
    found = restore_detail(
        full.clone(), shrunk(full.numpy(), 48), shrunk(content, 48), torch.from_numpy(content), 1.0
    )
    change = (found - full).abs()
    far = torch.ones(96, dtype=torch.bool)
    far[48 - 14 : 48 + 14] = False  # the windows that hold the edge, at full size
    assert change[:, :, far].max() < 1e-3
    assert change.max() <= 0.03 + 1e-6


def test_what_is_its_contents_own_image_gains_nothing():
    content = photograph(60, 80, 4, (0.5, 0.5, 0.5))
    full = torch.from_numpy(content.copy())
    found = restore_detail(
        full.clone(), shrunk(content, 40), shrunk(content, 40), torch.from_numpy(content), 1.0
    )
    torch.testing.assert_close(found, full, rtol=0, atol=1e-5)


def test_at_the_same_size_rendering_without_detail_changes_nothing(working_pair):
    content = working_pair.content.numpy()
    image = torch.from_numpy(photograph(48, 64, 5, (0.4, 0.5, 0.6)))
    assert np.array_equal(
        render(image, working_pair, content, Config(detail=0.0, rim_removal=0.0)), image.numpy()
    )


def test_rendering_leaves_its_inputs_alone(working_pair):
    content = working_pair.content.numpy().copy()
    image = torch.from_numpy(photograph(48, 64, 5, (0.4, 0.5, 0.6)))
    before = image.clone()
    render(image, working_pair, content, Config())
    assert torch.equal(image, before) and np.array_equal(content, working_pair.content.numpy())


def large_pair():
    content, style = photograph(120, 160, 6, (0.5, 0.5, 0.5)), photograph(100, 130, 7, (0.6, 0.4, 0.3))
    regions = Regions(halves(120, 160), halves(100, 130), np.zeros((2, 3), np.uint8))
    return content, make_working_pair(content, style, regions, size=64, device=CPU, softness=4)


def test_bicubic_rendering_is_torchs():
    content, pair = large_pair()
    image = torch.from_numpy(photograph(48, 64, 5, (0.4, 0.5, 0.6)))
    found = render(image, pair, content, Config(upsampling="bicubic", detail=0.0, rim_removal=0.0))
    expected = torch.nn.functional.interpolate(image[None], size=(120, 160), mode="bicubic")[0].clamp(0, 1)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_guided_rendering_goes_through_the_content():
    content, pair = large_pair()
    image = torch.from_numpy(photograph(48, 64, 5, (0.4, 0.5, 0.6)))
    found = render(
        image,
        pair,
        content,
        Config(
            detail=0.0,
            rim_removal=0.0,
            upsampling_radius=3,
            upsampling_epsilon=1e-3,
            upsampling_tolerance=0.02,
        ),
    )
    expected = upsample_through_guide(image, pair.content, torch.from_numpy(content), 3, 1e-3, 0.02).clamp(
        0, 1
    )
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found.dtype == np.float32 and found.shape == content.shape


def test_rendering_the_working_content_gives_the_content_back():
    content, pair = large_pair()
    found = render(pair.content, pair, content, Config(upsampling_epsilon=1e-7, detail=0.0, rim_removal=0.0))
    np.testing.assert_allclose(found, content, atol=2e-3)
    plain = render(pair.content, pair, content, Config(upsampling="bicubic", detail=0.0, rim_removal=0.0))
    assert np.abs(found - content).mean() < 0.1 * np.abs(plain - content).mean()
