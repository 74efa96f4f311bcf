"""A frame under the looks of the keys beside it, region by region, mixed by how far it is from each."""

from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np
import torch
from torch import Tensor

from pst_core.images.profiles import Samples
from pst_core.images.reading import Photograph, SemanticMap
from pst_core.looks.lattice import Lattice
from pst_core.pipeline.applying import at_edges, levels_of, middle_of
from pst_core.pipeline.placing import SIDE, place_by_map
from pst_core.sequences.carrying import Carried, Key, by_map
from pst_core.sequences.motion import Floats, Small

MIDDLE = 960  # pixels at which borders come to a frame's edges: at full size nobody sees it in what moves
_LITTLE = 1e-3  # of a key's say, which keeps shares of nothing finite


def frame_under(
    keys: tuple[Key, Key],
    distance: float,
    frame: Photograph,
    semantic: SemanticMap | None,
    bit_depth: Literal[8, 16],
) -> Samples:
    """A frame under the looks of two keys of its shot, as integers that a file holds.

    Parameters
    ----------
    keys
        The key before the frame and the one after it.
    distance
        How far the frame is on the way from the one to the other, from 0 to 1.
    semantic
        The frame's own map, whose regions then take the place of those that are carried along.

    Returns
    -------
    ndarray of uint8 or uint16, shape (H, W, 3), or (H, W, 4) where the frame is transparent
    """
    used = [(key, say) for key, say in zip(keys, (1 - distance, distance), strict=True) if say > 0]
    carried = _carried([key for key, _ in used], frame, semantic)
    says = [say for _, say in used]
    if not any(carried):
        mixed = mix([key.look.whole for key, _ in used], says)
        return levels_of([mixed], frame, None, bit_depth)
    lattices = [lattice for key, _ in used for lattice in (*key.look.regions, key.look.whole)]
    guide = middle_of(frame.filled, MIDDLE)
    placed = iter(at_edges([each.placement for each in carried if each is not None], guide))
    weights = torch.cat([
        _weights(len(key.look.regions), None if found is None else next(placed), share, guide)
        for (key, _), found, share in zip(used, carried, _shares_of(carried, says), strict=True)
    ])  # fmt: skip
    return levels_of(lattices, frame, weights, bit_depth)


def mix(lattices: Sequence[Lattice], shares: Sequence[float]) -> Lattice:
    """A lattice that is the mean of others, by shares that sum to 1."""
    values = sum(share * lattice.values for lattice, share in zip(lattices, shares, strict=True))
    return Lattice(np.asarray(values, np.float32))


def _carried(keys: Sequence[Key], frame: Photograph, semantic: SemanticMap | None) -> list[Carried | None]:
    """Each key's regions in the frame; None for one of which none are known."""
    if not any(key.has_regions for key in keys):
        return [None] * len(keys)
    if semantic is not None:
        return [
            by_map(place_by_map(key.look, frame, semantic)[0]) if key.has_regions else None for key in keys
        ]
    small = Small.of(frame.filled, SIDE)
    return [key.carry_to(small) if key.has_regions else None for key in keys]


def _shares_of(carried: Sequence[Carried | None], says: Sequence[float]) -> list[tuple[Floats, Floats]]:
    """How much of a key's regions, and of its whole look, each place of the frame takes, shape (h, w) each.

    Where one key's regions are in doubt the other's stand in, and where both are the whole looks. A key
    without regions is in no doubt.
    """
    shape = next(each.trust.shape for each in carried if each is not None)
    trusts = [np.ones(shape, np.float32) if each is None else each.trust for each in carried]
    known = np.max(trusts, axis=0)
    voices = [say * (trust + _LITTLE) for say, trust in zip(says, trusts, strict=True)]
    total = np.sum(voices, axis=0)
    return [
        (known * voice / total, (1 - known) * say)
        for voice, say in zip(voices, says, strict=True)
    ]  # fmt: skip


def _weights(regions: int, placed: Tensor | None, shares: tuple[Floats, Floats], guide: Tensor) -> Tensor:
    """How much of each of a key's looks each pixel takes; shape (R + 1, h, w) at the guide's size.

    Parameters
    ----------
    placed : Tensor, shape (R + 1, h, w)
        Where its regions lie in the frame, and the whole look beside them; None for a key without regions.
    """
    size = guide.shape[2], guide.shape[1]
    regional, whole = (
        torch.from_numpy(cv2.resize(share, size, interpolation=cv2.INTER_LINEAR)) for share in shares
    )
    if placed is None:
        return torch.cat([torch.zeros(regions, *guide.shape[1:]), (regional + whole)[None]])
    placed *= regional
    placed[-1] += whole
    return placed
