"""How many pairs a shard gets: enough to be worth a start, few enough that all workers end together."""

import math

TARGET_SECONDS = 90.0
LEAST_SECONDS = 20.0
"""Below this, starting Python and torch would cost more than a few per cent."""
PROBE = 1
"""Pairs of a shard as long as nobody knows how long a pair takes."""


def shard_size(seconds: float | None, left: int, workers: int) -> int:
    """How many pairs the next shard gets.

    Parameters
    ----------
    seconds
        What a pair takes, by what pairs took before; None if nobody knows.
    left
        Pairs that are not handed out yet, at least 1.
    workers
        How many there are to take shards.

    Returns
    -------
    int
        From 1 to `left`.
    """
    if seconds is None:
        return min(PROBE, left)
    each = max(seconds, 1e-3)
    target, least = math.ceil(TARGET_SECONDS / each), math.ceil(LEAST_SECONDS / each)
    # Half of a fair share: whoever is done early finds something more to do, down to the last few pairs.
    share = math.ceil(left / (2 * max(workers, 1)))
    return max(1, min(target, max(share, least), left))
