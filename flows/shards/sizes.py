"""How many pairs a shard gets, and gives up again: enough to be worth a start, and all workers end together.

How long pairs take is often learnt only after the first shards are out, and workers differ. So a shard that
turns out too long gives pairs back, and those who have nothing to do get their share of what a busy worker
has before it.
"""

import math

TARGET_SECONDS = 90.0
LEAST_SECONDS = 20.0
"""Below this, starting Python and torch would cost more than a few per cent."""
START_SECONDS = 8.0
"""What a start costs where all start at once: an idle worker takes over what is done earlier even so."""
TOO_LONG = 1.5
"""A shard is, that would take so many times the target."""
UNKNOWN = 25
"""Pairs of a shard at most as long as nobody knows how long a pair takes."""


def shard_size(seconds: float | None, left: int, unfinished: int, workers: int) -> int:
    """How many pairs the next shard gets.

    Parameters
    ----------
    seconds
        What a pair takes, by what pairs took before; None if nobody knows.
    left
        Pairs that are not handed out yet, at least 1.
    unfinished
        Those and the ones that others have, but have not finished.
    workers
        How many there are to take shards.

    Returns
    -------
    int
        From 1 to `left`.
    """
    workers = max(workers, 1)
    if seconds is None:
        return min(math.ceil(unfinished / workers), UNKNOWN, left)
    each = max(seconds, 1e-3)
    # As many shards for each worker as come nearest to the target: then all have the same number of starts.
    shards = max(1, round(unfinished * each / (workers * TARGET_SECONDS)))
    share = math.ceil(unfinished / (workers * shards))
    return min(max(share, math.ceil(LEAST_SECONDS / each)), left)


def surplus(seconds: float, before: int) -> int:
    """How many pairs a shard that turned out too long gives up.

    Parameters
    ----------
    seconds
        What a pair takes.
    before
        How many of its pairs have not been begun.
    """
    target = max(1, math.ceil(TARGET_SECONDS / max(seconds, 1e-3)))
    return before - target if before > TOO_LONG * target else 0


def share_for_idle(seconds: float, before: int, idle: int) -> int:
    """How many of the pairs that a busy worker has not begun go to those that have nothing to do.

    Parameters
    ----------
    seconds, before
        See `surplus`; the busy one has a pair at work besides.
    idle
        How many have nothing to do.
    """
    for sharing in range(idle, 0, -1):
        taken = before + 1 - math.ceil((before + 1) / (sharing + 1))
        theirs = START_SECONDS + math.ceil(taken / sharing) * seconds
        if taken and theirs <= (before + 0.5) * seconds:  # the one at work is half done, as far as one knows
            return taken
    return 0
