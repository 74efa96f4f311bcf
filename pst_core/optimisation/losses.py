"""The paper's equations, one function each.

Features F have shape (N, D): N filters, D positions. Masks M have shape (R, D), on [0, 1]. Tensors of other
shapes than those stated raise `ValueError`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pst_core.shapes import expect_shapes


class Support(NamedTuple):
    """Where a region's mask is above zero, so that a Gram reads the region's positions and no others.

    Attributes
    ----------
    positions : Tensor of int64, shape (K,), or slice
    weights : Tensor, shape (K,) or (1,)
        What each position's product counts.
    """

    positions: Tensor | slice
    weights: Tensor


def mask_supports(masks: Tensor, *, normalized: bool = True) -> list[Support]:
    """Supports of the masks of all regions, for `supported_gram`.

    Parameters
    ----------
    masks : Tensor, shape (R, D)
    normalized
        As in `regional_gram`.
    """
    expect_shapes("masks: R D", masks)
    supports = []
    for mask in masks:
        positions = mask.nonzero()[:, 0]
        inside = mask[positions]
        # A region that the mask has lost altogether has a zero Gram, not one that is undefined.
        weights = inside / inside.sum().clamp_min(1e-6) if normalized else inside.square()
        supports.append(Support(positions, weights))
    return supports


class _SupportedGram(torch.autograd.Function):
    """Grams over supports; the gradient is written out: being symmetric, it needs one product."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, supports: list[Support]) -> Tensor:  # noqa: ANN401
        rows = features.T
        ctx.supports = supports
        ctx.save_for_backward(features)
        parts = [rows[positions] for positions, _ in supports]
        return torch.stack(
            [(part * w[:, None]).T @ part for part, (_, w) in zip(parts, supports, strict=True)]
        )

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        (features,) = ctx.saved_tensors
        rows = features.T
        result = torch.zeros_like(rows)
        for gradient, (positions, weights) in zip(gradients[0], ctx.supports, strict=True):
            moved = (rows[positions] * weights[:, None]) @ (gradient + gradient.T)
            if isinstance(positions, slice):
                result[positions] += moved
            else:  # in one pass; positions of one region are distinct, so no sum depends on an order
                result.index_add_(0, positions, moved)
        return result.T, None


def supported_gram(features: Tensor, supports: list[Support]) -> Tensor:
    """Gram matrices, shape (R, N, N), of features, shape (N, D), in given supports; see `regional_gram`."""
    expect_shapes("features: N D", features)
    grams: Tensor = _SupportedGram.apply(features, supports)
    return grams


def gram(features: Tensor, *, normalized: bool = True) -> Tensor:
    """Gram matrix G = F F^T of section 3.

    Parameters
    ----------
    features : Tensor, shape (N, D)
    normalized
        Divide by the number of positions D, so that images of different sizes can be compared.
        The paper does not.

    Returns
    -------
    Tensor, shape (N, N)
    """
    expect_shapes("features: N D", features)
    weight = 1 / features.shape[1] if normalized else 1.0
    return supported_gram(features, [Support(slice(None), features.new_full((1,), weight))])[0]


def whole_gram(features: Tensor, counted: Tensor | None, *, normalized: bool = True) -> Tensor:
    """Gram matrix, shape (N, N), of what counts of an image: `gram` where that is all of it.

    Parameters
    ----------
    features : Tensor, shape (N, D)
    counted : Tensor, shape (1, D), optional
        Share of each position that counts.
    normalized
        As in `regional_gram`.
    """
    if counted is None:
        return gram(features, normalized=normalized)
    return regional_gram(features, counted, normalized=normalized)[0]


def regional_gram(features: Tensor, masks: Tensor, *, normalized: bool = True) -> Tensor:
    """Gram matrix of the masked features of each region, F^r = F * M^r (section 3).

    Parameters
    ----------
    features : Tensor, shape (N, D)
    masks : Tensor, shape (R, D)
    normalized
        Each position counts with its mask's value, and the sum is divided by the mask's sum: with binary
        masks, the paper's matrix over the number of positions in the region. Otherwise the paper's.

    Returns
    -------
    Tensor, shape (R, N, N)

    Examples
    --------
    >>> import torch
    >>> features = torch.tensor([[1.0, 0.0, 2.0], [0.0, 3.0, 1.0]])
    >>> gram(features, normalized=False).tolist()
    [[5.0, 2.0], [2.0, 10.0]]
    >>> left, right = regional_gram(features, torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
    >>> left.tolist(), right.tolist()
    ([[0.5, 0.0], [0.0, 4.5]], [[4.0, 2.0], [2.0, 1.0]])
    """
    expect_shapes("features: N D, masks: R D", features, masks)
    return supported_gram(features, mask_supports(masks, normalized=normalized))


def content_loss(features: Tensor, target: Tensor) -> Tensor:
    """Content loss of equation (1): 1/(2 N D) * sum (F[O] - F[C])^2.

    Equation (2)'s, summed over regions, is the same: masks partition the image.

    Parameters
    ----------
    features, target : Tensor, shape (N, D)
    """
    expect_shapes("features: N D, target: N D", features, target)
    return (features - target).square().mean() / 2


def style_loss(grams: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """Style loss of equations (1) and (2): 1/(2 N^2) * sum (G[O] - G[S])^2, summed over regions.

    Parameters
    ----------
    grams, targets : Tensor, shape (N, N) or (R, N, N)
    weights : Tensor, shape (R,), optional
        Factor of each region; the paper's is 1.
    """
    expect_shapes("grams: ... N N, targets: ... N N", grams, targets)
    per_region = (grams - targets).square().mean(dim=(-2, -1)) / 2
    if weights is None:
        return per_region.sum()
    expect_shapes("grams: R N N, weights: R", grams, weights)
    return (per_region * weights).sum()


@dataclass(frozen=True)
class Losses:
    """Losses as scalars on the device; `total` is what is minimised."""

    total: Tensor
    content: Tensor
    style: Tensor


def evaluate(loss: Callable[[Tensor], Losses], image: Tensor) -> tuple[Tensor, Tensor]:
    """Losses of an image, and the slope of their total.

    Parameters
    ----------
    image : Tensor, shape (3, H, W)

    Returns
    -------
    found : Tensor, shape (3,)
        Total, content and style.
    gradient : Tensor, shape (3, H, W)
    """
    point = image.detach().requires_grad_()
    losses = loss(point)
    # Otherwise the slopes of all lanes are found by one thread of torch's for each GPU, one after another.
    with torch.autograd.set_multithreading_enabled(False):
        (gradient,) = torch.autograd.grad(losses.total, point)
    found = torch.stack([losses.total.detach(), losses.content.detach(), losses.style.detach()])
    return found, gradient
