"""What a worker's machine has to have in common with the batch's before it does any of its pairs."""

import errno
from dataclasses import replace
from pathlib import Path

import pytest
from batch_runs import QUICK, make_folder

from flows import shard
from flows.orders.batch_order import BatchOrder, find_orders
from flows.orders.planning import Prober
from flows.shard import WorkerUnfit, check_fitness, run_pairs
from flows.shards.ledger import ShardContents, ShardPair
from pst_core.errors import OutputError
from pst_core.network.finder import Finder
from pst_core.network.identity import Network
from tasks.keys import fingerprint

pytestmark = pytest.mark.usefixtures("pst_home")


@pytest.fixture
def contents(tmp_path):
    """A shard of two pairs, whose batch began a moment ago."""
    order = BatchOrder(source=make_folder(tmp_path / "in", 2), out=tmp_path / "out", settings=QUICK)
    order.save()
    pairs = tuple(
        ShardPair(each, Network.of(each.config, has_maps=True)) for each in find_orders(order).pairs
    )
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


def test_other_weights_than_the_batchs_are_told_of(contents):
    pair = contents.pairs[0]
    other = pair.network.model_copy(update={"identity": "ab" * 32})
    with pytest.raises(
        WorkerUnfit, match=r"other weights \(untrained\) than the batch asks for \(abababababab\)"
    ):
        check_fitness(ShardContents(contents.code, (ShardPair(pair.order, other),)))


def test_weights_that_are_missing_are_told_of(contents, tmp_path):
    pair = contents.pairs[0]
    config = pair.order.config.model_copy(update={"weights": str(tmp_path / "gone.safetensors")})
    pair = ShardPair(replace(pair.order, config=config), pair.network)
    with pytest.raises(WorkerUnfit, match=r"lacks the weights that the batch asks for: .*gone\.safetensors"):
        check_fitness(ShardContents(contents.code, (pair,)))


def test_another_way_to_find_regions_is_told_of(contents):
    pair = contents.pairs[0]
    bare = replace(pair.order, pair=replace(pair.order.pair, content_map=None, style_map=None))
    there = Finder(way="semantic", place="/elsewhere", identity="ab" * 32, library="transformers 5")

    def shard_of(finder):
        network = pair.network.model_copy(update={"finder": finder})
        return ShardContents(contents.code, (ShardPair(bare, network),))

    check_fitness(shard_of(Finder(way="cluster", place="wherever")))
    wanted = r"by cluster, the batch's machine by semantic \(abababababab, transformers 5\)"
    with pytest.raises(WorkerUnfit, match=f"would find regions {wanted}"):
        check_fitness(shard_of(there))
    # Where maps say the regions, it is no matter.
    with_maps = ShardPair(pair.order, pair.network.model_copy(update={"finder": there}))
    check_fitness(ShardContents(contents.code, (with_maps,)))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_the_machines_trouble_and_not_the_pairs(contents, monkeypatch, number):
    """Another worker may have room; where there is no other, it is the pair's failure."""

    def fill(*_):
        full = OSError(number, "No space left on device")
        raise OutputError("the disk is full; free some space or choose another folder") from full

    monkeypatch.setattr(shard, "settle", fill)
    orders, ended = [pair.order for pair in contents.pairs], []

    def run(**how):
        run_pairs(orders, Prober(), lambda *end: ended.append(end), **how)

    with pytest.raises(WorkerUnfit, match="the disk is full"):
        run(full_disk_ends=True)
    assert ended == []
    run()
    assert [outcome.state for _, outcome in ended] == ["failed", "failed"]
