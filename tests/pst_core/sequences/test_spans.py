from hypothesis import given
from hypothesis import strategies as st

from pst_core.sequences.spans import Span, keys_of, plan_spans


@given(st.integers(1, 200), st.sets(st.integers(1, 199)), st.integers(1, 40))
def test_spans_hold_every_frame_once_between_keys_of_its_own_shot(count, places, key_every):
    cuts = sorted(place for place in places if place < count)
    spans = plan_spans(count, cuts, key_every)
    assert [place for span in spans for place in range(span.first, span.stop)] == [*range(count)]
    for span in spans:
        assert span.before <= span.first < span.stop <= span.after + 1
        assert span.after - span.before <= key_every
        assert not any(span.before < cut <= span.after for cut in cuts)
        distances = [span.distance(place) for place in range(span.first, span.stop)]
        assert distances == sorted(distances) and 0 <= distances[0] <= distances[-1] <= 1


@given(st.integers(1, 200), st.sets(st.integers(1, 199)), st.integers(1, 40))
def test_both_sides_of_a_cut_and_both_ends_are_keys(count, places, key_every):
    cuts = sorted(place for place in places if place < count)
    keys = keys_of(plan_spans(count, cuts, key_every))
    assert {0, count - 1, *cuts, *(cut - 1 for cut in cuts)} <= {*keys}


def test_keys_lie_evenly():
    assert plan_spans(50, [], 24) == [Span(0, 16, 0, 16), Span(16, 33, 16, 33), Span(33, 50, 33, 49)]
