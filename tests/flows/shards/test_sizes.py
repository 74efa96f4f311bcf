"""How many pairs a shard gets: properties that hold whatever the numbers."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as some

from flows.shards.sizes import LEAST_SECONDS, TARGET_SECONDS, shard_size

seconds = some.one_of(some.none(), some.floats(0.0, 3600.0))
left, workers = some.integers(1, 100_000), some.integers(0, 100)


def handed_out(each, pairs, workers):
    """Sizes of all shards, in the order in which they are handed out."""
    sizes = []
    while pairs:
        sizes.append(shard_size(each, pairs, workers))
        pairs -= sizes[-1]
    return sizes


@given(seconds, left, workers)
def test_a_shard_has_a_pair_at_least_and_never_more_than_there_are(each, left, workers):
    assert 1 <= shard_size(each, left, workers) <= left


@given(some.floats(0.01, 600.0), some.integers(1, 3000), some.integers(1, 16))
def test_shards_take_about_a_minute_or_two_at_most(each, pairs, workers):
    longest = max(handed_out(each, pairs, workers)) * each
    assert longest <= max(TARGET_SECONDS + each, each)


@given(some.floats(0.01, 600.0), some.integers(1, 3000), some.integers(1, 16))
def test_only_the_last_shard_is_too_short_to_be_worth_a_start(each, pairs, workers):
    assert all(size * each >= LEAST_SECONDS - 1e-6 for size in handed_out(each, pairs, workers)[:-1])


def finish(sizes, each, workers):
    """When each worker is done, if each takes the next shard as soon as it is free."""
    free = [0.0] * workers
    for size in sizes:
        next_one = free.index(min(free))
        free[next_one] += size * each
    return free


@pytest.mark.parametrize(("each", "pairs", "workers"), [
    (2.4, 1000, 4), (2.4, 36, 4), (30.0, 100, 8), (0.5, 10_000, 4), (6.0, 48, 4), (240.0, 40, 8),
])  # fmt: skip
def test_workers_end_together(each, pairs, workers):
    ends = finish(handed_out(each, pairs, workers), each, workers)
    # No worker waits for another longer than the shortest shard that is worth a start, or a pair, takes.
    assert max(ends) - min(ends) <= max(LEAST_SECONDS, each) + each


def test_as_long_as_nobody_knows_a_pairs_time_a_shard_has_one_pair():
    assert shard_size(None, 500, 4) == 1


def test_instant_pairs_are_no_division_by_zero():
    assert shard_size(0.0, 10, 2) == 10 == math.ceil(10)
