"""The regions of a key frame, carried along with the scene to another frame."""

from typing import NamedTuple

import numpy as np
import torch

from pst_core.pipeline.applying import Placement
from pst_core.pipeline.look import Look
from pst_core.sequences.motion import Floats, Small, motion_between, shrunk, trust_in


class Carried(NamedTuple):
    """A key's regions in another frame.

    Attributes
    ----------
    placement : Placement
        How much of each region's look, and behind these of the whole one, the frame takes.
    trust : ndarray of float32, shape (h, w)
        How far to trust it, on [0, 1].
    """

    placement: Placement
    trust: Floats


class Key:
    """A key frame, by its look: what it shows at a small size, and where its regions lie."""

    def __init__(self, look: Look) -> None:
        self.look = look
        self._small: tuple[Small, Floats] | None = None

    @property
    def has_regions(self) -> bool:
        """Whether there is anything to be carried."""
        return len(self.look.regions) > 1

    def carry_to(self, frame: Small) -> Carried:
        """Its regions as they lie in another frame of the same shot."""
        small, regions = self._at(frame.shape)
        there = motion_between(frame, small)
        trust = trust_in(frame, small, there, motion_between(small, frame))
        masks = torch.from_numpy(there.bring(regions))
        takes = torch.eye(len(masks), len(masks) + 1)
        return Carried(Placement(masks, takes, torch.from_numpy(frame.image)), trust)

    def _at(self, size: tuple[int, int]) -> tuple[Small, Floats]:
        """What it shows, and where its regions lie, at a size that all frames have."""
        if self._small is None or self._small[0].shape != size:
            self._small = Small(shrunk(self.look.content, size)), shrunk(self.look.masks, size)
        return self._small


def by_map(placement: Placement | None) -> Carried | None:
    """Regions that a frame's own map says: nothing of it is in doubt."""
    return None if placement is None else Carried(placement, np.ones(placement.guide.shape[1:], np.float32))
