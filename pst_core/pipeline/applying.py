"""A look applied to a photograph of any size, strip by strip: each region's own where that region lies.

Where regions lie is known at a small size. Their borders are the photograph's own edges, to which a local
affine model brings them (fast guided filter, He and Sun 2015).
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pst_core.filters.guided import guided_coefficients, strips
from pst_core.filters.resizing import fit_size, resize
from pst_core.images.profiles import Samples
from pst_core.images.reading import Photograph
from pst_core.images.writing import to_levels
from pst_core.looks.lattice import Lattice

Floats = NDArray[np.float32]

MIDDLE = 2048  # pixels at which borders come to edges: at full size that takes seconds, and shows nothing
RADIUS, EPSILON = 4, 1e-4  # of the guided filter, in pixels of the small size and on [0, 1] squared
LEAST_SHARE = 1 / 512  # on [0, 1]: less of a look, anywhere in a tile, is not to be seen
TILE = 128  # pixels a side in which looks are applied: what caches hold


class Placement(NamedTuple):
    """How much of each look a photograph takes, place by place.

    Attributes
    ----------
    masks : Tensor, shape (K, h, w)
        Of each region of the photograph; they sum to 1.
    takes : Tensor, shape (K, L)
        How much each region takes of each look; rows sum to 1.
    guide : Tensor, shape (3, h, w)
        The photograph at the masks' size.
    """

    masks: Tensor
    takes: Tensor
    guide: Tensor


def enlarged(placement: Placement, image: Floats) -> Floats:
    """How much of each look each pixel takes of a photograph, shape (3, H, W); shape (L, H, W)."""
    height, width = image.shape[1:]
    weights = at_edges([placement], middle_of(image))[0].numpy()
    masks = np.empty((len(weights), height, width), np.float32)
    across = _Between.of(slice(0, width), width, weights, 2)
    for rows in strips(height, width):
        down = _Between.of(rows, height, weights, 1)
        masks[:, rows] = _enlarged(weights[:, down.near], down, across)
    return masks


def middle_of(image: Floats, side: int = MIDDLE) -> Tensor:
    """A photograph, shape (3, H, W), at the size at which borders come to its edges; shape (3, h, w)."""
    height, width = image.shape[1:]
    return resize(torch.from_numpy(image), fit_size(height, width, side)).clamp(0, 1)


def at_edges(several: Sequence[Placement], guide: Tensor) -> list[Tensor]:
    """How much of each look each pixel takes, with borders at the photograph's own edges.

    Parameters
    ----------
    several
        Of one photograph, each by itself.
    guide : Tensor, shape (3, h, w)
        The photograph, from `middle_of`.

    Returns
    -------
    list of Tensor, shape (L, h, w)
        For each of them.
    """
    together = torch.cat([placement.masks for placement in several])
    enlarged = _through_guide(together, several[0].guide, guide).clamp_(1e-6, 1)
    found = []
    for placement, masks in zip(
        several, torch.split(enlarged, [len(each.masks) for each in several]), strict=True
    ):
        steep = (
            masks * masks * masks
        )  # for a tenth of a look that is meant for something else is seen as a rim
        found.append(torch.einsum("kl,khw->lhw", placement.takes, steep.div_(steep.sum(dim=0))))
    return found


def _through_guide(masks: Tensor, small: Tensor, guide: Tensor) -> Tensor:
    """Masks enlarged through a guide as `upsample_through_guide` does it, in a tenth of its time."""
    import cv2

    slopes, offsets = guided_coefficients(masks, small, RADIUS, EPSILON)
    size, planes = (guide.shape[2], guide.shape[1]), guide.numpy()
    found = np.empty((len(masks), *guide.shape[1:]), np.float32)
    for place, (slope, offset) in enumerate(zip(slopes.numpy(), offsets.numpy(), strict=True)):
        found[place] = cv2.resize(offset, size, interpolation=cv2.INTER_LINEAR)
        for plane, each in zip(planes, slope, strict=True):
            found[place] += cv2.resize(each, size, interpolation=cv2.INTER_LINEAR) * plane
    return torch.from_numpy(found)


class _Between(NamedTuple):
    """Where some rows or columns of a photograph lie between those of small masks."""

    near: slice
    before: NDArray[np.intp]
    after: NDArray[np.intp]
    share: Floats

    @classmethod
    def of(cls, places: slice, length: int, masks: Floats, axis: int) -> Self:
        """Of places along an axis on which the photograph has a length."""
        small = masks.shape[axis]
        centres = (np.arange(places.start, places.stop) + 0.5) * (small / length) - 0.5
        found = centres.clip(0, small - 1)
        before = found.astype(np.intp)
        after = np.minimum(before + 1, small - 1)
        near = slice(int(before[0]), int(after[-1]) + 1)
        return cls(near, before - near.start, after - near.start, (found - before).astype(np.float32))


def _enlarged(near: Floats, rows: _Between, columns: _Between) -> Floats:
    """Small masks near a tile, shape (..., h, w), as enlarged bilinearly to it; shape (..., H, W)."""
    share = rows.share[:, None]
    narrow: Floats = near[..., rows.before, :] * (1 - share) + near[..., rows.after, :] * share
    left, right = narrow[..., columns.before], narrow[..., columns.after]
    return np.asarray(left * (1 - columns.share) + right * columns.share, np.float32)


def strips_of(
    lattices: Sequence[Lattice], image: Floats, placement: Placement | Tensor | None
) -> Iterator[tuple[slice, Floats]]:
    """Change a photograph's colours strip by strip, which bounds memory.

    Parameters
    ----------
    lattices
        K of them.
    image : ndarray of float32, shape (3, H, W)
        On [0, 1].
    placement
        How much of each lattice goes where, or what `at_edges` makes of it; None takes the last one
        everywhere.

    Yields
    ------
    rows : slice
    strip : ndarray of float32, shape (3, rows, W)
    """
    if placement is None:
        for rows in strips(*image.shape[1:]):
            yield rows, lattices[-1].apply(image[:, rows])
        return
    import cv2

    found = at_edges([placement], middle_of(image))[0] if isinstance(placement, Placement) else placement
    weights, (height, width) = found.numpy(), image.shape[1:]
    across = [slice(left, min(left + TILE, width)) for left in range(0, width, TILE)]
    columns = [_Between.of(each, width, weights, 2) for each in across]
    for top in range(0, height, TILE):
        rows = slice(top, min(top + TILE, height))
        packed = cv2.merge([*image[:, rows]])
        down = _Between.of(rows, height, weights, 1)
        for place, along in zip(across, columns, strict=True):
            near = weights[:, down.near, along.near]
            packed[:, place] = _changed(lattices, packed[:, place], near, down, along)
        yield rows, np.stack(cv2.split(packed))


def _changed(
    lattices: Sequence[Lattice], tile: Floats, near: Floats, rows: _Between, columns: _Between
) -> Floats:
    """A tile, shape (H, W, 3), under the looks that are seen in it.

    The one that is seen most takes what the others leave. Most tiles lie within a region: there shares are
    numbers.
    """
    most, least = near.max(axis=(1, 2)), near.min(axis=(1, 2))
    *others, main = (look for look in np.argsort(most) if most[look] >= LEAST_SHARE)
    changed: Floats = lattices[main].apply_packed(tile)
    if not others:
        return changed
    if (most - least)[others].max() < LEAST_SHARE:
        shares = near[others].mean(axis=(1, 2))[:, None, None, None]
    else:
        shares = _enlarged(near[others], rows, columns)[..., None]
    changed *= 1 - shares.sum(axis=0)
    for other, share in zip(others, shares, strict=True):
        part = lattices[other].apply_packed(tile)
        part *= share
        changed += part
    return changed


def levels_of(
    lattices: Sequence[Lattice],
    photograph: Photograph,
    placement: Placement | Tensor | None,
    bit_depth: Literal[8, 16],
) -> Samples:
    """A photograph under a look, as integers that a file holds; see `strips_of` and `to_levels`.

    Returns
    -------
    ndarray of uint8 or uint16, shape (H, W, 3), or (H, W, 4) where the photograph is transparent
    """
    channels = 3 if photograph.alpha is None else 4
    kind = np.uint8 if bit_depth == 8 else np.uint16
    samples = np.empty((photograph.height, photograph.width, channels), kind)
    for rows, strip in strips_of(lattices, photograph.filled, placement):
        alpha = None if photograph.alpha is None else photograph.alpha[rows]
        shown = strip if alpha is None else np.where(alpha > 0, strip, photograph.pixels[:, rows])
        samples[rows] = to_levels(shown, alpha, bit_depth)
    return samples
