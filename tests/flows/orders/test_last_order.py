import os
from itertools import permutations

import pytest

from flows.orders.apply_order import ApplyOrder
from flows.orders.batch_order import BatchOrder
from flows.orders.last_order import load_last_order
from flows.orders.sequence_order import SequenceOrder
from pst_core.errors import ConfigError


@pytest.mark.parametrize("kinds", list(permutations(("batch", "look", "sequence"))))
def test_the_order_that_was_last_run_into_a_folder_is_the_one(tmp_path, kinds):
    out, there = tmp_path / "out", tmp_path / "there"
    out.mkdir()
    orders = {
        "batch": BatchOrder(source=there, out=out),
        "look": ApplyOrder(source=there, out=out, look=there),
        "sequence": SequenceOrder(source=there, out=out, style=there),
    }
    for second, kind in enumerate(kinds):
        orders[kind].save()
        os.utime(out / orders[kind].file, (second, second))
    assert load_last_order(out) == orders[kinds[-1]]


@pytest.mark.parametrize(("name", "sentence"), [
    ("", r"In .* nothing was made yet \(a dry run only tells\): begin with pst run FOLDER --out "),
    ("new", r"There is no folder .*new yet \(.*\): begin with .* --sequence FRAMES --style FILE --out "),
])  # fmt: skip
def test_of_a_folder_without_an_order_it_is_told_how_to_begin(tmp_path, name, sentence):
    with pytest.raises(ConfigError, match=sentence):
        load_last_order(tmp_path / name)
