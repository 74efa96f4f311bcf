"""Values against torch's own layers, slopes against their definitions, case by case."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from pst_core.network import slopes

SHAPES = [(1, 3, 6, 8), (1, 2, 7, 5), (1, 1, 2, 3)]


def drawn(shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def slope_of(layer, values, downward):
    point = values.clone().requires_grad_()
    (slope,) = torch.autograd.grad(layer(point.clone()), point, downward)  # a clone, for one works in place
    return slope


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", SHAPES)
def test_values_are_torchs(shape, dtype):
    values = drawn(shape, dtype=dtype)
    expected = torch.relu(values)
    point = values.clone().requires_grad_().clone()
    assert torch.equal(slopes.relu_(point), expected) and torch.equal(point, expected)
    assert torch.equal(slopes.max_pooling(expected), functional.max_pool2d(expected, 2))


@pytest.mark.parametrize("scale", [1e-3, 1, 1e3])
def test_a_relus_slope_fades_with_the_activation(scale):
    values, downward = scale * drawn((1, 3, 9, 11)), drawn((1, 3, 9, 11), seed=1)
    found = slope_of(slopes.relu_, values, downward).numpy()
    width = slopes.FADING * np.maximum(values.numpy(), 0).mean()
    share = np.clip(values.numpy() / width, 0, 1)
    assert 0 < share[share > 0].min() < 1 == share.max()  # every case is there
    np.testing.assert_allclose(found, share * downward.numpy(), rtol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_block_shares_its_slope_by_squares(shape):
    values = drawn(shape).relu()
    downward = drawn((*shape[:2], shape[2] // 2, shape[3] // 2), seed=1)
    found = slope_of(slopes.max_pooling, values, downward).numpy()
    expected = np.zeros(shape)
    for channel, row, column in np.ndindex(*downward.shape[1:]):
        block = np.s_[0, channel, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        squares = values.numpy()[block] ** 2
        if squares.any():
            expected[block] = downward[0, channel, row, column].item() * squares / squares.sum()
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_equal_activations_have_equal_slopes_and_none_has_none():
    found = slope_of(slopes.max_pooling, torch.full((1, 1, 2, 2), 3.0), torch.ones(1, 1, 1, 1))
    assert found.flatten().tolist() == [0.25] * 4
    nothing = torch.zeros(1, 1, 4, 4)
    for layer, size in ((slopes.max_pooling, 2), (slopes.relu_, 4)):
        assert torch.equal(slope_of(layer, nothing, torch.full((1, 1, size, size), 1e9)), nothing)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_slopes_are_numbers_in_either_arithmetic(dtype):
    values = drawn((1, 4, 6, 6), dtype=dtype) * 1e3
    for layer, size in ((slopes.relu_, 6), (lambda x: slopes.max_pooling(x.relu()), 3)):
        found = slope_of(layer, values, drawn((1, 4, size, size), seed=1, dtype=dtype))
        assert found.dtype == dtype and found.isfinite().all() and found.abs().max() > 0


def test_a_slope_changes_as_little_as_its_activations():
    """Torch's own jump: where an activation passes 0, and where the largest of a block changes."""
    near = torch.tensor([[1.0, 1.0 + 1e-9], [-1e-9, 0.5]], dtype=torch.float64)[None, None]
    past = torch.tensor([[1.0 + 1e-9, 1.0], [1e-9, 0.5]], dtype=torch.float64)[None, None]

    def apart(relu_, pooling):
        one = torch.ones(1, 1, 1, 1, dtype=torch.float64)
        layers = ((relu_, torch.ones_like(near)), (lambda x: pooling(x.relu()), one))
        return [
            (slope_of(layer, near, downward) - slope_of(layer, past, downward)).abs().max().item()
            for layer, downward in layers
        ]

    assert apart(torch.relu, lambda x: functional.max_pool2d(x, 2)) == [1, 1]
    assert max(apart(slopes.relu_, slopes.max_pooling)) < 1e-7
