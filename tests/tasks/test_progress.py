"""Who hears when a pair's picture is computed."""

import pytest

from tasks.progress import announcing, tell_computed


def test_it_is_told_at_once_and_not_again():
    calls = []
    with announcing(lambda: calls.append(None)):
        tell_computed()
        assert len(calls) == 1
        tell_computed()
    assert len(calls) == 1


def test_what_was_found_computed_is_told_at_the_end():
    calls = []
    with announcing(lambda: calls.append(None)):
        assert not calls
    assert len(calls) == 1


def test_a_pair_that_fails_before_is_not_computed():
    calls = []
    with pytest.raises(ValueError, match="no picture"), announcing(lambda: calls.append(None)):
        raise ValueError("no picture")
    tell_computed()
    assert not calls
