"""What is handed on in memory is what was kept, within the block and its bounds."""

import pytest

from pst_core.store import StoreMiss, handing, open_store
from pst_core.store.handing import bytes_of, hand, handed, handing_on, let_go

pytestmark = pytest.mark.usefixtures("pst_home")


def kept(text):
    return open_store().put(text.encode(), "losses", "txt")


def test_what_was_handed_on_is_there_within_the_block_alone():
    reference, thing = kept("a"), object()
    hand(reference, thing)  # to nobody
    assert handed(reference) is None
    with handing_on():
        hand(reference, thing)
        with handing_on():  # within another it is the same one
            assert handed(reference) is thing
        assert handed(kept("b")) is None
    with handing_on():
        assert handed(reference) is None


def test_bytes_come_from_the_block_or_verified_from_the_store():
    reference = kept("a")
    with handing_on():
        assert bytes_of(reference) == b"a"
        hand(reference, b"a")
        open_store().path_of(reference).write_bytes(b"b")
        assert bytes_of(reference) == b"a"
    with pytest.raises(StoreMiss):
        bytes_of(reference)


def test_no_more_is_held_than_the_bound_and_what_was_asked_for_last_stays(monkeypatch):
    monkeypatch.setattr(handing, "MOST_HELD", 5)
    first, second, third = map(kept, ("aa", "bb", "cc"))
    with handing_on():
        hand(first, 1)
        hand(second, 2)
        assert handed(first) == 1
        hand(third, 3)
        assert [handed(each) for each in (first, second, third)] == [1, None, 3]
        hand(kept("too large"), 4)
        assert [handed(each) for each in (first, third, kept("too large"))] == [None] * 3


def test_what_is_let_go_is_held_no_longer():
    reference = kept("a")
    with handing_on():
        hand(reference, 1)
        let_go()
        assert handed(reference) is None
        hand(reference, 2)
        assert handed(reference) == 2
