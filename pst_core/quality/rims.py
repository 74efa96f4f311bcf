"""Rims along edges: how far a result's brightness overshoots where its content has a strong edge.

A filter or an uneven colour change that does not quite follow an edge leaves a light or a dark line beside
it. Across the edge brightness then leaves the range between both sides' levels, which a change of tone that
is smooth never makes it do.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pst_core.errors import PstError
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
    places : ndarray, shape (N, 2)
        Rows and columns.
    normals : ndarray, shape (N, 2)
        Unit vectors across the edge, towards its brighter side.
    reach : int
        Pixels across the edge in which a rim is looked for; levels are taken from there to twice as far.
    """

    places: Floats
    normals: Floats
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
    here, there = gray_in_blocks(image), gray_in_blocks(content)
    edges = strong_edges(there, None if counted is None else _blocks(counted.astype(np.float32)) > 1 - 1e-6)
    if len(edges.places) < LEAST_EDGES:
        raise PstError("Rims need strong edges, of which the content has hardly any.")
    return (UNSEEN + overshoot(here, edges)) / (UNSEEN + overshoot(there, edges))


def strong_edges(brightness: Floats, counted: Mask | None = None, most: int = MOST_EDGES) -> Edges:
    """Where a picture has an edge between two levels, `STRONG` apart, and nothing else nearby.

    Parameters
    ----------
    brightness : ndarray, shape (h, w)
    counted : ndarray of bool, shape (h, w), optional
    most
        Places; of more, every n-th.
    """
    from scipy.ndimage import gaussian_filter, map_coordinates

    reach = max(LEAST_REACH, round(REACH * max(brightness.shape)))
    slope = np.stack([gaussian_filter(brightness, 1.0, order=order) for order in ((1, 0), (0, 1))], axis=-1)
    size = np.linalg.norm(slope, axis=-1)
    # A step of height h, blurred by sigma 1, has a slope of h / sqrt(2 pi) at its place.
    rows, columns = np.nonzero(size > STRONG / np.sqrt(2 * np.pi))
    places = np.stack([rows, columns], axis=1).astype(np.float64)
    normals = slope[rows, columns] / size[rows, columns, None]
    beside = [map_coordinates(size, (places + side * normals).T, order=1, mode="nearest") for side in (-1, 1)]
    room = 2 * reach + max(ALONG) + 1
    last = np.array(brightness.shape) - 1 - room
    keep = (size[rows, columns] >= np.maximum(*beside)) & ((places >= room) & (places <= last)).all(axis=1)
    chosen = _some(Edges(places[keep], normals[keep], reach), most)
    profiles = profiles_across(brightness, chosen)
    low, high = levels_beside(profiles, reach)
    plain = (high - low >= STRONG) & (beyond_levels(profiles, low, high, reach) <= PLAIN * (high - low))
    if counted is not None:
        plain &= profiles_across(counted.astype(np.float32), chosen).min(axis=1) > 1 - 1e-6
    return Edges(chosen.places[plain], chosen.normals[plain], reach)


def overshoot(brightness: Floats, edges: Edges) -> float:
    """How far profiles across edges leave the range between both sides' levels, as a share of the steps."""
    profiles = profiles_across(brightness, edges)
    low, high = levels_beside(profiles, edges.reach)
    return float(beyond_levels(profiles, low, high, edges.reach).sum() / max((high - low).sum(), 1e-6))


def gray_in_blocks(image: Floats) -> Floats:
    """Gray in means of blocks, as many pixels as `SIDE` says; shape (h, w)."""
    return _blocks(np.tensordot(GRAY.astype(np.float32), image.astype(np.float32, copy=False), 1))


def block_side(height: int, width: int) -> int:
    """Side in pixels of the blocks of which rims are looked for in the means."""
    return max(1, round(max(height, width) / SIDE))


def _blocks(gray: Floats) -> Floats:
    step = block_side(*gray.shape)
    height, width = (side // step for side in gray.shape)
    inside = gray[: height * step, : width * step]
    means: Floats = inside.reshape(height, step, width, step).mean(axis=(1, 3))
    return means


def _some(edges: Edges, most: int) -> Edges:
    step = max(1, -(-len(edges.places) // most))
    return Edges(edges.places[::step], edges.normals[::step], edges.reach)


def profiles_across(brightness: Floats, edges: Edges) -> Floats:
    """Brightness across each edge, from the dark side to the bright one; shape (N, 4 reach + 1).

    Linear between pixels, by torch, which takes a third of SciPy's time.
    """
    import torch
    from torch.nn import functional

    # Coordinates as torch has them: columns before rows, and -1 to 1 from the first pixel to the last.
    scale = 2 / np.maximum(np.array(brightness.shape) - 1, 1)
    tangents = edges.normals[:, ::-1] * (-1, 1)
    places, across, along = (
        torch.from_numpy(np.ascontiguousarray(each[:, None, ::-1]))
        for each in (edges.places * scale - 1, edges.normals * scale, tangents * scale)
    )
    steps = torch.arange(-2 * edges.reach, 2 * edges.reach + 1, dtype=torch.float64)[:, None]
    profiles = places + steps * across
    values = torch.from_numpy(brightness.astype(np.float64))[None, None]
    total = profiles.new_zeros(profiles.shape[:2])
    for shift in ALONG:
        at = (profiles + shift * along)[None]
        total += functional.grid_sample(values, at, padding_mode="border", align_corners=True)[0, 0]
    mean: Floats = (total / len(ALONG)).numpy()
    return mean


def levels_beside(profiles: Floats, reach: int) -> tuple[Floats, Floats]:
    """The lower and the higher of both sides' levels, shape (N,): a result may have turned them round."""
    sides = np.median(profiles[:, :reach], axis=1), np.median(profiles[:, -reach:], axis=1)
    return np.minimum(*sides), np.maximum(*sides)


def beyond_levels(profiles: Floats, low: Floats, high: Floats, reach: int) -> Floats:
    """How far each profile leaves its levels near the edge, up and down together; shape (N,)."""
    near = profiles[:, reach:-reach]
    beyond: Floats = np.maximum(near.max(axis=1) - high, 0) + np.maximum(low - near.min(axis=1), 0)
    return beyond
