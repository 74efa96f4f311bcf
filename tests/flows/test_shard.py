"""What a worker's machine has to have in common with the batch's before it does any of its pairs."""

from pathlib import Path

import pytest
from batch_runs import QUICK, make_folder

from flows.orders.batch_order import BatchOrder, find_orders
from flows.shard import WorkerUnfit, check_fitness
from flows.shards.ledger import ShardContents, ShardPair
from pst_core.network.identity import Network
from tasks.keys import fingerprint


@pytest.fixture
def contents(tmp_path):
    """A shard of two pairs, whose batch began a moment ago."""
    order = BatchOrder(source=make_folder(tmp_path / "in", 2), out=tmp_path / "out", settings=QUICK)
    order.save()
    pairs = tuple(ShardPair(each, Network.of(each.config)) for each in find_orders(order).pairs)
    return ShardContents(fingerprint(), pairs)


def test_a_machine_that_has_everything_is_fit(contents):
    check_fitness(contents)


@pytest.mark.parametrize("gone", ["in/style/p1.png", "in/content_maps/p0.png"])
def test_a_photograph_or_map_that_is_not_seen_is_named(contents, tmp_path, gone):
    (tmp_path / gone).unlink()
    with pytest.raises(WorkerUnfit, match=rf"does not see {tmp_path / gone}: .* mount"):
        check_fitness(contents)


def test_a_batchs_folder_that_is_not_mounted_is_not_made_anew(contents, tmp_path):
    (tmp_path / "out" / "batch.json").unlink()
    (tmp_path / "out").rmdir()
    with pytest.raises(WorkerUnfit, match=rf"does not see {tmp_path / 'out'}: "):
        check_fitness(contents)
    assert not Path(tmp_path / "out").exists()


def test_another_version_of_the_code_is_told_of(contents):
    with pytest.raises(WorkerUnfit, match="install the same on both"):
        check_fitness(ShardContents("another", contents.pairs))
