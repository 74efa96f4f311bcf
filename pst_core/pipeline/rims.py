"""Rims along strong edges, looked for as the measure does and taken away again.

Where the brightness beside an edge leaves the range between both sides' levels further than the content's
own does, as a share of the step, it is brought back; colours stay, for all channels move together.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pst_core.machine import constant
from pst_core.quality.distances import GRAY
from pst_core.quality.rims import (
    PLAIN,
    Edges,
    beyond_levels,
    block_side,
    gray_in_blocks,
    levels_beside,
    profiles_across,
    strong_edges,
)
from pst_core.shapes import expect_shapes

Floats = NDArray[np.floating]

ROUNDS = 6  # what is taken away is smoothed, so that each finds what the last one left
MOST_EDGES = 20_000  # places, as many as a picture of the measured size can have
SMOOTHNESS = 1 / 6  # of the reach across an edge: corrections spread to between the profiles they come from
COVERED = 0.15  # profiles a pixel below which a correction fades
FADING = 1 / 3  # of the reach, at its end, in which a correction fades: it leaves no end of a stroke
ALONG = 2.0  # pixels, standard deviation: how far along itself an edge is to be straight
SURE_STEP = 0.5  # of the content's step, from which a result's counts in full: without one there is no rim


def remove_rims(image: Tensor, content: Tensor, share: float = 1.0) -> Tensor:
    """Bring brightness along the content's strong edges back to between both sides' levels.

    Parameters
    ----------
    image, content : Tensor, shape (3, H, W)
        On [0, 1], at full size.
    share
        0 changes nothing, 1 takes rims away in full.

    Returns
    -------
    Tensor, shape (3, H, W)
    """
    expect_shapes("image: 3 H W, content: 3 H W", image, content)
    original = _gray(content)
    edges = strong_edges(original, most=MOST_EDGES)
    if not len(edges.places):
        return image
    profiles = profiles_across(original, edges)
    low, high = levels_beside(profiles, edges.reach)
    steps = high - low
    own = beyond_levels(profiles, low, high, edges.reach) / steps
    trust = np.clip(1 - own / PLAIN, 0, 1) * _straightness(original, edges)
    for _ in range(ROUNDS):
        correction = share * _correction(_gray(image), edges, own, steps, trust)
        image = (image + _enlarged(correction, image)).clamp(0, 1)
    return image


def _gray(image: Tensor) -> Floats:
    """`gray_in_blocks` of an image on a device; of a GPU's the blocks' means alone come to the host."""
    if image.device.type == "cpu":
        return gray_in_blocks(image.numpy())
    return _gray_on_device(image).cpu().numpy()


def _gray_on_device(image: Tensor) -> Tensor:
    weights = constant(tuple(GRAY), image.dtype, image.device)
    gray = torch.einsum("c,chw->hw", weights, image)
    return functional.avg_pool2d(gray[None], block_side(*gray.shape))[0]


def _straightness(gray: Floats, edges: Edges) -> Floats:
    """How straight each edge is: coherence of the structure tensor (Weickert 1999), on [0, 1]; shape (N,).

    Profiles are means along the edge. Where it bends at once, as among leaves, they run across other things,
    and what is taken away for them is strokes in all directions.
    """
    from scipy.ndimage import gaussian_filter

    down, right = (gaussian_filter(gray, 1.0, order=order) for order in ((1, 0), (0, 1)))
    both, across, mixed = (
        gaussian_filter(product, ALONG)
        for product in (down**2 + right**2, down**2 - right**2, 2 * down * right)
    )
    rows, columns = edges.places.astype(np.intp).T
    found: Floats = ((across**2 + mixed**2) / np.maximum(both, 1e-9) ** 2)[rows, columns]
    return found


def _correction(gray: Floats, edges: Edges, own: Floats, steps: Floats, trust: Floats) -> Floats:
    """What to add to a picture's brightness, shape (h, w).

    Parameters
    ----------
    gray : ndarray, shape (h, w)
    own, steps, trust : ndarray, shape (N,)
        Each edge's own overshoot as a share of its step, and its step, in the content; how far to trust it.
    """
    from scipy.ndimage import gaussian_filter

    profiles, reach = profiles_across(gray, edges), edges.reach
    low, high = levels_beside(profiles, reach)
    room = own * (high - low)
    near = profiles[:, reach:-reach]
    missing = np.clip(near, (low - room)[:, None], (high + room)[:, None]) - near
    across = np.arange(-reach, reach + 1)
    missing *= np.clip((reach + 1 - np.abs(across)) / (FADING * reach), 0, 1)
    trust = trust * np.clip((high - low) / (SURE_STEP * steps), 0, 1)
    places = np.rint(edges.places[:, None] + across[:, None] * edges.normals[:, None])
    rows, columns = np.moveaxis(places, -1, 0)
    flat = (rows * gray.shape[1] + columns).astype(np.intp).ravel()
    sums, counts = (
        gaussian_filter(np.bincount(flat, weights.ravel(), gray.size).reshape(gray.shape), SMOOTHNESS * reach)
        for weights in (trust[:, None] * missing, np.broadcast_to(trust[:, None], missing.shape))
    )
    found: Floats = sums / (counts + COVERED)
    return found


def _enlarged(correction: Floats, image: Tensor) -> Tensor:
    small = torch.from_numpy(correction.astype(np.float32)).to(image.device)[None, None]
    size = (image.shape[1], image.shape[2])
    return functional.interpolate(small, size, mode="bilinear", align_corners=False)[0]
