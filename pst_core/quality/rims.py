"""Rims along edges: how far a result's brightness overshoots where its content has a strong edge.

A filter or an uneven colour change that does not quite follow an edge leaves a light or a dark line beside
it. Across the edge brightness then leaves the range between both sides' levels, which a change of tone that
is smooth never makes it do.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pst_core.errors import PstError
from pst_core.filters.smoothing import gaussian_slopes
from pst_core.machine import constant
from pst_core.quality.distances import GRAY
from pst_core.regions.labels import Mask

Floats = NDArray[np.floating]

SIDE = 700  # pixels: rims of larger pictures are looked for in means of blocks, about this size
REACH = 1 / 80  # of the long side, from the edge: where a rim is looked for; each side's level is beyond it
LEAST_REACH = 3  # pixels
ALONG = (-6, -4, -2, 0, 2, 4, 6)  # pixels along the edge, over which a profile is a mean: a rim, no texture
STRONG = 0.1  # on [0, 1]: step between both sides of an edge that counts as strong
PLAIN = 0.25  # of its step: an edge whose profile in the content leaves the levels further is no single edge
MOST_EDGES = 4000  # places; of more, every n-th
LEAST_EDGES = 20  # places: of fewer, a mean says little
UNSEEN = 0.02  # of a step: an overshoot that nobody sees, below which ratios mean nothing


class Edges(NamedTuple):
    """Places on strong edges of a picture.

    Attributes
    ----------
    places : Tensor, shape (N, 2)
        Rows and columns.
    normals : Tensor, shape (N, 2)
        Unit vectors across the edge, towards its brighter side.
    reach : int
        Pixels across the edge in which a rim is looked for; levels are taken from there to twice as far.
    """

    places: Tensor
    normals: Tensor
    reach: int


def rim_overshoot(image: Floats, content: Floats, counted: Mask | None = None) -> float:
    """Overshoot of a result's brightness across its content's strong edges, against the content's own.

    Profiles across an edge are means over a short way along it. Their overshoot is how far they leave the
    range between both sides' levels, medians a little away from the edge; summed over all places, it is
    taken as a share of the summed steps between the levels, so that a gain or an offset changes nothing.

    Parameters
    ----------
    image, content : ndarray, shape (3, H, W)
        On [0, 1].
    counted : ndarray of bool, shape (H, W), optional
        Which pixels count; all unless given.

    Returns
    -------
    float
        1 for the content itself, 2 where profiles overshoot twice as far as the content's (both plus 2 % of
        a step, which nobody sees).

    Raises
    ------
    PstError
        The shapes differ, or the content has hardly any strong edge.

    Examples
    --------
    >>> content = np.full((3, 64, 96), 0.2)
    >>> content[..., 48:] = 0.8
    >>> image = content.copy()
    >>> image[..., 48:50] = 0.92  # a light rim of a fifth of the step
    >>> rim_overshoot(content, content), round(rim_overshoot(image, content))
    (1.0, 11)
    """
    if image.shape != content.shape:
        raise PstError(f"Rims need images of one size, not {image.shape[1:]} and {content.shape[1:]}.")
    here, there = (gray_in_blocks(_exact(each)) for each in (image, content))
    whole = None if counted is None else _blocks(_exact(counted)) > 1 - 1e-6
    edges = strong_edges(there, whole)
    if len(edges.places) < LEAST_EDGES:
        raise PstError("Rims need strong edges, of which the content has hardly any.")
    return (UNSEEN + overshoot(here, edges)) / (UNSEEN + overshoot(there, edges))


def _exact(image: Floats | Mask) -> Tensor:
    """In double precision, on the CPU: what is measured depends on no device."""
    return torch.from_numpy(image.astype(np.float64))


def strong_edges(brightness: Tensor, counted: Tensor | None = None, most: int = MOST_EDGES) -> Edges:
    """Where a picture has an edge between two levels, `STRONG` apart, and nothing else nearby.

    Parameters
    ----------
    brightness : Tensor, shape (h, w)
    counted : Tensor of bool, shape (h, w), optional
    most
        Places; of more, every n-th.
    """
    reach = max(LEAST_REACH, round(REACH * max(brightness.shape)))
    slopes = gaussian_slopes(brightness, 1.0)
    size = slopes.square().sum(dim=0).sqrt()
    # A step of height h, blurred by sigma 1, has a slope of h / sqrt(2 pi) at its place.
    rows, columns = (size > STRONG / np.sqrt(2 * np.pi)).nonzero(as_tuple=True)
    places, here = torch.stack([rows, columns], dim=1).to(size.dtype), size[rows, columns]
    normals = slopes[:, rows, columns].T / here[:, None]
    beside = torch.maximum(*(_sampled(size, _scaled(places + side * normals, size) - 1) for side in (-1, 1)))
    room = 2 * reach + max(ALONG) + 1
    keep = here >= beside
    for at, side in zip((rows, columns), size.shape, strict=True):
        keep &= (at >= room) & (at <= side - 1 - room)
    chosen = _some(Edges(places[keep], normals[keep], reach), most)
    profiles = profiles_across(brightness, chosen)
    low, high = levels_beside(profiles, reach)
    plain = (high - low >= STRONG) & (beyond_levels(profiles, low, high, reach) <= PLAIN * (high - low))
    if counted is not None:
        plain &= (profiles_across(counted.to(brightness.dtype), chosen) > 1 - 1e-6).all(dim=1)
    return Edges(chosen.places[plain], chosen.normals[plain], reach)


def overshoot(brightness: Tensor, edges: Edges) -> float:
    """How far profiles across edges leave the range between both sides' levels, as a share of the steps."""
    profiles = profiles_across(brightness, edges)
    low, high = levels_beside(profiles, edges.reach)
    return float(beyond_levels(profiles, low, high, edges.reach).sum() / (high - low).sum().clamp_min(1e-6))


