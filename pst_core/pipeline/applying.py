"""A look applied to a photograph of any size, strip by strip: each region's own where that region lies.

Where regions lie is known at a small size. Their borders are the photograph's own edges, to which a local
affine model brings them (fast guided filter, He and Sun 2015).
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pst_core.filters.guided import enlarged_rows, guided_coefficients, strips
from pst_core.filters.resizing import fit_size, resize
from pst_core.images.profiles import Samples
from pst_core.images.reading import Photograph
from pst_core.images.writing import to_levels
from pst_core.looks.lattice import Lattice

Floats = NDArray[np.float32]

MIDDLE = 2048  # pixels at which borders come to edges: at full size that takes seconds, and shows nothing
RADIUS, EPSILON = 4, 1e-4  # of the guided filter, in pixels of the small size and on [0, 1] squared
LEAST_SHARE = 1 / 512  # on [0, 1]: less of a look, anywhere in a strip, is not to be seen


class Shares(NamedTuple):
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


def enlarged(shares: Shares, image: Floats) -> Floats:
    """How much of each look each pixel takes of a photograph, shape (3, H, W); shape (L, H, W)."""
    masks = np.empty((shares.takes.shape[1], *image.shape[1:]), np.float32)
    for rows, strip in _by_strip(at_edges(shares, middle_of(image)), *image.shape[1:]):
        masks[:, rows] = strip
    return masks


def middle_of(image: Floats, side: int = MIDDLE) -> Tensor:
    """A photograph, shape (3, H, W), at the size at which borders come to its edges; shape (3, h, w)."""
    height, width = image.shape[1:]
    return resize(torch.from_numpy(image), fit_size(height, width, side)).clamp(0, 1)


def at_edges(shares: Shares, guide: Tensor) -> Tensor:
    """How much of each look each pixel takes, with borders at the photograph's own edges.

    Parameters
    ----------
    guide : Tensor, shape (3, h, w)
        The photograph, from `middle_of`.

    Returns
    -------
    Tensor, shape (L, h, w)
    """
    masks = _through_guide(shares.masks, shares.guide, guide).clamp_(1e-6, 1)
    masks = masks * masks * masks  # for a tenth of a look that is meant for something else is seen as a rim
    return torch.einsum("kl,khw->lhw", shares.takes, masks.div_(masks.sum(dim=0)))


def _through_guide(masks: Tensor, small: Tensor, guide: Tensor) -> Tensor:
    """Masks enlarged through a guide as `upsample_through_guide` does it, in a tenth of its time."""
    import cv2

    slopes, offsets = guided_coefficients(masks, small, RADIUS, EPSILON)
    size, planes = (guide.shape[2], guide.shape[1]), guide.numpy()
    found = np.empty((len(masks), *guide.shape[1:]), np.float32)
    for mask, slope, offset in zip(found, slopes.numpy(), offsets.numpy(), strict=True):
        cv2.resize(offset, size, dst=mask, interpolation=cv2.INTER_LINEAR)
        for plane, each in zip(planes, slope, strict=True):
            mask += cv2.resize(each, size, interpolation=cv2.INTER_LINEAR) * plane
    return torch.from_numpy(found)


def _by_strip(masks: Tensor, height: int, width: int) -> Iterator[tuple[slice, Floats]]:
    """Masks of shape (L, h, w) enlarged plainly to a photograph's size, strip by strip."""
    import cv2

    for rows in strips(height, width):
        narrow = enlarged_rows(masks, rows, height).numpy()
        size = (width, rows.stop - rows.start)
        yield rows, np.stack([cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR) for mask in narrow])


def strips_of(
    lattices: Sequence[Lattice], image: Floats, shares: Shares | Tensor | None
) -> Iterator[tuple[slice, Floats]]:
    """Change a photograph's colours strip by strip, which bounds memory.

    Parameters
    ----------
    lattices
        K of them.
    image : ndarray of float32, shape (3, H, W)
        On [0, 1].
    shares
        How much of each lattice goes where, or what `at_edges` makes of it; None takes the last one
        everywhere.

    Yields
    ------
    rows : slice
    strip : ndarray of float32, shape (3, rows, W)
    """
    if shares is None:
        for rows in strips(*image.shape[1:]):
            yield rows, lattices[-1].apply(image[:, rows])
        return
    weights = at_edges(shares, middle_of(image)) if isinstance(shares, Shares) else shares
    for rows, masks in _by_strip(weights, *image.shape[1:]):
        strip = image[:, rows]
        changed = np.zeros_like(strip)
        for lattice, mask in zip(lattices, masks, strict=True):
            inside = np.flatnonzero(mask.max(axis=0) >= LEAST_SHARE)
            if len(inside):
                columns = slice(inside[0], inside[-1] + 1)
                part = lattice.apply(strip[:, :, columns])
                part *= mask[:, columns]
                changed[:, :, columns] += part
        yield rows, changed


def levels_of(
    lattices: Sequence[Lattice],
    photograph: Photograph,
    shares: Shares | Tensor | None,
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
    for rows, strip in strips_of(lattices, photograph.filled, shares):
        alpha = None if photograph.alpha is None else photograph.alpha[rows]
        shown = strip if alpha is None else np.where(alpha > 0, strip, photograph.pixels[:, rows])
        samples[rows] = to_levels(shown, alpha, bit_depth)
    return samples
