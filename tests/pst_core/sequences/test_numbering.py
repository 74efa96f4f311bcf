import pytest
from hypothesis import given
from hypothesis import strategies as st

from pst_core.errors import SequenceError
from pst_core.sequences.numbering import in_order


@given(st.integers(0, 10_000), st.permutations(range(12)), st.sampled_from(["f{}", "shot2_{:06}", "{}_v"]))
def test_frames_come_in_the_order_of_their_numbers(first, order, form):
    names = [form.format(first + place) for place in order]
    assert [order[place] for place in in_order(names, "DIR")] == [*range(12)]


@pytest.mark.parametrize(("names", "sentence"), [
    (["a1", "a2", "a5", "a9"], r"^Frames are missing in DIR: 3 to 4, 6 to 8; add them"),
    (["a1", "a3"], r"^Frames are missing in DIR: 2; add"),
    ([f"{2 * number}" for number in range(9)], r"1, 3, 5, 7, 9 and 3 more gaps"),
    (["a1", "b01"], r"^a1 and b01 in DIR are both frame 1: "),
    (["a1", "cover"], r"^cover in DIR has no number in its name"),
])  # fmt: skip
def test_what_is_no_sequence_is_refused_by_name(names, sentence):
    with pytest.raises(SequenceError, match=sentence):
        in_order(names, "DIR")


def test_one_frame_and_none_are_sequences():
    assert in_order(["only7"], "DIR") == [0] and in_order([], "DIR") == []
