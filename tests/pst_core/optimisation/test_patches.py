import numpy as np
import pytest
import torch

from pst_core.errors import ImageError
from pst_core.optimisation import patches
from pst_core.optimisation.patches import match_patches, patch_loss, style_patches

N, R = 5, 2


@pytest.fixture
def layer():
    """Return a function that makes features after a ReLU and a binary map, as float64."""

    def make(height, width, seed):
        generator = torch.Generator().manual_seed(seed)
        features = torch.randn(N, height, width, generator=generator, dtype=torch.float64).relu() + 0.01
        labels = torch.randint(R, (height, width), generator=generator)
        return features, torch.nn.functional.one_hot(labels, R).permute(2, 0, 1).double()

    return make


def squares(layer):
    """All 3x3 patches of an array of shape (C, H, W), in row-major order."""
    _, height, width = layer.shape
    return [
        layer[:, row : row + 3, column : column + 3]
        for row in range(height - 2)
        for column in range(width - 2)
    ]


def unit(layer):
    return layer / np.maximum(np.linalg.norm(layer, axis=0), 1e-12)


def loop_matches(features, semantic, style, style_semantic, weight):
    """The cross-correlation of normalised patches, patch by patch."""
    here = np.concatenate([unit(features), weight**0.5 * unit(semantic)])
    there = np.concatenate([unit(style), weight**0.5 * unit(style_semantic)])
    return [
        max(range(len(squares(there))), key=lambda k: (patch * squares(there)[k]).sum())
        for patch in squares(here)
    ]


def as_arrays(*tensors):
    return [tensor.numpy() for tensor in tensors]


@pytest.mark.parametrize("weight", [0.0, 0.2, 0.6, 2.0, 10.0])
def test_matches_are_those_of_the_brute_force(layer, weight):
    image, style = layer(6, 7, 1), layer(5, 8, 2)
    found = match_patches(*image, style_patches(*style, weight))
    assert found.shape == (4, 5)
    assert found.flatten().tolist() == loop_matches(*as_arrays(*image, *style), weight)


def test_score_is_the_normalised_cross_correlation_of_whole_patches(layer):
    """Where every position has unit norm, dividing by the patches' norms, as the paper does, adds nothing."""
    image, style = layer(6, 7, 1), layer(6, 6, 2)
    found = match_patches(*image, style_patches(*style, 4.0)).flatten()
    here, there = (np.concatenate([unit(f), 2 * unit(m)]) for f, m in (as_arrays(*image), as_arrays(*style)))
    vectors = [np.array([patch.ravel() for patch in squares(each)]) for each in (here, there)]
    cosines = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in vectors]
    np.testing.assert_array_equal(found, (cosines[0] @ cosines[1].T).argmax(axis=1))


@pytest.mark.parametrize("block", [1, 150, 400])
def test_size_of_blocks_changes_nothing(layer, monkeypatch, block):
    image, style = layer(9, 11, 3), layer(7, 6, 4)
    whole = match_patches(*image, style_patches(*style, 10.0))
    monkeypatch.setattr(patches, "BLOCK", block)
    torch.testing.assert_close(match_patches(*image, style_patches(*style, 10.0)), whole)


def test_loss_is_the_mean_squared_error_to_the_matched_patches(layer):
    image, style = layer(6, 7, 5), layer(5, 8, 6)
    matches = loop_matches(*as_arrays(*image, *style), 10.0)
    here, there = squares(image[0].numpy()), squares(style[0].numpy())
    paper = sum(((patch - there[match]) ** 2).sum() for patch, match in zip(here, matches, strict=True))
    found = patch_loss(*image, style_patches(*style, 10.0)).item()
    assert found == pytest.approx(paper / (9 * N * len(here)), rel=1e-12)


def test_of_the_style_itself_the_loss_is_zero(layer):
    features, semantic = layer(7, 6, 8)
    style = style_patches(features, semantic, 10.0)
    assert match_patches(features, semantic, style).flatten().tolist() == list(range(20))
    assert patch_loss(features, semantic, style) < 1e-28


def test_brightness_of_features_does_not_change_what_matches_but_what_it_costs(layer):
    features, semantic = layer(7, 6, 8)
    style = style_patches(features, semantic, 10.0)
    assert match_patches(3 * features, semantic, style).flatten().tolist() == list(range(20))
    assert patch_loss(3 * features, semantic, style).item() > features.square().mean().item()


