from dataclasses import replace

import pytest
import torch

from pst_core.filters.guided import guided_filter
from pst_core.optimisation.colors import color_loss, color_targets
from pst_core.optimisation.losses import content_loss, evaluate, gram, regional_gram, style_loss
from pst_core.optimisation.objectives import global_losses, regional_losses
from pst_core.optimisation.targets import compute_targets, mask_pyramid, mixed_targets
from pst_core.settings.config import Config

SIZE = (24, 32)
OURS = Config(
    evenness_weight=0.0, content_layers={"conv2_2": 1.0}, style_layers={"conv1_1": 0.3, "conv2_1": 0.7}
)
SMALL = OURS.model_copy(
    update={"color_weight": 0.0, "evenness_weight": 0.0, "filter_inside": False}
)  # the paper's terms alone
PAPER = SMALL.model_copy(update={"gram": "paper", "layer_scale": "none", "style_weight": 1.0})


def halves(height, width, split, count=2):
    masks = torch.zeros(count, height, width)
    masks[0, :, :split], masks[1, :, split:] = 1, 1
    return masks


@pytest.fixture
def pair(random_image):
    return random_image(*SIZE, seed=1), random_image(20, 28, seed=2), halves(*SIZE, 12), halves(20, 28, 17)


def features_of(encoder, image, layer, scale):
    return encoder(image[None])[layer].flatten(1).double() / scale


def test_targets_are_the_papers_matrices(small_encoder, pair):
    content, style, _here, there = pair
    found = compute_targets(small_encoder, *pair, PAPER)
    assert all(value == 1 for value in found.scales.values())
    torch.testing.assert_close(found.content["conv2_2"], small_encoder(content[None])["conv2_2"].flatten(1))
    for layer, size in (("conv1_1", (20, 28)), ("conv2_1", (10, 14))):
        features = small_encoder(style[None])[layer].flatten(1)
        masks = torch.nn.functional.adaptive_avg_pool2d(there, size).flatten(1)
        torch.testing.assert_close(found.global_grams[layer], gram(features, normalized=False))
        torch.testing.assert_close(
            found.regional_grams[layer], regional_gram(features, masks, normalized=False)
        )
        assert found.region_weights[layer].tolist() == [1, 1]


def test_features_are_divided_by_the_pairs_mean_activation(small_encoder, pair):
    found = compute_targets(small_encoder, *pair, SMALL)
    for layer in ("conv1_1", "conv2_1", "conv2_2"):
        means = [small_encoder(image[None])[layer].mean() for image in pair[:2]]
        torch.testing.assert_close(found.scales[layer], sum(means) / 2)
    scaled = small_encoder(pair[0][None])["conv2_2"].flatten(1) / found.scales["conv2_2"]
    torch.testing.assert_close(found.content["conv2_2"], scaled)


@pytest.mark.parametrize("config", [SMALL, PAPER])
def test_global_loss_is_equation_1(small_encoder, random_image, pair, config):
    targets = compute_targets(small_encoder, *pair, config)
    image, normalized = random_image(*SIZE, seed=5), config.gram == "normalized"
    content = content_loss(
        features_of(small_encoder, image, "conv2_2", targets.scales["conv2_2"]),
        features_of(small_encoder, pair[0], "conv2_2", targets.scales["conv2_2"]),
    )
    style = 0
    for layer, beta in config.style_layers.items():
        grams = [
            gram(features_of(small_encoder, x, layer, targets.scales[layer]), normalized=normalized)
            for x in (image, pair[1])
        ]
        style += beta * style_loss(*grams)
    found = global_losses(small_encoder, targets, config)(image)
    assert found.content.item() == pytest.approx(content.item(), rel=1e-4)
    assert found.style.item() == pytest.approx(config.style_weight * style.item(), rel=1e-4)
    assert found.total.item() == pytest.approx(content.item() + config.style_weight * style.item(), rel=1e-4)


