"""Colour distributions as a term of the loss: sliced Wasserstein distances in CIELAB, region by region.

Gram matrices say little about colours, and a match of colours after an optimisation undoes what it did for
texture. As a term of the loss both are had at once. Sliced distances: Rabin, Peyre, Delon and Bernot 2012.
"""

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

from pst_core.machine import constant
from pst_core.shapes import expect_shapes

DIRECTIONS = 8
MOST_POSITIONS = 12_000  # of an image that are looked at: sorting more takes longer than the network
LEAST_POSITIONS = 64  # of a region, in image and style, for its distribution to mean something
EQUAL = 1e-3  # of 100 CIELAB units: values this near one another are taken to be one
# XYZ of linear sRGB, over the white point D65 (IEC 61966-2-1).
XYZ = (
    (0.412453 / 0.95047, 0.357580 / 0.95047, 0.180423 / 0.95047),
    (0.212671, 0.715160, 0.072169),
    (0.019334 / 1.08883, 0.119193 / 1.08883, 0.950227 / 1.08883),
)


def cielab(colors: Tensor) -> Tensor:
    """CIELAB over 100, differentiable everywhere; values beyond [0, 1] count as the nearest in it.

    Parameters
    ----------
    colors : Tensor, shape (3, K)
        sRGB on [0, 1].

    Returns
    -------
    Tensor, shape (3, K)
        L on [0, 1]; a and b within about 1 of 0.
    """
    expect_shapes("colors: 3 K", colors)
    colors = colors.clamp(0, 1)
    # A root's slope is infinite at 0, even where it is not chosen: the clamps keep it finite.
    curved = ((colors.clamp_min(1e-3) + 0.055) / 1.055) ** 2.4
    linear = torch.where(colors > 0.04045, curved, colors / 12.92)
    x, y, z = constant(XYZ, colors.dtype, colors.device) @ linear
    fx, fy, fz = (
        torch.where(value > 0.008856, value.clamp_min(1e-4) ** (1 / 3), 7.787 * value + 16 / 116)
        for value in (x, y, z)
    )
    return torch.stack([1.16 * fy - 0.16, 5 * (fx - fy), 2 * (fy - fz)])


def directions(like: Tensor) -> Tensor:
    """Unit vectors, shape (`DIRECTIONS`, 3), the same ones every time."""
    return _directions(like.dtype, like.device)


@cache
def _directions(dtype: torch.dtype, device: torch.device) -> Tensor:
    drawn = torch.randn(DIRECTIONS, 3, generator=torch.Generator().manual_seed(3))
    units: Tensor = drawn / drawn.norm(dim=1, keepdim=True)
    return units.to(device, dtype)


def sorted_projections(colors: Tensor) -> Tensor:
    """Colours along each direction, in ascending order.

    Parameters
    ----------
    colors : Tensor, shape (3, K)
        In CIELAB.

    Returns
    -------
    Tensor, shape (`DIRECTIONS`, K)
    """
    return (directions(colors) @ colors).sort(dim=1).values


def resampled(projections: Tensor, count: int) -> Tensor:
    """Sorted values as `count` values of the same distribution, shape (`DIRECTIONS`, count).

    Each is the quantile in the middle of its share, linear between values.
    """
    size = projections.shape[1]
    middles = (torch.arange(count, device=projections.device, dtype=torch.float64) + 0.5) / count
    places = (middles * size - 0.5).clamp(0, size - 1)
    below = places.floor().long()
    above = (below + 1).clamp(max=size - 1)
    return torch.lerp(projections[:, below], projections[:, above], (places - below).to(projections))


def inside_of(mask: Tensor) -> Tensor:
    """Which pixels are in a region by more than half of the most that any is; of the mask's shape.

    A mask that is not trusted is the same everywhere, and low: all pixels are in it.
    """
    return mask > 0.5 * mask.max()


