"""Pairs: names that would share a folder."""

import pytest

from flows.pairs.pair import PairingError, refuse_collisions
from pst_core.errors import PstError


def test_the_error_is_one_of_the_programs():
    assert issubclass(PairingError, PstError)


def test_collisions_name_both_and_the_way_out():
    with pytest.raises(PairingError, match=r"one and two would share the folder 'A': do something\."):
        refuse_collisions([("a", "one"), ("A", "two")], "do something")