@pytest.mark.parametrize("config", [SMALL, PAPER])
def test_regional_loss_is_equation_2(small_encoder, random_image, pair, config):
    _, style_image, here, there = pair
    targets = compute_targets(small_encoder, *pair, config)
    image, normalized = random_image(*SIZE, seed=5), config.gram == "normalized"
    style = 0
    for layer, beta in config.style_layers.items():
        grams = []
        for x, masks in ((image, here), (style_image, there)):
            features = features_of(small_encoder, x, layer, targets.scales[layer])
            size = small_encoder(x[None])[layer].shape[1:]
            cells = torch.nn.functional.adaptive_avg_pool2d(masks, tuple(size)).flatten(1).double()
            grams.append(regional_gram(features, cells, normalized=normalized))
        shares = here.mean(dim=(1, 2)).double() if normalized else torch.ones(2).double()
        style += beta * style_loss(*grams, shares)
    found = regional_losses(small_encoder, targets, config)(image)
    assert found.style.item() == pytest.approx(config.style_weight * style.item(), rel=1e-4)
    x, y = (features_of(small_encoder, x, "conv2_2", targets.scales["conv2_2"]) for x in (image, pair[0]))
    masks = torch.nn.functional.adaptive_avg_pool2d(here, (12, 16)).flatten(1).double()  # binary: 12 is even
    content = sum((mask * (x - y)).square().sum() for mask in masks) / (2 * x.numel())
    assert found.content.item() == pytest.approx(content.item(), rel=1e-4)


@pytest.mark.parametrize("config", [SMALL, PAPER])
@pytest.mark.parametrize("losses", [global_losses, regional_losses])
def test_losses_vanish_where_content_and_style_are_one(small_encoder, random_image, config, losses):
    image, masks = random_image(*SIZE), halves(*SIZE, 12)
    targets = compute_targets(small_encoder, image, image, masks, masks, config)
    function = losses(small_encoder, targets, config)
    here, elsewhere = function(image), function(random_image(*SIZE, seed=3) ** 3)
    assert here.content.item() < 1e-6 * elsewhere.content.item()
    assert here.style.item() < 1e-6 * elsewhere.style.item()


@pytest.mark.parametrize("losses", [global_losses, regional_losses])
def test_gradient_of_the_whole_loss(small_encoder, random_image, pair, losses):
    function = losses(small_encoder, compute_targets(small_encoder, *pair, SMALL), SMALL)
    image = random_image(*SIZE, seed=7)
    point = image.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(function(point).total, point)
    direction = gradient.sign() * random_image(
        *SIZE, seed=8
    )  # no cancellation to drown in float32's rounding
    slope = (function(image + 1e-3 * direction).total - function(image - 1e-3 * direction).total) / 2e-3
    assert (gradient * direction).sum().item() == pytest.approx(slope.item(), rel=5e-3)


def test_one_region_makes_both_losses_equal(small_encoder, random_image, pair):
    targets = compute_targets(small_encoder, *pair[:2], torch.ones(1, *SIZE), torch.ones(1, 20, 28), SMALL)
    image = random_image(*SIZE, seed=4)
    found = [
        losses(small_encoder, targets, SMALL)(image).total.item()
        for losses in (global_losses, regional_losses)
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-5)


def test_a_region_that_the_style_lacks_takes_the_whole_styles_gram(small_encoder, pair):
    content, style, here, there = pair
    there[1], there[0] = 0, 1
    for config in (SMALL, PAPER):
        found = compute_targets(small_encoder, content, style, here, there, config)
        for layer in config.style_layers:
            assert torch.equal(found.regional_grams[layer][1], found.global_grams[layer])
            assert found.region_weights[layer][1] > 0
            assert found.regional_grams[layer][1].abs().max() > 0


def test_a_region_that_is_to_be_left_has_no_weight(small_encoder, random_image, pair):
    content, style, here, there = pair
    there[1], there[0] = 0, 1
    for config in (SMALL, PAPER):
        leave = config.model_copy(update={"unmatched": "leave"})
        targets = compute_targets(small_encoder, content, style, here, there, leave)
        assert all(weights[1] == 0 and weights[0] > 0 for weights in targets.region_weights.values())
        left = content.clone()
        left[:, :, 20:] = random_image(*SIZE, seed=6)[:, :, 20:]  # well inside the region that is left
        function = regional_losses(small_encoder, targets, leave)
        assert function(left).style.item() == pytest.approx(function(content).style.item(), rel=1e-5)


