from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from scipy.optimize import minimize

from pst_core.pipeline import evenness
from pst_core.pipeline.evenness import bound_slope, brightness_curve, curved_change, linear_change
from pst_core.pipeline.working import make_working_pair
from pst_core.quality.slopes import largest_slope
from pst_core.regions.labels import Regions

CPU = torch.device("cpu")


def photograph(seed, height=60, width=80):
    """Smooth shapes around the middle of the range."""
    rng = np.random.default_rng(seed)
    shapes = gaussian_filter(rng.standard_normal((3, height, width)), (0, 4, 4))
    return np.clip(0.5 + 0.12 * shapes / shapes.std(), 0, 1).astype(np.float32)


@pytest.fixture
def pair():
    labels = np.zeros((60, 80), np.int16)
    labels[:, 40:] = 1
    regions = Regions(labels, labels, np.zeros((2, 3), np.uint8))
    return make_working_pair(photograph(1), photograph(2), regions, size=80, device=CPU, softness=4)


def slope(image, pair):
    labels = pair.content_masks.argmax(dim=0).numpy()
    return largest_slope(image.numpy(), pair.content.numpy(), labels)


def uneven(pair, height):
    """The content with a blotch on it that its colours do not tell of."""
    rows, columns = torch.meshgrid(torch.arange(60), torch.arange(80), indexing="ij")
    blotch = torch.exp(-((rows - 30) ** 2 + (columns - 18) ** 2) / 50)
    return (pair.content + height * blotch).clamp(0, 1)


def test_an_even_change_stays_as_it_is(pair):
    image = 0.2 + 0.6 * pair.content
    assert bound_slope(image, pair, 2.0) is image


def test_without_a_bound_nothing_is_held_back(pair):
    image = torch.rand(3, 60, 80, generator=torch.Generator().manual_seed(0))
    assert bound_slope(image, pair, None) is image


@pytest.mark.parametrize("most", [3.0, 4.0])
def test_a_steep_change_becomes_as_steep_as_it_may_be(pair, most):
    image = uneven(pair, 0.45)
    bounded = bound_slope(image, pair, most)
    assert slope(image, pair) > most >= slope(bounded, pair)
    assert slope(bounded, pair) > 0.6 * most  # and no flatter than it need be


def test_what_is_held_back_is_the_blotch(pair):
    image = uneven(pair, 0.45)
    change = (bound_slope(image, pair, 3.0) - image).norm(dim=0)
    assert change[30, 18] > 0.1
    assert change[:, 60:].max() < 0.01


def test_a_linear_change_by_regions_is_found_as_it_is(pair, monkeypatch):
    monkeypatch.setattr(evenness, "NOISE", 0.0)
    gains = torch.tensor([[0.8, 0.1, 0.0], [0.0, 0.6, 0.2], [0.1, 0.0, 0.7]])
    other = gains.flip(0) * 0.5
    hard = (pair.content_masks > 0.5).float()
    image = sum(
        mask * (torch.einsum("ij,jhw->ihw", map_, pair.content) + shift)
        for mask, map_, shift in zip(hard, (gains, other), (0.1, 0.3), strict=True)
    )
    torch.testing.assert_close(linear_change(image, pair.content, hard), image, rtol=0, atol=1e-5)


def test_the_linear_change_is_numpys_least_squares(pair, monkeypatch):
    monkeypatch.setattr(evenness, "NOISE", 0.0)
    image = torch.rand(3, 60, 80, generator=torch.Generator().manual_seed(3))
    found = linear_change(image, pair.content, torch.ones(1, 60, 80))
    colors = pair.content.flatten(1).double().numpy().T
    terms = np.concatenate([colors, np.ones((len(colors), 1))], axis=1)
    solved, *_ = np.linalg.lstsq(terms, image.flatten(1).double().numpy().T, rcond=None)
    np.testing.assert_allclose(found.flatten(1).numpy().T, terms @ solved, atol=1e-5)


def test_a_linear_change_has_no_larger_gain_than_it_may_have(pair, monkeypatch):
    monkeypatch.setattr(evenness, "NOISE", 0.0)
    generator = torch.Generator().manual_seed(5)
    left, right = (torch.linalg.qr(torch.randn(3, 3, generator=generator))[0] for _ in range(2))
    whole = torch.ones(1, 60, 80)
    image, limited = (
        torch.einsum("ij,jhw->ihw", left @ torch.diag(torch.tensor(gains)) @ right, pair.content)
        for gains in ([9.0, 2.0, 0.5], [4.0, 2.0, 0.5])
    )
    found = linear_change(image, pair.content, whole, 4.0)
    assert (found.mean(dim=(1, 2)) - image.mean(dim=(1, 2))).abs().max() < 1e-4
    shift = (image - limited).mean(dim=(1, 2), keepdim=True)
    torch.testing.assert_close(found, limited + shift, rtol=0, atol=1e-4)


def test_one_colour_alone_has_no_slope(pair):
    plain = replace(pair, content=torch.full((3, 60, 80), 0.4))
    image = torch.rand(3, 60, 80, generator=torch.Generator().manual_seed(3))
    assert bound_slope(image, plain, 2.0) is image