def positions_of(mask: Tensor) -> Tensor:
    """Pixels of a region that are looked at: every so many of those that are in it, see `inside_of`.

    Parameters
    ----------
    mask : Tensor, shape (H, W)

    Returns
    -------
    Tensor of int64, shape (K,)
        Indices into the flattened image.
    """
    inside = inside_of(mask.flatten()).nonzero()[:, 0]
    return inside[:: max(1, round(mask.numel() / MOST_POSITIONS))]


def color_targets(
    style: Tensor, content_masks: Tensor, style_masks: Tensor
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Where the colours of each region are looked at, and what they should be there.

    Parameters
    ----------
    style : Tensor, shape (3, H', W')
    content_masks, style_masks : Tensor, shape (R, H, W) and (R, H', W')
        A region is left out if it has fewer than `LEAST_POSITIONS` pixels in either.

    Returns
    -------
    positions, wanted : dict
        Region's number -> indices, shape (K,), and sorted projections, shape (`DIRECTIONS`, K).
    """
    colors = cielab(style.flatten(1))
    positions, wanted = {}, {}
    for region, (here, there) in enumerate(zip(content_masks, style_masks, strict=True)):
        inside, outside = positions_of(here), inside_of(there.flatten())
        if min(len(inside), int(outside.sum())) >= LEAST_POSITIONS:
            positions[str(region)] = inside
            wanted[str(region)] = resampled(sorted_projections(colors[:, outside]), len(inside))
    return positions, wanted


def color_loss(
    image: Tensor,
    positions: dict[str, Tensor],
    wanted: dict[str, Tensor],
    shares: dict[str, Tensor] | None = None,
    sums: dict[str, Tensor] | None = None,
) -> Tensor:
    """Mean squared sliced Wasserstein distance of each region's colours to those wanted, by area.

    Parameters
    ----------
    image : Tensor, shape (3, H, W)
    positions, wanted : dict
        As `color_targets` makes them.
    shares : dict, optional
        Region's number -> factor on its area, a scalar tensor, where several styles share a region's pixels:
        what is best for all of them lies in between (the sliced Wasserstein barycentre).
    sums : dict, optional
        What `running_sums` makes of `wanted`. With them equal colours have one slope, towards the mean of
        what is wanted of them all; without, each goes its own way, and the last bit says which. The distance
        is the same.

    Returns
    -------
    Tensor, shape ()
        In units of 100 CIELAB units, squared.
    """
    colors, terms = image.flatten(1), []
    areas = {region: len(inside) * (shares or {}).get(region, 1) for region, inside in positions.items()}
    for region, inside in positions.items():
        found = sorted_projections(cielab(colors[:, inside]))
        distance = (found - wanted[region]).square().mean()
        if sums is not None:
            even = (found - _wanted_of_equals(found.detach(), sums[region])).square().mean()
            distance = even + (distance - even).detach()
        terms.append(distance * areas[region])
    return torch.stack(terms).sum() / sum(areas.values()) if terms else image.new_zeros(())


def running_sums(wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """Sums of the lowest 0, 1, 2 and so on values of each direction, in float64, for `color_loss`.

    Parameters
    ----------
    wanted : dict
        Region's number -> sorted projections, shape (`DIRECTIONS`, K).

    Returns
    -------
    dict
        Region's number -> tensor of shape (`DIRECTIONS`, K + 1).
    """
    # On the CPU: a GPU adds in an order of its own every time.
    return {
        region: functional.pad(values.cpu().double().cumsum(dim=1), (1, 0)).to(values.device)
        for region, values in wanted.items()
    }


def _wanted_of_equals(found: Tensor, sums: Tensor) -> Tensor:
    """Mean of what is wanted of all values within `EQUAL` of each; both sorted, shape (`DIRECTIONS`, K)."""
    first = torch.searchsorted(found, found - EQUAL)
    end = torch.searchsorted(found, found + EQUAL, right=True)
    return ((sums.gather(1, end) - sums.gather(1, first)) / (end - first)).to(found)