def test_a_region_absent_from_the_content_costs_nothing(small_encoder, pair):
    content, style, _, there = pair
    here = halves(*SIZE, SIZE[1])
    for config in (SMALL, PAPER):
        found = compute_targets(small_encoder, content, style, here, there, config)
        assert all(weights[1] == 0 for weights in found.region_weights.values())


def test_region_weights_are_shares_of_the_content(small_encoder, pair):
    found = compute_targets(small_encoder, *pair, SMALL)
    for weights in found.region_weights.values():
        torch.testing.assert_close(weights, torch.tensor([12 / 32, 20 / 32]))


def test_pyramid_of_a_partition_is_one_and_keeps_the_smallest_region():
    masks = torch.zeros(3, 47, 61)
    masks[2, 20, 31] = 1  # one pixel
    masks[1, :, 30:] = 1 - masks[2, :, 30:]
    masks[0, :, :30] = 1
    features = {f"layer {k}": torch.zeros(2, max(1, 47 >> k), max(1, 61 >> k)) for k in range(5)}
    for layer, cells in mask_pyramid(masks, features).items():
        assert cells.shape == (3, features[layer][0].numel())
        torch.testing.assert_close(cells.sum(dim=0), torch.ones(cells.shape[1]))
        assert cells[2].max() > 0
        assert cells.min() >= 0


@pytest.mark.parametrize("losses", [global_losses, regional_losses])
def test_the_colour_term_is_added_with_its_weight(small_encoder, random_image, pair, losses):
    config = SMALL.model_copy(update={"color_weight": 40.0})
    targets, image = compute_targets(small_encoder, *pair, config), random_image(*SIZE, seed=4)
    found = losses(small_encoder, targets, config)(image)
    colors = color_loss(image, *color_targets(pair[1], *pair[2:]))
    expected = found.content + found.style + 40 * colors
    assert found.total.item() == pytest.approx(expected.item(), rel=1e-6)
    assert compute_targets(small_encoder, *pair, SMALL).colors == {}


@pytest.mark.parametrize("losses", [global_losses, regional_losses])
def test_losses_are_of_the_image_as_the_filter_leaves_it(small_encoder, random_image, pair, losses):
    targets, image = compute_targets(small_encoder, *pair, OURS), random_image(*SIZE, seed=4)
    filtered = guided_filter(image, pair[0], OURS.filter_radius, OURS.filter_epsilon)
    outside = OURS.model_copy(update={"filter_inside": False})
    inside = losses(small_encoder, targets, OURS)
    assert inside(image).total.item() == losses(small_encoder, targets, outside)(filtered).total.item()
    for other in ("none", "gaussian"):
        unfiltered = losses(small_encoder, targets, OURS.model_copy(update={"filter": other}))
        expected = losses(small_encoder, targets, outside)(image)
        assert unfiltered(image).total.item() == expected.total.item()


def test_what_the_filter_takes_away_is_not_paid_for(small_encoder, random_image, pair):
    """The gradient lies in what the filter lets through, which it hardly changes."""
    flat = torch.full((3, *SIZE), 0.5)
    targets = compute_targets(small_encoder, flat, *pair[1:], OURS)
    point = random_image(*SIZE, seed=4).requires_grad_()
    roughness = []
    for config in (OURS, SMALL):
        (gradient,) = torch.autograd.grad(regional_losses(small_encoder, targets, config)(point).total, point)
        rough = gradient - guided_filter(gradient, flat, 2, 1e-4)
        roughness.append((rough.norm() / gradient.norm()).item())
    assert roughness[0] < 0.3 < 0.6 < roughness[1]


