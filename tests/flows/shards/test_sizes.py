"""How many pairs a shard gets: properties that hold whatever the numbers."""

from hypothesis import given
from hypothesis import strategies as some

from flows.shards.sizes import (
    LEAST_SECONDS,
    START_SECONDS,
    TARGET_SECONDS,
    TOO_LONG,
    UNKNOWN,
    shard_size,
    share_for_idle,
    surplus,
)

seconds = some.one_of(some.none(), some.floats(0.0, 3600.0))
left, workers = some.integers(1, 100_000), some.integers(0, 100)


def handed_out(each, pairs, workers):
    """Sizes of all shards, in the order in which they are handed out, before any pair has ended."""
    sizes, left = [], pairs
    while left:
        sizes.append(shard_size(each, left, pairs, workers))
        left -= sizes[-1]
    return sizes


@given(seconds, left, some.integers(0, 1000), workers)
def test_a_shard_has_a_pair_at_least_and_never_more_than_there_are(each, left, at_work, workers):
    assert 1 <= shard_size(each, left, left + at_work, workers) <= left


@given(some.floats(0.01, 600.0), some.integers(1, 3000), some.integers(1, 16))
def test_shards_take_about_a_minute_or_two_at_most(each, pairs, workers):
    assert max(handed_out(each, pairs, workers)) * each <= TOO_LONG * TARGET_SECONDS + each


@given(some.floats(0.01, 600.0), some.integers(1, 3000), some.integers(1, 16))
def test_only_the_last_shard_is_too_short_to_be_worth_a_start(each, pairs, workers):
    assert all(size * each >= LEAST_SECONDS - 1e-6 for size in handed_out(each, pairs, workers)[:-1])


@given(some.floats(0.5, 60.0), some.integers(2, 16), some.integers(1, 100))
def test_what_takes_a_minute_or_two_by_all_workers_is_one_start_for_each(each, workers, size):
    sizes = handed_out(each, workers * size, workers)
    if LEAST_SECONDS <= size * each < TOO_LONG * TARGET_SECONDS:
        assert sizes == [size] * workers


def test_as_long_as_nobody_knows_a_pairs_time_workers_get_equal_shares_of_not_too_many():
    assert shard_size(None, 48, 48, 4) == 12
    assert shard_size(None, 500, 500, 4) == UNKNOWN


def test_instant_pairs_are_no_division_by_zero():
    assert shard_size(0.0, 10, 10, 2) == 10
    assert surplus(0.0, 10) == share_for_idle(0.0, 10, 3) == 0


@given(some.floats(0.01, 600.0), some.integers(0, 3000))
def test_a_shard_that_turns_out_too_long_keeps_about_what_another_would_get(each, before):
    kept = before - surplus(each, before)
    assert 0 <= kept <= before
    assert kept * each <= TOO_LONG * (TARGET_SECONDS + each)
    assert kept == before or kept * each >= TARGET_SECONDS - 1e-6


@given(some.floats(0.01, 600.0), some.integers(0, 3000), some.integers(0, 16))
def test_idle_workers_get_their_share_of_what_is_left_or_nothing_where_that_is_not_worth_a_start(
    each, before, idle
):
    taken = share_for_idle(each, before, idle)
    assert 0 <= taken <= before
    if taken:
        kept = before + 1 - taken  # with the pair at work
        assert idle and taken <= kept * idle, "nobody gets more than the one who shares"
        assert START_SECONDS + each <= (before + 0.5) * each, "all are done earlier than without"


def test_the_last_pair_but_one_goes_to_an_idle_worker_only_if_it_is_done_earlier_there():
    assert share_for_idle(9.0, 1, 3) == 0  # 8 s for the start and 9 for the pair, against 13.5
    assert share_for_idle(9.0, 2, 3) == 2
    assert share_for_idle(60.0, 1, 3) == 1
