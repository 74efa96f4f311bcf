"""Pairs: names that would share a folder."""

from flows.pairs.pair import PairingError
from pst_core.errors import PstError


def test_the_error_is_one_of_the_programs():
    assert issubclass(PairingError, PstError)