def test_colours_of_a_region_that_the_style_lacks_are_the_whole_styles_or_nobodys(small_encoder, pair):
    content, style, here, there = pair
    there[1] = 0
    whole = color_targets(style, here[1:], torch.ones(1, 20, 28))[1]["0"]
    found = compute_targets(small_encoder, content, style, here, there, OURS)
    assert torch.equal(found.colors["1"], whole)
    left = OURS.model_copy(update={"unmatched": "leave"})
    assert set(compute_targets(small_encoder, content, style, here, there, left).colors) == {"0"}


def test_invisible_colours_of_the_style_are_nobodys(small_encoder, pair):
    content, style, here, there = pair
    there[:], seen = 0, torch.ones(1, 20, 28)
    seen[:, :9] = 0
    counted = torch.ones(1, *SIZE), seen
    painted = style.clone()
    painted[:, :9] = torch.tensor([1.0, 0.0, 1.0])[:, None, None]
    found = [
        compute_targets(small_encoder, content, x, here, there, OURS, counted).colors
        for x in (style, painted)
    ]
    assert all(torch.equal(found[0][region], found[1][region]) for region in ("0", "1"))


@pytest.mark.parametrize("config", [OURS, SMALL, PAPER])
def test_styles_of_the_same_regions_ask_for_the_mean_of_their_gram_matrices(small_encoder, pair, config):
    """The slope of the mixed loss is that of the one with the mean for a target."""
    content, style, here, there = pair
    config = config.model_copy(update={"layer_scale": "none", "color_weight": 0.0})
    other = style.flip(0).sqrt()
    each = [compute_targets(small_encoder, content, one, here, there, config) for one in (style, other)]
    mixed = mixed_targets(each, (0.25, 0.75))
    mean = replace(each[0], **{
        group: {layer: 0.25 * one + 0.75 * getattr(each[1], group)[layer]
                for layer, one in getattr(each[0], group).items()}
        for group in ("global_grams", "regional_grams")
    })  # fmt: skip
    image = content.flip(1)
    for losses in (global_losses, regional_losses):
        slopes = [evaluate(losses(small_encoder, targets, config), image)[1] for targets in (mixed, mean)]
        torch.testing.assert_close(slopes[0], slopes[1], rtol=1e-3, atol=1e-3 * float(slopes[1].abs().max()))


def test_features_of_several_styles_are_divided_by_one_scale(small_encoder, pair):
    content, style, *masks = pair
    each = [compute_targets(small_encoder, content, one, *masks, OURS) for one in (style, style / 2)]
    mixed = mixed_targets(each, (0.25, 0.75))
    for layer in OURS.style_layers:
        means = [small_encoder(image[None])[layer].mean() for image in (content, style, style / 2)]
        scale = (means[0] + 0.25 * means[1] + 0.75 * means[2]) / 2
        torch.testing.assert_close(mixed.scales[layer], scale)
        features = small_encoder(style[None])[layer] / scale
        area = torch.nn.functional.adaptive_avg_pool2d(masks[1], tuple(features.shape[-2:]))
        wanted = regional_gram(features.flatten(1), area.flatten(1))
        torch.testing.assert_close(mixed.regional_grams[layer][:2], wanted, rtol=1e-4, atol=1e-6)


def test_colours_of_several_styles_are_drawn_to_where_they_are_on_average(small_encoder, pair):
    """The slope is that of the distance to the mean of the sorted colours: their barycentre."""
    content, style, *masks = pair
    each = [compute_targets(small_encoder, content, one, *masks, OURS) for one in (style, style**2)]
    mixed = mixed_targets(each, (0.25, 0.75))
    assert sorted(mixed.colors) == ["0", "1", "2", "3"]
    mean = {region: 0.25 * each[0].colors[region] + 0.75 * each[1].colors[region] for region in ("0", "1")}
    slopes = []
    for targets in (
        (mixed.color_positions, mixed.colors, mixed.color_shares),
        (each[0].color_positions, mean),
    ):
        image = content.flip(2).requires_grad_()
        slopes.append(torch.autograd.grad(color_loss(image, *targets), image)[0])
    torch.testing.assert_close(slopes[0], slopes[1], rtol=1e-3, atol=1e-8)
