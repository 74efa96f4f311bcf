"""Colour transfer between regions: the linear Monge-Kantorovich map of Pitie and Kokaram (2007)."""

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["ColorStatistics", "color_statistics", "monge_kantorovich", "transfer_colors"]

NOISE = 1e-4  # variance on [0, 1] squared that is taken for noise: about one part in a hundred


class ColorStatistics(NamedTuple):
    """First two moments of the colours of each region.

    Attributes
    ----------
    mean : Tensor, shape (R, 3)
    covariance : Tensor, shape (R, 3, 3)
    """

    mean: Tensor
    covariance: Tensor


def color_statistics(image: Tensor, masks: Tensor) -> ColorStatistics:
    """Weighted mean and covariance of the colours in each region.

    Parameters
    ----------
    image : Tensor, shape (3, H, W)
    masks : Tensor, shape (R, H, W)
    """
    colors, weights = image.flatten(1).double(), masks.flatten(1).double()
    weights = weights / weights.sum(dim=1, keepdim=True).clamp_min(1e-9)
    mean = weights @ colors.T
    centered = colors[None] - mean[:, :, None]
    covariance = (centered * weights[:, None]) @ centered.transpose(1, 2)
    return ColorStatistics(mean, covariance)


def monge_kantorovich(source: Tensor, target: Tensor, max_gain: float = 8.0) -> Tensor:
    """Linear map that turns one covariance into another at the least movement of colours.

    Pitie and Kokaram (2007), equation 11: A = S^-1/2 (S^1/2 T S^1/2)^1/2 S^-1/2.

    Parameters
    ----------
    source, target : Tensor, shape (..., 3, 3)
        Covariances.
    max_gain
        Largest gain along any direction: beyond it, noise would become texture.

    Returns
    -------
    Tensor, shape (..., 3, 3)
        Symmetric, positive semi-definite.
    """
    noise = NOISE * torch.eye(3, dtype=source.dtype, device=source.device)
    root, inverse = _root(source + noise)
    middle, _ = _root(root @ (target + noise) @ root)
    map_ = inverse @ middle @ inverse
    values, vectors = torch.linalg.eigh((map_ + map_.transpose(-1, -2)) / 2)
    return vectors @ torch.diag_embed(values.clamp(0, max_gain)) @ vectors.transpose(-1, -2)


def _root(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Square root of a symmetric positive matrix, and that root's inverse."""
    values, vectors = torch.linalg.eigh(matrix)
    values = values.clamp_min(1e-12).sqrt()
    flipped = vectors.transpose(-1, -2)
    return vectors @ torch.diag_embed(values) @ flipped, vectors @ torch.diag_embed(1 / values) @ flipped


def transfer_colors(
    image: Tensor, source: ColorStatistics, target: ColorStatistics, masks: Tensor, strength: float = 1.0
) -> Tensor:
    """Give each region the target's mean and covariance, blended over soft masks.

    Parameters
    ----------
    image : Tensor, shape (3, H, W)
    source, target : ColorStatistics
        Of the image's regions and of those they should look like.
    masks : Tensor, shape (R, H, W)
        Soft masks that sum to 1 at every pixel.
    strength
        0 leaves the image as it is, 1 matches fully.

    Returns
    -------
    Tensor, shape (3, H, W)
    """
    maps = monge_kantorovich(source.covariance, target.covariance)
    identity = torch.eye(3, dtype=maps.dtype, device=maps.device)
    maps = identity + strength * (maps - identity)
    means = source.mean + strength * (target.mean - source.mean)
    offsets = means - (maps @ source.mean[:, :, None])[:, :, 0]
    maps, offsets = maps.to(image.dtype), offsets.to(image.dtype)
    result = torch.zeros_like(image)
    for map_, offset, mask in zip(maps, offsets, masks, strict=True):
        moved = torch.einsum("ij,jhw->ihw", map_, image) + offset[:, None, None]
        result += mask * moved
    return result