def test_blacks_stay_black_under_a_pale_look():
    """A dark photograph, and a look that is steep in the blacks and pale above them."""
    shapes = photograph(1)
    dark = (0.02 + 0.6 * ((shapes - shapes.min()) / np.ptp(shapes)) ** 3).mean(axis=0)
    one = Regions(np.zeros((60, 80), np.int16), np.zeros((60, 80), np.int16), np.zeros((1, 3), np.uint8))
    content = np.broadcast_to(dark, (3, 60, 80)).astype(np.float32)
    pair = make_working_pair(content, photograph(2), one, size=80, device=CPU, softness=4)
    look = 0.05 + 0.6 * (1 - torch.exp(-(pair.content - 0.02) / 0.06))
    most = 3.5 * evenness.ROOM
    linear = linear_change(look, pair.content, pair.soft_masks, most)
    veiled = evenness._held_back(look, linear, evenness._pairs(pair), most)
    bounded = bound_slope(look, pair, 3.5)
    blacks = pair.content < pair.content.quantile(0.2)
    wrong = [float((each - look)[blacks].mean().abs()) for each in (veiled, bounded)]
    assert slope(look, pair) > 4 and slope(bounded, pair) <= 3.5
    assert wrong[1] < 0.75 * wrong[0]


def test_what_is_held_back_is_no_more_than_need_be(pair):
    image = uneven(pair, 0.45)
    even = linear_change(image, pair.content, pair.soft_masks)
    kept = evenness._held_back(image, even, evenness._pairs(pair), 2.5)
    rest = image - even
    size = rest.norm(dim=0, keepdim=True)
    tried = [
        (even + rest * (1 + (size / limit) ** evenness.KNEE) ** (-1 / evenness.KNEE)).clamp(0, 1)
        for limit in evenness.LIMITS
    ]
    assert torch.equal(kept, next(each for each in tried if slope(each, pair) <= 2.5))


def test_a_curved_change_is_linear_where_linear_explains_all(pair, monkeypatch):
    monkeypatch.setattr(evenness, "NOISE", 0.0)
    image = 0.3 + 0.5 * pair.content
    linear = linear_change(image, pair.content, pair.soft_masks)
    curved = curved_change(image, pair.content, pair.soft_masks, 4.0)
    torch.testing.assert_close(curved, linear, rtol=0, atol=1e-5)


def test_a_curve_moves_all_channels_together_and_no_region_as_a_whole(pair):
    hard = (pair.content_masks > 0.5).float()
    image = pair.content.mean(dim=0).clamp_min(0.45).expand(3, -1, -1)
    linear = linear_change(image, pair.content, hard)
    change = curved_change(image, pair.content, hard, 4.0) - linear
    assert change.abs().max() > 0.02
    torch.testing.assert_close(change[0], change[1], rtol=0, atol=1e-6)
    for mask in hard:
        assert (change[0] * mask).sum().abs() / mask.sum() < 1e-6
    nearer, far = ((each - image).square().mean() for each in (linear + change, linear))
    assert nearer < 0.85 * far


@pytest.fixture
def tones():
    """Tones, what is to be added to them, and weights."""
    rng = np.random.default_rng(4)
    tones = rng.beta(1, 3, 2000)
    return tones, 0.1 * np.sin(9 * tones) + 0.05 * rng.standard_normal(2000), rng.random(2000)


def test_a_curve_has_no_steeper_slopes_than_it_may_have(tones):
    curve = brightness_curve(*tones, (-0.3, 0.5))
    order = np.argsort(tones[0])
    slopes = np.diff(curve[order]) / np.diff(tones[0][order])
    assert slopes.min() == pytest.approx(-0.3, abs=1e-6) and slopes.max() == pytest.approx(0.5, abs=1e-6)
    assert np.average(curve, weights=tones[2]) == pytest.approx(0, abs=1e-12)


def test_a_curve_follows_what_is_wanted_as_far_as_it_may(tones):
    values, _, weights = tones
    centred = values - np.average(values, weights=weights)
    for wanted, found in ((0.4, 0.4), (3.0, 0.5), (-2.0, -0.3)):
        curve = brightness_curve(values, wanted * centred, weights, (-0.3, 0.5))
        inner = (values > np.quantile(values, 0.1)) & (values < np.quantile(values, 0.9))
        level = np.average(curve[inner] - found * centred[inner])
        np.testing.assert_allclose(curve[inner], found * centred[inner] + level, atol=1e-6)


def test_no_curve_of_the_same_kind_is_nearer(tones):
    """Against SLSQP over the heights at the tones that the curve bends at."""
    values, wanted, weights = tones
    curve = brightness_curve(values, wanted, weights, (-0.3, 0.5))
    order = np.argsort(values)
    share = np.cumsum(weights[order]) * (evenness.TONES / weights.sum())
    groups = np.array_split(order, np.searchsorted(share, np.arange(1, evenness.TONES)))
    middle, mean, weight = (
        np.array([call(group) for group in groups])
        for call in (
            lambda group: np.average(values[group], weights=weights[group]),
            lambda group: np.average(wanted[group], weights=weights[group]),
            lambda group: weights[group].sum() / weights.sum(),
        )
    )
    limits = [
        {"type": "ineq", "fun": lambda height: 0.5 - np.diff(height) / np.diff(middle)},
        {"type": "ineq", "fun": lambda height: np.diff(height) / np.diff(middle) + 0.3},
    ]
    solved = minimize(
        lambda height: 1e4 * (weight * (height - mean) ** 2).sum(),
        np.zeros(evenness.TONES),
        method="SLSQP",
        constraints=limits,
    )
    expected = np.interp(values, middle, solved.x)
    expected -= np.average(expected, weights=weights)
    np.testing.assert_allclose(curve, expected, atol=2e-4)


def test_one_tone_has_no_curve():
    assert not brightness_curve(np.full(50, 0.4), np.linspace(0, 1, 50), np.ones(50), (-1.0, 1.0)).any()