def gray_in_blocks(image: Tensor) -> Tensor:
    """Gray of an image, shape (3, H, W), in means of blocks, as many pixels as `SIDE` says; shape (h, w)."""
    weights = constant(tuple(GRAY), image.dtype, image.device)
    return _blocks(torch.einsum("c,chw->hw", weights, image))


def _blocks(gray: Tensor) -> Tensor:
    side = max(1, round(max(gray.shape) / SIDE))
    return gray if side == 1 else functional.avg_pool2d(gray[None], side)[0]


def _some(edges: Edges, most: int) -> Edges:
    step = max(1, -(-len(edges.places) // most))
    return Edges(edges.places[::step], edges.normals[::step], edges.reach)


def profiles_across(brightness: Tensor, edges: Edges) -> Tensor:
    """Brightness across each edge, from the dark side to the bright one; shape (N, 4 reach + 1).

    Linear between pixels.
    """
    return profiles_at(brightness, profile_places(brightness, edges))


def profile_places(brightness: Tensor, edges: Edges) -> Tensor:
    """Where `profiles_at` looks at pictures of a picture's size; shape (len(`ALONG`), N, 4 reach + 1, 2)."""
    steps = torch.arange(-2 * edges.reach, 2 * edges.reach + 1).to(edges.places)[:, None]
    down, right = edges.normals.T
    tangents = torch.stack([-right, down], dim=1)
    across, along = (_scaled(each, brightness)[:, None] for each in (edges.normals, tangents))
    shifts = torch.tensor(ALONG).to(edges.places)[:, None, None, None]
    return (_scaled(edges.places, brightness)[:, None] - 1) + steps * across + shifts * along


def profiles_at(brightness: Tensor, places: Tensor) -> Tensor:
    """Profiles, shape (N, 4 reach + 1), at `profile_places`."""
    return _sampled(brightness, places).mean(dim=0)


def _scaled(places: Tensor, values: Tensor) -> Tensor:
    """Rows and columns, shape (..., 2), as columns and rows of which 2 are from border to border."""
    height, width = (2 / max(side - 1, 1) for side in values.shape)
    return torch.stack([width * places[..., 1], height * places[..., 0]], dim=-1)


def _sampled(values: Tensor, places: Tensor) -> Tensor:
    """Values of shape (h, w), linear between pixels, at places from -1 to 1; beyond, the border's."""
    found = functional.grid_sample(
        values[None, None], places.view(1, 1, -1, 2), padding_mode="border", align_corners=True
    )
    return found.view(places.shape[:-1])


def levels_beside(profiles: Tensor, reach: int) -> tuple[Tensor, Tensor]:
    """The lower and the higher of both sides' levels, shape (N,): a result may have turned them round."""
    sides = _median(profiles[:, :reach]), _median(profiles[:, -reach:])
    return torch.minimum(*sides), torch.maximum(*sides)


def _median(values: Tensor) -> Tensor:
    """The middle of each row, or the mean of both middles, which torch's own median is not."""
    ordered, count = values.sort(dim=1).values, values.shape[1]
    return (ordered[:, (count - 1) // 2] + ordered[:, count // 2]) / 2


def beyond_levels(profiles: Tensor, low: Tensor, high: Tensor, reach: int) -> Tensor:
    """How far each profile leaves its levels near the edge, up and down together; shape (N,)."""
    near = profiles[:, reach:-reach]
    return (near.amax(dim=1) - high).clamp_min(0) + (low - near.amin(dim=1)).clamp_min(0)
