"""Rims along strong edges, looked for as the measure does and taken away again.

Where the brightness beside an edge leaves the range between both sides' levels further than the content's
own does, as a share of the step, it is brought back; colours stay, for all channels move together.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pst_core.filters.smoothing import gaussian, gaussian_slopes
from pst_core.quality.rims import (
    PLAIN,
    Edges,
    beyond_levels,
    gray_in_blocks,
    levels_beside,
    profile_places,
    profiles_at,
    strong_edges,
)
from pst_core.shapes import expect_shapes

ROUNDS = 6  # what is taken away is smoothed, so that each finds what the last one left
MOST_EDGES = 20_000  # places, as many as a picture of the measured size can have
SMOOTHNESS = 1 / 6  # of the reach across an edge: corrections spread to between the profiles they come from
COVERED = 0.15  # profiles a pixel below which a correction fades
FADING = 1 / 3  # of the reach, at its end, in which a correction fades: it leaves no end of a stroke
ALONG = 2.0  # pixels, standard deviation: how far along itself an edge is to be straight
EXACT = 2.0**32  # parts of 1 that sums are exact to
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
    original = gray_in_blocks(content)
    edges = strong_edges(original, most=MOST_EDGES)
    if not len(edges.places):
        return image
    borders = _Borders.of(original, edges)
    for _ in range(ROUNDS):
        correction = share * borders.correction(gray_in_blocks(image))
        image = (image + _enlarged(correction, image)).clamp(0, 1)
    return image


@dataclass(frozen=True)
class _Borders:
    """A content's strong edges, with what does not change from round to round.

    Attributes
    ----------
    own, steps, trust : Tensor, shape (N,)
        Each edge's own overshoot as a share of its step, and its step, in the content; how far to trust it.
    places : Tensor
        Where profiles are looked at.
    pixels : Tensor of int64, shape (N (2 reach + 1),)
        Of the flattened picture, those that each edge's profile runs across, within its reach.
    fading : Tensor, shape (2 reach + 1,)
        What counts of a correction across an edge.
    """

    edges: Edges
    own: Tensor
    steps: Tensor
    trust: Tensor
    places: Tensor
    pixels: Tensor
    fading: Tensor

    @classmethod
    def of(cls, gray: Tensor, edges: Edges) -> "_Borders":
        reach, places = edges.reach, profile_places(gray, edges)
        profiles = profiles_at(gray, places)
        low, high = levels_beside(profiles, reach)
        own = beyond_levels(profiles, low, high, reach) / (high - low)
        across = torch.arange(-reach, reach + 1).to(gray)
        rows, columns = (
            (edges.places[:, None] + across[:, None] * edges.normals[:, None]).round().long().unbind(-1)
        )
        return cls(
            edges,
            own=own,
            steps=high - low,
            trust=(1 - own / PLAIN).clamp(0, 1) * _straightness(gray, edges),
            places=places,
            pixels=(rows * gray.shape[1] + columns).flatten(),
            fading=((reach + 1 - across.abs()) / (FADING * reach)).clamp(0, 1),
        )

    def correction(self, gray: Tensor) -> Tensor:
        """What to add to a picture's brightness; both of shape (h, w)."""
        profiles, reach = profiles_at(gray, self.places), self.edges.reach
        low, high = levels_beside(profiles, reach)
        room = self.own * (high - low)
        near = profiles[:, reach:-reach]
        missing = near.clamp((low - room)[:, None], (high + room)[:, None]) - near
        trust = (self.trust * ((high - low) / (SURE_STEP * self.steps)).clamp(0, 1))[:, None]
        weighted = trust * missing * self.fading, trust.expand_as(missing)
        summed = torch.stack([_summed(each.flatten(), self.pixels, gray.numel()) for each in weighted])
        sums, counts = gaussian(summed.view(2, *gray.shape), SMOOTHNESS * reach)
        found: Tensor = sums / (counts + COVERED)
        return found


def _summed(values: Tensor, pixels: Tensor, count: int) -> Tensor:
    """Sums of the values of each pixel, in whole numbers, whose sums no order changes; shape (count,)."""
    whole = (values * EXACT).round().long()
    sums = torch.zeros(count, dtype=torch.int64, device=values.device).index_add_(0, pixels, whole)
    return sums.to(values.dtype) / EXACT


def _straightness(gray: Tensor, edges: Edges) -> Tensor:
    """How straight each edge is: coherence of the structure tensor (Weickert 1999), on [0, 1]; shape (N,).

    Profiles are means along the edge. Where it bends at once, as among leaves, they run across other things,
    and what is taken away for them is strokes in all directions.
    """
    down, right = gaussian_slopes(gray, 1.0)
    products = torch.stack([down**2 + right**2, down**2 - right**2, 2 * down * right])
    both, across, mixed = gaussian(products, ALONG)
    rows, columns = edges.places.long().T
    found: Tensor = ((across**2 + mixed**2) / both.clamp_min(1e-9) ** 2)[rows, columns]
    return found


def _enlarged(correction: Tensor, image: Tensor) -> Tensor:
    size = (image.shape[1], image.shape[2])
    return functional.interpolate(correction[None, None], size, mode="bilinear", align_corners=False)[0]
