"""The regions of a key frame, carried along with the scene to another frame."""

from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch

from pst_core.pipeline.applying import Shares
from pst_core.pipeline.look import Look
from pst_core.pipeline.placing import SIDE
from pst_core.sequences.motion import Floats, Small, motion_between, shrunk, trust_in


class Carried(NamedTuple):
    """A key's regions in another frame.

    Attributes
    ----------
    shares : Shares
        How much of each region's look, and behind these of the whole one, the frame takes.
    trust : ndarray of float32, shape (h, w)
        How far to trust it, on [0, 1].
    """

    shares: Shares
    trust: Floats


class Key:
    """A key frame, by its look: what it shows at a small size, and where its regions lie."""

    def __init__(self, look: Look) -> None:
        self.look = look

    @property
    def has_regions(self) -> bool:
        """Whether there is anything to be carried."""
        return len(self.look.regions) > 1

    @cached_property
    def small(self) -> Small:
        """What it shows."""
        return Small.of(self.look.content, SIDE)

    @cached_property
    def masks(self) -> Floats:
        """Where its regions lie, at the size of `small`, shape (R, h, w)."""
        return shrunk(self.look.masks, self.small.shape)

    def carry_to(self, frame: Small) -> Carried:
        """Its regions as they lie in another frame of the same shot."""
        there = motion_between(frame, self.small)
        trust = trust_in(frame, self.small, there, motion_between(self.small, frame))
        masks = torch.from_numpy(there.bring(self.masks))
        takes = torch.eye(len(masks), len(masks) + 1)
        return Carried(Shares(masks, takes, torch.from_numpy(frame.image)), trust)


def by_map(shares: Shares | None) -> Carried | None:
    """Regions that a frame's own map says: nothing of it is in doubt."""
    return None if shares is None else Carried(shares, np.ones(shares.guide.shape[1:], np.float32))
