"""The network's ReLU and max pooling as they are, with slopes that do not jump.

Their own do: where an activation passes 0, and where another one becomes the largest of its block. Deep
in the network one unit has much of the image behind it. The last bit of a sum, which another device or number
of threads rounds otherwise, can change the whole slope by a hundredth, and a dozen steps make levels of it.
Here a slope fades to 0 together with its activation, and a block's slope is shared among the activations in
it, most to the largest. Values are untouched.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

SIDE = 2  # of a pooled block
FADING = 0.1  # of a layer's mean activation: below it the slope fades
LEAST = 1e-20  # of a block's mean square: below it there is nothing to share by


def relu_(values: Tensor) -> Tensor:
    """ReLU in place; its slope rises with the activation, and is 1 from `FADING` of the mean on.

    Parameters
    ----------
    values : Tensor, shape (1, N, H, W)
        Changed to the result.
    """
    result: Tensor = _FadingRelu.apply(values)
    return result


def max_pooling(activations: Tensor) -> Tensor:
    """Max pooling of blocks of 2x2; a block's slope is shared in proportion to the activations' squares.

    Parameters
    ----------
    activations : Tensor, shape (1, N, H, W)
        At least 0.

    Returns
    -------
    Tensor, shape (1, N, H // 2, W // 2)
    """
    result: Tensor = _SharingPooling.apply(activations)
    return result


class _FadingRelu(torch.autograd.Function):
    """What comes out is all that the slope takes, and the next layer keeps it anyway."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:  # noqa: ANN401
        result = functional.relu_(values)
        ctx.mark_dirty(values)
        ctx.save_for_backward(result, 1 / (FADING * result.mean()).clamp_min(LEAST))
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ANN401
        result, steepness = ctx.saved_tensors
        slope: Tensor = (result * steepness).clamp_(max=1).mul_(gradients[0])
        return slope


class _SharingPooling(torch.autograd.Function):
    """Means and copies of blocks by torch: views of blocks take ten times as long."""

    @staticmethod
    def forward(ctx: Any, activations: Tensor) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(activations)
        return functional.max_pool2d(activations, SIDE)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ANN401
        (activations,) = ctx.saved_tensors
        squares = activations.square()
        totals = SIDE**2 * functional.avg_pool2d(squares, SIDE).clamp_min(LEAST)
        shares = functional.interpolate(gradients[0] / totals, scale_factor=SIDE)
        left = [side % SIDE for side in activations.shape[2:]]  # what fills no block has no slope
        if any(left):
            shares = functional.pad(shares, (0, left[1], 0, left[0]))
        slope: Tensor = squares.mul_(shares)
        return slope
