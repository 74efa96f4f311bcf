"""How much of the style is shown: between the content and the result, and beyond it.

A pixel at strength s is, in the picture's own encoding,

    c + s (M(c) - c) + min(s, 1) (r - M(c))

with the content's c, the result's r, and M the smooth change of colours from one to the other, a lattice a
region (`pst_core.looks`). Up to 1 that is c + s (r - c), and M need not be known. Beyond 1 it is
r + (s - 1) (M(c) - c): the change of colours goes on; what the style did to light and texture does not, for
that would look overdone. A pixel goes as far that way as all its channels stay in range: if each were clipped
by itself, dark clouds would turn red.
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pst_core.filters.guided import guided_coefficients, strips, upsampled_strips
from pst_core.filters.resizing import resize
from pst_core.looks.lattice import Lattice
from pst_core.pipeline.working import MASK_EPSILON, WorkingPair

Floats = NDArray[np.float32]

BORDER_RADIUS = 1  # working pixels: masks are soft already, and would fade over what is narrow


def at_strength(full: Floats, pair: WorkingPair, content: Floats, strength: float) -> Floats:
    """The result with as much of the style as is asked for.

    Parameters
    ----------
    full : ndarray of float32, shape (3, H, W)
        The result on [0, 1]; it is changed.
    pair : WorkingPair
        Whose masks say where each region's change of colours belongs.
    content : ndarray of float32, shape (3, H, W)
        On [0, 1], filled where it is invisible.
    strength
        0 or more.

    Returns
    -------
    ndarray of float32, shape (3, H, W)
        On [0, 1]; at 1 the result, and at 0 the content, to the bit.
    """
    if strength == 1:
        return full
    if strength == 0:
        return content.copy()
    if strength < 1:
        return _between(full, content, strength)
    return _beyond(full, pair, content, strength)


def _between(full: Floats, content: Floats, share: float) -> Floats:
    for rows in strips(*full.shape[1:]):
        full[:, rows] = content[:, rows] + share * (full[:, rows] - content[:, rows])
    return full


def _beyond(full: Floats, pair: WorkingPair, content: Floats, strength: float) -> Floats:
    size = pair.content.shape[1], pair.content.shape[2]
    small = resize(torch.from_numpy(content), size).clamp(0, 1)
    looks = _fit_looks(small.numpy(), resize(torch.from_numpy(full), size).clamp(0, 1).numpy(), pair)
    for rows, masks in _mask_strips(pair.soft_masks.cpu(), small, torch.from_numpy(content)):
        before, change = content[:, rows], np.zeros_like(content[:, rows])
        for look, mask in zip(looks, masks.numpy(), strict=True):
            change += mask * (look.apply(before) - before)
        full[:, rows] = within_range(full[:, rows], (strength - 1) * change)
    return full


def _fit_looks(before: Floats, after: Floats, pair: WorkingPair) -> list[Lattice]:
    """The change of colours of each region, at working size: it has no detail."""
    from pst_core.looks.fitting import fit_lattice

    counted = pair.content_counted[0].cpu().numpy()
    return [fit_lattice(before, after, mask * counted) for mask in pair.soft_masks.cpu().numpy()]


def within_range(image: Floats, change: Floats) -> Floats:
    """Add a change to a picture, both of shape (3, H, W), at each pixel as much as keeps it on [0, 1]."""
    room = np.where(change > 0, 1 - image, image)
    share = (room / np.maximum(np.abs(change), np.finfo(np.float32).tiny)).min(axis=0)
    added: Floats = (image + np.minimum(share, 1) * change).clip(0, 1)
    return added


def _mask_strips(masks: Tensor, small: Tensor, content: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """The soft masks at full size, strip by strip, with borders along the content's edges; they sum to 1.

    Parameters
    ----------
    masks, small : Tensor, shape (R, h, w) and (3, h, w)
        At working size: the masks, and the content.
    content : Tensor, shape (3, H, W)
    """
    if small.shape == content.shape:
        yield from ((rows, masks[:, rows]) for rows in strips(*content.shape[1:]))
        return
    models = guided_coefficients(masks, small, BORDER_RADIUS, MASK_EPSILON)
    for rows, strip in upsampled_strips(*models, content):
        shares = strip.clamp(0, 1)
        yield rows, shares / shares.sum(dim=0, keepdim=True).clamp_min(1e-6)
