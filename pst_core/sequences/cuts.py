"""Where a sequence goes from one shot to the next."""

from collections.abc import Iterable

from pst_core.sequences.motion import Small, motion_between

SIDE = 160  # pixels at which cuts are looked for
# Structure that two frames of a shot have in common, once one is moved onto the other, from -1 to 1. Of pairs
# of different photographs 98 in 100 stay below; pans by a fifth of the width, or half the light, do not.
LEAST_AGREEMENT = 0.4


def find_cuts(frames: Iterable[Small]) -> list[int]:
    """Places of the frames that begin another shot than the frame before them, the first one's being 0.

    Examples
    --------
    >>> import numpy as np
    >>> one, other = (Small(np.random.default_rng(seed).random((3, 40, 60), np.float32)) for seed in (1, 2))
    >>> find_cuts([one, one, other, other])
    [2]
    """
    cuts = []
    before: Small | None = None
    for place, frame in enumerate(frames):
        if before is not None and motion_between(frame, before).agreement < LEAST_AGREEMENT:
            cuts.append(place)
        before = frame
    return cuts
