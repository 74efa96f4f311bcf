"""Names of pairs: their order, and what counts as the same."""

import unicodedata

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from flows.pairs.names import fold, natural_key


@given(st.lists(st.text(alphabet="aB1209/é ", max_size=8), max_size=8))
@hypothesis_settings(max_examples=100)
def test_natural_order_is_total_and_independent_of_the_order_before(names):
    backwards = names[::-1]
    assert sorted(names, key=natural_key) == sorted(backwards, key=natural_key)


@given(st.text(max_size=10))
@hypothesis_settings(max_examples=200)
def test_folding_is_stable_under_case_and_spelling(name):
    assert fold(fold(name)) == fold(name)
    assert fold(unicodedata.normalize("NFD", name)) == fold(name)
