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


def test_a_folder_without_an_order_is_named(tmp_path):
    with pytest.raises(ConfigError, match="holds no batch"):
        load_last_order(tmp_path)
