"""Colour transfer between regions: linear Monge-Kantorovich maps, and sliced transport for what they miss.

Tensors of other shapes than those stated raise `ValueError`.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from pst_core.shapes import expect_shapes

NOISE = 1e-4  # variance on [0, 1] squared that is taken for noise: about one part in a hundred
MAX_GAIN = 8.0  # of a linear map along any direction: beyond it, noise would become texture
QUANTILES = 65


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
    expect_shapes("image: 3 H W, masks: R H W", image, masks)
    colors, weights = image.flatten(1).double(), masks.flatten(1).double()
    weights = weights / weights.sum(dim=1, keepdim=True).clamp_min(1e-9)
    mean = weights @ colors.T
    centered = colors[None] - mean[:, :, None]
    covariance = (centered * weights[:, None]) @ centered.transpose(1, 2)
    return ColorStatistics(mean, covariance)


def monge_kantorovich(source: Tensor, target: Tensor, max_gain: float = MAX_GAIN) -> Tensor:
    """Linear map that turns one covariance into another at the least movement of colours.

    Pitie and Kokaram (2007), equation 11: A = S^-1/2 (S^1/2 T S^1/2)^1/2 S^-1/2.

    Parameters
    ----------
    source, target : Tensor, shape (..., 3, 3)
        Covariances.
    max_gain
        Largest gain along any direction.

    Returns
    -------
    Tensor, shape (..., 3, 3)
        Symmetric, positive semi-definite.
    """
    expect_shapes("source: ... 3 3, target: ... 3 3", source, target)
    noise = NOISE * torch.eye(3, dtype=source.dtype, device=source.device)
    root, inverse = _root(source + noise)
    middle, _ = _root(root @ (target + noise) @ root)
    map_ = inverse @ middle @ inverse
    values, vectors = torch.linalg.eigh((map_ + map_.transpose(-1, -2)) / 2)
    gains = torch.diag_embed(values.clamp(0, max_gain))
    limited: Tensor = vectors @ gains @ vectors.transpose(-1, -2)
    return limited


def _root(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Square root of a symmetric positive matrix, and that root's inverse."""
    values, vectors = torch.linalg.eigh(matrix)
    values = values.clamp_min(1e-12).sqrt()
    flipped = vectors.transpose(-1, -2)
    return vectors @ torch.diag_embed(values) @ flipped, vectors @ torch.diag_embed(1 / values) @ flipped


def transfer_colors(
    image: Tensor,
    source: ColorStatistics,
    target: ColorStatistics,
    masks: Tensor,
    *,
    max_gain: float = MAX_GAIN,
) -> Tensor:
    """Give each region the target's mean and covariance, blended over soft masks.

    Parameters
    ----------
    image : Tensor, shape (3, H, W)
    source, target : ColorStatistics
        Of the image's regions and of those they should look like.
    masks : Tensor, shape (R, H, W)
        Soft masks that sum to 1 at every pixel.
    max_gain
        Largest gain of a map along any direction.

    Returns
    -------
    Tensor, shape (3, H, W)
    """
    expect_shapes(
        "image: 3 H W, masks: R H W, source.mean: R 3, target.mean: R 3",
        image,
        masks,
        source.mean,
        target.mean,
    )
    maps = monge_kantorovich(source.covariance, target.covariance, max_gain)
    offsets = target.mean - (maps @ source.mean[:, :, None])[:, :, 0]
    maps, offsets = maps.to(image.dtype), offsets.to(image.dtype)
    result = torch.zeros_like(image)
    for map_, offset, mask in zip(maps, offsets, masks, strict=True):
        moved = torch.einsum("ij,jhw->ihw", map_, image) + offset[:, None, None]
        result += mask * moved
    return result


def sliced_transport(
    image: Tensor, source_colors: Tensor, target_colors: Tensor, *, max_slope: float, rounds: int = 12
) -> Tensor:
    """Move colours so that their distribution, not only its moments, becomes the target's.

    Iterative distribution transfer of Pitie, Kokaram and Dahyot (2007): along each axis of a rotated
    colour space, quantiles are matched. Here no step's slope exceeds `max_slope`, so that noise in flat
    areas is not stretched into texture.

    Parameters
    ----------
    image : Tensor, shape (3, H, W)
        Every pixel is moved.
    source_colors : Tensor of bool, shape (H, W)
        Pixels whose distribution is to become the target's.
    target_colors : Tensor, shape (3, K)
    max_slope
        Largest slope of the map along an axis.
    rounds
        Rotations, the same ones every time.

    Returns
    -------
    Tensor, shape (3, H, W)
    """
    expect_shapes("image: 3 H W, source_colors: H W, target_colors: 3 K", image, source_colors, target_colors)
    levels = torch.linspace(0, 1, QUANTILES, device=image.device)
    colors, inside = image.flatten(1), source_colors.flatten()
    for rotation in _rotations(rounds):
        axes = rotation.to(image)
        turned, wanted = axes @ colors, torch.quantile(axes @ target_colors, levels, dim=1)
        found = torch.quantile(turned[:, inside], levels, dim=1)
        moved = [_match_axis(turned[axis], found[:, axis], wanted[:, axis], max_slope) for axis in range(3)]
        colors = axes.T @ torch.stack(moved)
    return colors.view_as(image)


def _rotations(count: int) -> list[Tensor]:
    """Fixed random rotations of colour space."""
    generator = torch.Generator().manual_seed(7)
    return [torch.linalg.qr(torch.randn(3, 3, generator=generator))[0] for _ in range(count)]


def _match_axis(values: Tensor, found: Tensor, wanted: Tensor, max_slope: float) -> Tensor:
    """Piecewise linear map from quantiles to quantiles; beyond the ends values are shifted."""
    found = found + 1e-6 * torch.arange(len(found), device=found.device)  # strictly increasing
    steps = torch.minimum(wanted.diff(), max_slope * found.diff())
    limited = torch.cat([steps.new_zeros(1), steps.cumsum(0)])
    limited = limited + (wanted.mean() - limited.mean())
    upper = torch.searchsorted(found, values.contiguous()).clamp(1, len(found) - 1)
    left, right = found[upper - 1], found[upper]
    share = ((values - left) / (right - left)).clamp(0, 1)
    inner = limited[upper - 1] + share * (limited[upper] - limited[upper - 1])
    return inner + (values - found[-1]).clamp_min(0) + (values - found[0]).clamp_max(0)
