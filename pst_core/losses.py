"""The paper's equations, one function each.

Features F have shape (N, D): N filters, D positions. Masks M have shape (R, D), on [0, 1].
"""

import torch
from torch import Tensor

__all__ = ["content_loss", "gram", "regional_content_loss", "regional_gram", "style_loss"]


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
    product = features @ features.T
    return product / features.shape[1] if normalized else product


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
    """
    weights = masks if normalized else masks.square()
    grams = torch.stack([(features * weight) @ features.T for weight in weights])
    if not normalized:
        return grams
    # A region that the mask has lost altogether has a zero Gram, not one that is undefined.
    return grams / masks.sum(dim=1).clamp_min(1e-6)[:, None, None]


def content_loss(features: Tensor, target: Tensor) -> Tensor:
    """Content loss of equation (1): 1/(2 N D) * sum (F[O] - F[C])^2.

    Parameters
    ----------
    features, target : Tensor, shape (N, D)
    """
    return (features - target).square().mean() / 2


def regional_content_loss(features: Tensor, target: Tensor, masks: Tensor) -> Tensor:
    """Content loss of equation (2), summed over regions.

    With binary masks that partition the image this equals `content_loss`, which the stages use.
    """
    difference = (features - target)[None] * masks[:, None]
    return difference.square().sum() / (2 * features.numel())


def style_loss(grams: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """Style loss of equations (1) and (2): 1/(2 N^2) * sum (G[O] - G[S])^2, summed over regions.

    Parameters
    ----------
    grams, targets : Tensor, shape (N, N) or (R, N, N)
    weights : Tensor, shape (R,), optional
        Factor of each region; the paper's is 1.
    """
    per_region = (grams - targets).square().mean(dim=(-2, -1)) / 2
    return per_region.sum() if weights is None else (per_region * weights).sum()
