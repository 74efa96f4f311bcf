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

from pst_core.filters.guided import enlarged_rows, strips, upsample_through_guide
from pst_core.filters.resizing import fit_size, resize
from pst_core.images.profiles import Samples
from pst_core.images.reading import Photograph
from pst_core.images.writing import to_levels
from pst_core.looks.lattice import Lattice

Floats = NDArray[np.float32]

MIDDLE = 2048  # pixels at which borders come to edges: at full size that takes seconds, and shows nothing
RADIUS, EPSILON = 4, 1e-4  # of the guided filter, in pixels of the small size and on [0, 1] squared
# Power to which masks are raised: a tenth of a look that is meant for something else is seen as a rim.
STEEPNESS = 3
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
    for rows, strip in _enlarged(shares, image):
        masks[:, rows] = strip
    return masks


def _enlarged(shares: Shares, image: Floats) -> Iterator[tuple[slice, Floats]]:
    """Masks by the photograph's edges at `MIDDLE`, and from there plainly, strip by strip."""
    import cv2

    height, width = image.shape[1:]
    guide = resize(torch.from_numpy(image), fit_size(height, width, MIDDLE)).clamp(0, 1)
    masks = upsample_through_guide(shares.masks, shares.guide, guide, RADIUS, EPSILON).clamp_(0, 1)
    masks = masks.clamp_min_(1e-6) ** STEEPNESS
    masks = torch.einsum("kl,khw->lhw", shares.takes, masks / masks.sum(dim=0))
    for rows in strips(height, width):
        narrow = enlarged_rows(masks, rows, height).numpy()
        size = (width, rows.stop - rows.start)
        yield rows, np.stack([cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR) for mask in narrow])


def strips_of(
    lattices: Sequence[Lattice], image: Floats, shares: Shares | None
) -> Iterator[tuple[slice, Floats]]:
    """Change a photograph's colours strip by strip, which bounds memory.

    Parameters
    ----------
    lattices
        K of them.
    image : ndarray of float32, shape (3, H, W)
        On [0, 1].
    shares
        How much of each lattice goes where; None takes the last one everywhere.

    Yields
    ------
    rows : slice
    strip : ndarray of float32, shape (3, rows, W)
    """
    if shares is None:
        for rows in strips(*image.shape[1:]):
            yield rows, lattices[-1].apply(image[:, rows])
        return
    for rows, masks in _enlarged(shares, image):
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
    lattices: Sequence[Lattice], photograph: Photograph, shares: Shares | None, bit_depth: Literal[8, 16]
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
