import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.stats import wasserstein_distance

from pst_core.color import transfer as color
from pst_core.color.transfer import (
    ColorStatistics,
    color_statistics,
    monge_kantorovich,
    sliced_transport,
    transfer_colors,
)

NOISE = color.NOISE


def covariance(seed, scale=0.05):
    """A covariance well above the noise, with axes of its own."""
    rng = np.random.default_rng(seed)
    axes, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    return torch.tensor(axes @ np.diag(rng.uniform(0.3, 1, 3) * scale) @ axes.T)


@pytest.fixture
def no_noise(monkeypatch):
    monkeypatch.setattr(color, "NOISE", 0.0)


@pytest.mark.parametrize("seed", range(4))
def test_map_is_the_published_formula(seed):
    source, target = covariance(seed), covariance(seed + 10)
    noise = NOISE * np.eye(3)
    root = np.real(sqrtm(source.numpy() + noise))
    inverse = np.linalg.inv(root)
    expected = inverse @ np.real(sqrtm(root @ (target.numpy() + noise) @ root)) @ inverse
    np.testing.assert_allclose(monge_kantorovich(source, target), expected, atol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_map_turns_one_covariance_into_the_other(no_noise, seed):
    source, target = covariance(seed), covariance(seed + 10)
    map_ = monge_kantorovich(source, target)
    torch.testing.assert_close(map_ @ source @ map_.T, target, rtol=1e-8, atol=1e-12)


def test_of_diagonal_covariances_the_gains_are_ratios_of_deviations(no_noise):
    source, target = torch.tensor([0.04, 0.01, 0.09]), torch.tensor([0.01, 0.04, 0.09])
    map_ = monge_kantorovich(torch.diag(source).double(), torch.diag(target).double())
    torch.testing.assert_close(map_, torch.diag(torch.tensor([0.5, 2.0, 1.0])).double(), rtol=1e-6, atol=1e-9)


def test_of_covariances_with_the_same_axes_the_map_has_them_too(no_noise):
    axes, _ = torch.linalg.qr(
        torch.randn(3, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    )
    source, target = torch.tensor([0.04, 0.01, 0.02]).double(), torch.tensor([0.02, 0.03, 0.08]).double()
    found = monge_kantorovich(axes @ torch.diag(source) @ axes.T, axes @ torch.diag(target) @ axes.T)
    torch.testing.assert_close(found, axes @ torch.diag((target / source).sqrt()) @ axes.T)


@pytest.mark.parametrize("seed", range(4))
def test_map_is_symmetric_positive_and_moves_colours_least(no_noise, seed):
    source, target = covariance(seed), covariance(seed + 20)
    map_ = monge_kantorovich(source, target)
    torch.testing.assert_close(map_, map_.T)
    assert torch.linalg.eigvalsh(map_).min() > 0
    # Every other linear map with the same effect is B = T^1/2 Q S^-1/2; the cost falls with trace(B S).
    turn, _ = torch.linalg.qr(
        torch.randn(3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    )
    there, here = torch.tensor(np.real(sqrtm(target.numpy()))), torch.tensor(np.real(sqrtm(source.numpy())))
    for rotation in (torch.eye(3).double(), turn):
        other = there @ rotation @ torch.linalg.inv(here)
        torch.testing.assert_close(other @ source @ other.T, target)
        assert torch.trace(map_ @ source) >= torch.trace(other @ source) - 1e-12


def test_map_between_equals_is_the_identity():
    source = covariance(1)
    torch.testing.assert_close(monge_kantorovich(source, source), torch.eye(3).double(), rtol=0, atol=1e-9)


def test_no_direction_gains_more_than_allowed():
    flat, wide = 1e-5 * torch.eye(3).double(), torch.diag(torch.tensor([0.1, 1e-5, 0.02])).double()
    assert torch.linalg.eigvalsh(monge_kantorovich(flat, wide)).max() == pytest.approx(color.MAX_GAIN)
    assert torch.linalg.eigvalsh(monge_kantorovich(flat, wide, 1.5)).max() == pytest.approx(1.5)
    assert torch.linalg.eigvalsh(monge_kantorovich(flat, wide, 1.5)).min() == pytest.approx(1.0)


def test_a_flat_region_does_not_blow_up():
    nothing = torch.zeros(3, 3).double()
    assert monge_kantorovich(nothing, covariance(0)).isfinite().all()
    torch.testing.assert_close(monge_kantorovich(nothing, nothing), torch.eye(3).double())


def test_maps_of_many_regions_are_the_maps_of_each():
    source, target = torch.stack([covariance(1), covariance(2)]), torch.stack([covariance(3), covariance(4)])
    both = monge_kantorovich(source, target)
    for region in range(2):
        torch.testing.assert_close(both[region], monge_kantorovich(source[region], target[region]))


def test_statistics_are_numpys_with_weights(random_image):
    image = random_image(9, 8)
    masks = torch.rand(2, 9, 8, generator=torch.Generator().manual_seed(8))
    found = color_statistics(image, masks)
    for region in range(2):
        weights = masks[region].double().numpy().ravel()
        colors = image.double().numpy().reshape(3, -1)
        np.testing.assert_allclose(
            found.mean[region], np.average(colors, axis=1, weights=weights), atol=1e-12
        )
        expected = np.cov(colors, aweights=weights, bias=True)
        np.testing.assert_allclose(found.covariance[region], expected, atol=1e-12)


def test_statistics_of_an_empty_region_are_finite(random_image):
    found = color_statistics(random_image(5, 5), torch.zeros(1, 5, 5))
    assert found.mean.isfinite().all() and found.covariance.isfinite().all()


def test_transfer_reaches_mean_and_covariance_of_each_region(no_noise, random_image):
    image = random_image(20, 20, dtype=torch.float64)
    masks = torch.zeros(2, 20, 20, dtype=torch.float64)
    masks[0, :, :9], masks[1, :, 9:] = 1, 1
    target = ColorStatistics(
        torch.tensor([[0.3, 0.5, 0.6], [0.7, 0.2, 0.4]]).double(), torch.stack([covariance(1), covariance(2)])
    )
    reached = color_statistics(transfer_colors(image, color_statistics(image, masks), target, masks), masks)
    torch.testing.assert_close(reached.mean, target.mean)
    torch.testing.assert_close(reached.covariance, target.covariance)


def test_transfer_blends_over_soft_masks(random_image):
    image = random_image(6, 6, dtype=torch.float64)
    one = color_statistics(image, torch.ones(1, 6, 6))
    moved = ColorStatistics(one.mean + 0.1, one.covariance)
    source = ColorStatistics(*(torch.cat([part, part]) for part in one))
    target = ColorStatistics(*(torch.cat(parts) for parts in zip(one, moved, strict=True)))
    share = torch.linspace(0, 1, 6).double().expand(6, 6)
    found = transfer_colors(image, source, target, torch.stack([1 - share, share]))
    torch.testing.assert_close(found, image + 0.1 * share)


def test_transfer_holds_gains_back(random_image):
    image = 0.5 + 0.1 * (random_image(12, 12, dtype=torch.float64) - 0.5)
    masks = torch.ones(1, 12, 12)
    source = color_statistics(image, masks)
    wide = ColorStatistics(source.mean, 25 * source.covariance)
    found = color_statistics(transfer_colors(image, source, wide, masks, max_gain=2.0), masks)
    torch.testing.assert_close(found.covariance, 4 * source.covariance)


def skewed_colors(count, seed):
    rng = np.random.default_rng(seed)
    mixture = np.where(rng.random((count, 1)) < 0.3, 0.25, 0.7)
    return torch.tensor((mixture + rng.normal(0, 0.05, (count, 3)) * [1, 0.5, 1.5]).T, dtype=torch.float32)


def distance(first, second):
    """Sliced Wasserstein distance along axes that the transport does not use."""
    rng = np.random.default_rng(99)
    directions = rng.standard_normal((20, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    pairs = zip(directions @ first.numpy(), directions @ second.numpy(), strict=True)
    return float(np.mean([wasserstein_distance(*pair) for pair in pairs]))


def test_sliced_transport_reaches_a_distribution_that_moments_miss(random_image):
    image = 0.2 + 0.6 * random_image(30, 30)
    target = skewed_colors(1500, 3)
    everywhere = torch.ones(30, 30, dtype=torch.bool)
    found = sliced_transport(image, everywhere, target, max_slope=50.0)
    statistics = color_statistics(target[:, None], torch.ones(1, 1, 1500))
    linear = transfer_colors(
        image, color_statistics(image, torch.ones(1, 30, 30)), statistics, torch.ones(1, 30, 30)
    )
    before, by_moments, after = (distance(part.flatten(1), target) for part in (image, linear, found))
    assert by_moments < before
    assert after < 0.35 * by_moments
    assert after < 0.01


def test_sliced_transport_leaves_a_distribution_that_agrees(random_image):
    image = random_image(40, 40)
    inside = torch.ones(40, 40, dtype=torch.bool)
    found = sliced_transport(image, inside, image.flatten(1)[:, torch.randperm(1600)], max_slope=2.0)
    torch.testing.assert_close(found, image, rtol=0, atol=1e-3)


def test_sliced_transport_learns_from_the_pixels_inside_and_moves_all(random_image):
    image = random_image(30, 30)
    inside = torch.zeros(30, 30, dtype=torch.bool)
    inside[:15] = True
    target = 0.1 + image[:, inside]
    image[:, ~inside] = 0.5
    found = sliced_transport(image, inside, target, max_slope=2.0)
    torch.testing.assert_close(found, image + 0.1, rtol=0, atol=5e-3)


@pytest.mark.parametrize("max_slope", [0.5, 1.5, 4.0])
def test_no_step_of_the_transport_is_steeper_than_allowed(max_slope):
    rng = np.random.default_rng(4)
    found = torch.tensor(np.sort(rng.normal(0.5, 0.02, 65)), dtype=torch.float64)
    wanted = torch.tensor(np.sort(rng.random(65)), dtype=torch.float64)
    values = torch.linspace(0.3, 0.7, 4001, dtype=torch.float64)
    moved = color._match_axis(values, found, wanted, max_slope)
    slopes = moved.diff() / values.diff()
    assert slopes.min() > -1e-9  # order is kept
    assert slopes.max() <= max(max_slope, 1) + 1e-6  # beyond the ends values are shifted: slope 1
    between = (values[:-1] > found[0]) & (values[1:] < found[-1])
    assert slopes[between].max() <= max_slope + 1e-6
    assert slopes[between].max() > 0.9 * max_slope  # and the bound is used


def test_quantiles_are_matched_where_the_slope_allows():
    levels = torch.linspace(0, 1, 65, dtype=torch.float64)
    found, wanted = levels, levels**2
    moved = color._match_axis(levels, found, wanted, 10.0)
    torch.testing.assert_close(moved, wanted, rtol=0, atol=1e-3)


def test_a_held_back_axis_still_reaches_the_wanted_mean():
    levels = torch.linspace(0, 1, 65, dtype=torch.float64)
    narrow = 0.5 + 0.02 * (levels - 0.5)
    moved = color._match_axis(narrow, narrow, 0.3 + 0.5 * levels, 1.5)
    assert moved.mean().item() == pytest.approx(0.55, abs=1e-3)
    assert (moved[-1] - moved[0]).item() == pytest.approx(0.03, rel=0.01)


def moments(regions):
    return ColorStatistics(torch.zeros(regions, 3), torch.eye(3).expand(regions, 3, 3))


@pytest.mark.parametrize(("call", "said"), [
    (lambda i, m: color_statistics(i[:1], m), r"image must have the shape \(3, H, W\), not \(1, 5, 6\)"),
    (lambda i, m: color_statistics(i, m[0]), r"masks must have the shape \(R, 5, 6\), not \(5, 6\)"),
    (lambda i, m: color_statistics(i, m.mT), r"masks must have the shape \(R, 5, 6\), not \(2, 6, 5\)"),
    (lambda i, m: monge_kantorovich(i[:, :3], i[0]), r"source must have the shape \(..., 3, 3\)"),
    (lambda i, m: monge_kantorovich(torch.eye(3), i[None, 0, :3, :3]), r"target must have .* \(3, 3\)"),
    (lambda i, m: transfer_colors(i, moments(2), moments(3), m), r"target.mean must have the shape \(2, 3\)"),
    (lambda i, m: transfer_colors(i, moments(1), moments(1), m), r"source.mean must have the shape \(2, 3\)"),
    (lambda i, m: transfer_colors(i[None], moments(2), moments(2), m), r"image must have the shape"),
    (lambda i, m: sliced_transport(i, m > 0, i.flatten(1), max_slope=2.0),
     r"source_colors must have .* \(5, 6\)"),
    (lambda i, m: sliced_transport(i, m[0] > 0, i, max_slope=2.0), r"target_colors must have .* \(3, K\)"),
])  # fmt: skip
def test_shapes_that_cannot_be_meant_are_refused(random_image, call, said):
    with pytest.raises(ValueError, match=said):
        call(random_image(5, 6), torch.ones(2, 5, 6))