@pytest.mark.parametrize(("weight", "kept"), [(0.0, False), (10.0, True), (1000.0, True)])
def test_a_large_semantic_weight_keeps_matches_in_their_region(weight, kept):
    """Left and right are regions, but the features of each side look like the style's other side."""
    generator = torch.Generator().manual_seed(0)
    features = torch.rand(N, 8, 12, generator=generator)
    sides = torch.zeros(R, 8, 12)
    sides[0, :, :6], sides[1, :, 6:] = 1, 1
    style = style_patches(features.flip(2), sides, weight)
    columns = match_patches(features, sides, style) % 10
    within = torch.cat([columns[:, :4] < 4, columns[:, 6:] >= 6], dim=1)
    assert within.all().item() == kept
    # A patch across the border lies as one that is just as far across.
    assert (columns[:, 4:6] == torch.tensor([4, 5])).all().item() == kept


def test_a_region_that_the_style_lacks_is_matched_by_its_features(layer):
    features, _ = layer(7, 6, 8)
    lacking = torch.zeros(R, 7, 6, dtype=torch.float64)
    lacking[1] = 1
    found = match_patches(features, lacking, style_patches(features, lacking.flip(0), 10.0))
    assert found.flatten().tolist() == list(range(20))


def test_gradient_with_matches_found_and_with_matches_given(layer):
    (features, semantic), style = layer(5, 6, 9), style_patches(*layer(5, 5, 10), 10.0)
    point = features.clone().requires_grad_()
    matches = match_patches(features, semantic, style)
    assert torch.autograd.gradcheck(lambda value: patch_loss(value, semantic, style, matches), point)
    assert torch.autograd.gradcheck(lambda value: patch_loss(value, semantic, style), point)


def test_given_matches_are_used(layer):
    (features, semantic), (other, other_semantic) = layer(5, 6, 9), layer(5, 5, 10)
    style = style_patches(other, other_semantic, 10.0)
    first = patch_loss(features, semantic, style, torch.zeros(3, 4, dtype=torch.long))
    errors = [((patch - other[:, :3, :3]) ** 2).mean() for patch in squares(features)]
    assert first.item() == pytest.approx(torch.stack(errors).mean().item())
    assert first > patch_loss(features, semantic, style)


def test_features_that_are_all_zero_break_nothing(layer):
    features, semantic = layer(5, 5, 11)
    features[:, 1:4, 1:4] = 0
    style = style_patches(features, semantic, 10.0)
    point = features.float().requires_grad_()
    loss = patch_loss(point, semantic.float(), style_patches(features.float(), semantic.float(), 10.0))
    (gradient,) = torch.autograd.grad(loss, point)
    assert loss < 1e-12 and gradient.isfinite().all() and style.keys.isfinite().all()


@pytest.mark.parametrize(("height", "width"), [(2, 8), (8, 2)])
def test_too_small_a_style_or_content_is_refused(layer, height, width):
    small, large = layer(height, width, 1), layer(5, 5, 2)
    with pytest.raises(ImageError, match=rf"the style, which has {width}x{height} positions"):
        style_patches(*small, 10.0)
    with pytest.raises(ImageError, match=rf"the content, which has {width}x{height} positions"):
        patch_loss(*small, style_patches(*large, 10.0))


@pytest.mark.parametrize(("call", "said"), [
    (lambda f, m, style: style_patches(f[0], m, 1.0), r"features must have the shape \(N, H, W\)"),
    (lambda f, m, style: style_patches(f, m[:, 1:], 1.0), r"semantic must have the shape \(R, 6, 7\)"),
    (lambda f, m, style: match_patches(f[None], m, style), r"features must have the shape \(N, h, w\)"),
    (lambda f, m, style: match_patches(f, m[0], style), r"semantic must have the shape \(R, 6, 7\)"),
    (lambda f, m, style: match_patches(f[1:], m, style), r"the style's features must have the shape"),
    (lambda f, m, style: match_patches(f, m[1:], style), r"the style's semantic map must have the shape"),
    (lambda f, m, style: patch_loss(f[1:], m, style), r"the style's features must have the shape"),
    (lambda f, m, style: patch_loss(f, m, style, torch.zeros(6, 7, dtype=torch.long)),
     r"matches must have the shape \(4, 5\), not \(6, 7\)"),
])  # fmt: skip
def test_shapes_that_cannot_be_meant_are_refused(layer, call, said):
    with pytest.raises(ValueError, match=said):
        call(*layer(6, 7, 1), style_patches(*layer(5, 8, 2), 10.0))
