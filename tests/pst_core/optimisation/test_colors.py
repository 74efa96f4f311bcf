"""The colour term against other implementations of its parts, closed forms and finite differences."""

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from scipy.stats import wasserstein_distance
from skimage.color import rgb2lab

from pst_core.optimisation.colors import (
    EQUAL,
    LEAST_POSITIONS,
    MOST_POSITIONS,
    cielab,
    color_loss,
    color_targets,
    directions,
    positions_of,
    resampled,
    running_sums,
    sorted_projections,
)


def colors(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(3, count, generator=generator, dtype=torch.float64)


def loss_of(image, style, here=None, there=None):
    here, there = (
        torch.ones(1, *x.shape[1:]) if mask is None else mask
        for x, mask in ((image, here), (style, there))
    )  # fmt: skip
    return color_loss(image, *color_targets(style, here, there))


def test_cielab_is_the_standards():
    found = cielab(colors(500)).numpy() * 100
    np.testing.assert_allclose(found, rgb2lab(colors(500).numpy().T).T, atol=0.02)


def test_cielabs_slope_is_finite_even_at_black_and_white():
    ends = torch.tensor([0.0, 1e-5, 1.0]).expand(3, 3).clone().requires_grad_()
    (slope,) = torch.autograd.grad(cielab(ends).sum(), ends)
    assert slope.isfinite().all() and slope.abs().max() < 100


def test_directions_are_units_and_the_same_every_time():
    found = directions(colors(1))
    torch.testing.assert_close(found.norm(dim=1), torch.ones(len(found), dtype=torch.float64))
    assert torch.equal(found, directions(colors(1)))


@pytest.mark.parametrize("count", [7, 50, 128])
def test_sorted_differences_are_the_wasserstein_distance(count):
    here, there = colors(count), colors(count, seed=1) ** 2
    found = (sorted_projections(here) - sorted_projections(there)).abs().mean(dim=1)
    for direction, distance in zip(directions(here), found, strict=True):
        assert distance.item() == pytest.approx(
            wasserstein_distance((direction @ here).numpy(), (direction @ there).numpy()), rel=1e-9
        )


def test_the_loss_is_the_mean_of_the_best_assignments_squared():
    image, style = colors(100).view(3, 10, 10), colors(100, seed=1).view(3, 10, 10) ** 2
    here, there = cielab(image.flatten(1)), cielab(style.flatten(1))
    expected = []
    for direction in directions(here):
        costs = np.subtract.outer((direction @ here).numpy(), (direction @ there).numpy()) ** 2
        expected.append(costs[linear_sum_assignment(costs)].mean())
    assert loss_of(image, style).item() == pytest.approx(np.mean(expected), rel=1e-9)


@pytest.mark.parametrize(("size", "count"), [(40, 40), (100, 30), (30, 100), (1, 5)])
def test_resampled_values_are_hazens_quantiles(size, count):
    values = sorted_projections(colors(size))
    levels = (np.arange(count) + 0.5) / count
    expected = np.quantile(values.numpy(), levels, axis=1, method="hazen").T
    np.testing.assert_allclose(resampled(values, count), expected, atol=1e-12)


def test_equal_distributions_have_no_distance_wherever_their_pixels_are():
    image = colors(144).view(3, 12, 12)
    assert loss_of(image, image).item() == 0
    shuffled = image.flatten(1)[:, torch.randperm(144, generator=torch.Generator().manual_seed(4))]
    assert loss_of(shuffled.view(3, 9, 16), image).item() < 1e-20
    assert loss_of(image, image.repeat(1, 2, 2)).item() < 1e-3 * loss_of(image, image**2).item()


def test_a_shift_of_lightness_is_known():
    """Grays move along lightness alone: the distance is the shift as each direction sees it."""
    gray = torch.linspace(0.3, 0.5, 100, dtype=torch.float64).expand(3, 100).view(3, 10, 10)
    other = gray + 0.2
    lightness = [cielab(x.flatten(1))[0].sort().values for x in (gray, other)]
    expected = (lightness[0] - lightness[1]).square().mean() * directions(gray)[:, 0].square().mean()
    assert loss_of(gray, other).item() == pytest.approx(expected.item(), rel=1e-4)


def test_gradient_is_that_of_finite_differences():
    image = (0.05 + 0.9 * colors(LEAST_POSITIONS)).view(3, 8, -1).requires_grad_()
    targets = color_targets(
        colors(81, seed=2).view(3, 9, 9), torch.ones(1, *image.shape[1:]), torch.ones(1, 9, 9)
    )
    assert torch.autograd.gradcheck(lambda x: color_loss(x, *targets), image)


def color_slope(image, targets, *, even):
    """The distance and its slope, with or without one slope for equal colours."""
    point = image.clone().requires_grad_()
    distance = color_loss(point, *targets, sums=running_sums(targets[1]) if even else None)
    return distance.item(), torch.autograd.grad(distance, point)[0]


def grays_and_targets(values):
    """A gray row of these values, and what a style of all brightnesses asks of it."""
    image = values.expand(3, 1, len(values)).contiguous()
    style = torch.linspace(0.2, 0.9, 150, dtype=torch.float64).view(10, 15).expand(3, 10, 15)
    return image, color_targets(style, torch.ones(1, 1, len(values)), torch.ones(1, 10, 15))


def test_different_colours_have_their_own_slopes():
    image, targets = grays_and_targets(torch.linspace(0.1, 0.9, 80, dtype=torch.float64))
    own, even = (color_slope(image, targets, even=even) for even in (False, True))
    assert even[0] == pytest.approx(own[0], rel=1e-12)
    # Not quite: along a direction that is nearly colour alone all grays are equal.
    assert (even[1] - own[1]).norm() < 0.01 * own[1].norm()


def test_equal_colours_have_one_slope_which_is_the_mean_of_theirs():
    values = torch.linspace(0.1, 0.9, 80, dtype=torch.float64)
    values[20:50] = values[35]
    image, targets = grays_and_targets(values)
    own, even = (color_slope(image, targets, even=even) for even in (False, True))
    assert even[0] == pytest.approx(own[0], rel=1e-12)  # the distance is what it is
    flat = even[1][:, 0, 20:50]
    torch.testing.assert_close(flat, flat[:, :1].expand_as(flat))
    torch.testing.assert_close(flat.mean(dim=1), own[1][:, 0, 20:50].mean(dim=1))
    assert (even[1] - own[1])[:, 0, :20].norm() < 0.01 * own[1][:, 0, :20].norm()


def test_which_of_equal_colours_is_a_hair_above_the_other_changes_no_slope():
    values = torch.linspace(0.1, 0.9, 80, dtype=torch.float64)
    values[20:50] = values[35]
    hair = 1e-5 * EQUAL * torch.randn(80, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    apart = []
    for even in (False, True):
        slopes = [
            color_slope(image, targets, even=even)[1]
            for image, targets in (grays_and_targets(values), grays_and_targets(values + hair))
        ]
        apart.append((slopes[0] - slopes[1]).norm() / slopes[0].norm())
    assert apart[0] > 0.1 and apart[1] < 1e-5


def test_following_the_gradient_brings_the_colours_there():
    image, style = colors(100).view(3, 10, 10), colors(100, seed=1).view(3, 10, 10) ** 2
    before = loss_of(image, style)
    for _ in range(300):
        image = image.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(loss_of(image, style), image)
        image = image - 20 * gradient
    assert loss_of(image, style) < 0.02 * before


def test_each_region_is_compared_with_its_counterpart_alone():
    image, style = colors(200).view(3, 10, 20), colors(200, seed=1).view(3, 10, 20)
    here, there = torch.zeros(2, 10, 20), torch.zeros(2, 10, 20)
    here[0, :, :8], here[1, :, 8:], there[0, :, 13:], there[1, :, :13] = 1, 1, 1, 1
    parts = [loss_of(image[:, :, :8], style[:, :, 13:]), loss_of(image[:, :, 8:], style[:, :, :13])]
    whole = loss_of(image, style, here, there)
    assert whole.item() == pytest.approx((0.4 * parts[0] + 0.6 * parts[1]).item(), rel=1e-9)
    point = image.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss_of(point, style, here[:1], there[:1]), point)
    assert gradient[:, :, :8].abs().min() > 0 and gradient[:, :, 8:].abs().max() == 0


def test_a_region_too_small_to_tell_is_left_out():
    image, style = colors(200).view(3, 10, 20), colors(200, seed=1).view(3, 10, 20)
    small, rest = torch.zeros(1, 10, 20), torch.ones(1, 10, 20)
    small[0, 0, : LEAST_POSITIONS // 10] = 1
    assert color_targets(style, small, rest) == color_targets(style, rest, small) == ({}, {})
    assert loss_of(image, style, small, rest).item() == 0


def test_large_images_are_looked_at_here_and_there():
    mask = torch.ones(300, 400)
    mask[:100] = 0.4
    found = positions_of(mask)
    assert found.min() >= 100 * 400 and MOST_POSITIONS / 2 < len(found) <= MOST_POSITIONS
    assert len(found.unique()) == len(found)
