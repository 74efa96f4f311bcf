"""What a batch handed out, read back by workers, by the batch, and by the batch after it."""

import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from flows.orders.planning import PairOrder
from flows.pairs.pair import Pair
from flows.results.outcomes import PairOutcome
from flows.shards.ledger import (
    DeadLedger,
    LedgerError,
    ShardContents,
    ShardFolder,
    ShardPair,
    dead_ledgers,
    keeping_ledger,
)
from pst_core.network.identity import Network
from pst_core.settings.config import Config, EncoderSettings
from pst_core.store import Reference

pytestmark = pytest.mark.usefixtures("pst_home")

NO_TEXT = os.fsdecode(b"/pictures/caf\xe9\xff.jpg")


def contents(*names):
    config = Config.make("default", size=64)
    network = Network(settings=config.section(EncoderSettings), identity="untrained")
    pairs = [
        Pair(name, Path(NO_TEXT), Path("/pictures/b.png"), given={"size": 64, "preset": "fast"})
        for name in names
    ]
    orders = [PairOrder(pair, Path("/results"), config, "fast", "skip", "a.png") for pair in pairs]
    return ShardContents("code", tuple(ShardPair(order, network) for order in orders))


@pytest.fixture
def ledger(tmp_path):
    with keeping_ledger(tmp_path / "out", {}) as ledger:
        yield ledger


def test_a_shard_is_read_as_it_was_written_whatever_its_files_are_called(ledger):
    wanted = contents("ä/ö", "b")
    name = ledger.new_shard(wanted).name
    assert ShardFolder(name).read() == wanted


def test_paths_are_handed_out_as_seen_from_anywhere(ledger, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = Config.make("default")
    network = Network(settings=config.section(EncoderSettings), identity="untrained")
    order = PairOrder(Pair("a", Path("a.png"), Path("b.png")), Path("out"), config)
    shard = ledger.new_shard(ShardContents("code", (ShardPair(order, network),)))
    monkeypatch.chdir("/")
    read = shard.read().pairs[0].order
    assert (read.pair.content, read.out) == (tmp_path / "a.png", tmp_path / "out")


def test_what_became_of_pairs_is_seen_one_by_one(ledger):
    shard = ledger.new_shard(contents("a", "b", "c"))
    seen = ShardFolder(shard.name)
    assert not shard.look().begun and not shard.look().ended
    seen.begin(0)
    seen.begin(1)
    preview = Reference(kind="preview", path=f"objects/ab/{'ab' * 32}.jpg", sha256="ab" * 32, size=3)
    outcome = PairOutcome(name=NO_TEXT, state="done", notes=("n",), previews={"result": preview}, seconds=2.5)
    seen.end(0, outcome)
    assert shard.look().at_work == {1}
    assert shard.outcome(0) == outcome
    assert shard.outcome(1) is None
    assert shard.look().given_back == ""
    seen.give_back("no weights")
    assert shard.look().given_back == "no weights"


@pytest.mark.parametrize("damage", [b"", bytes(99), b"{", b'{"code": "x"}', b"[]", b"\xff"])
def test_a_damaged_list_is_told_in_a_sentence(ledger, damage):
    shard = ledger.new_shard(contents("a"))
    (shard.path / "pairs.json").write_bytes(damage)
    with pytest.raises(LedgerError, match=r"pairs\.json is not there as it was written"):
        shard.read()


@pytest.mark.parametrize("spoil", [lambda raw: b"", lambda raw: raw[:5], lambda raw: bytes(len(raw))])
def test_what_a_power_cut_spoilt_is_as_if_it_were_not_there(ledger, spoil):
    shard = ledger.new_shard(contents("a"))
    shard.note_run(uuid4())
    shard.end(0, PairOutcome(name="a", state="failed", error="why"))
    ledger.count_death("a")
    assert shard.run is not None and shard.outcome(0) is not None
    for path in (shard.path / "run", shard.path / "ended-0.json", ledger.path / "deaths.json"):
        path.write_bytes(spoil(path.read_bytes()))
    assert shard.run is None and shard.outcome(0) is None
    assert DeadLedger(ledger.path).deaths == {}


@pytest.mark.parametrize("name", ["", "a", "../../etc/passwd", "/etc", f"{'a' * 16}/{'b' * 32}/../000001"])
def test_a_name_that_leads_elsewhere_is_refused(name):
    with pytest.raises(LedgerError, match="no shard's name"):
        ShardFolder(name)


def test_after_a_batch_nothing_is_left(tmp_path):
    with keeping_ledger(tmp_path / "out", {}) as ledger:
        ledger.new_shard(contents("a"))
    with dead_ledgers(tmp_path / "out") as dead:
        assert list(dead) == []


def test_a_living_batch_is_left_alone(tmp_path, ledger):
    ledger.new_shard(contents("a"))
    with dead_ledgers(tmp_path / "out") as dead:
        assert list(dead) == []
    assert ledger.path.exists()


def test_what_a_killed_batch_handed_out_is_found_once(tmp_path):
    run, out = uuid4(), tmp_path / "out"
    code = f"""
import os, signal
from pathlib import Path
from uuid import UUID
from flows.shards.ledger import ShardContents, keeping_ledger
with keeping_ledger(Path({str(out)!r}), {{"b": 1}}) as ledger:
    shard = ledger.new_shard(ShardContents("code", ()))
    shard.note_run(UUID({str(run)!r}))
    ledger.count_death("a")
    ledger.count_death("a")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    with pytest.raises(RuntimeError), dead_ledgers(out) as dead:
        raise RuntimeError("whoever looked at it failed: it stays")
    with dead_ledgers(out) as dead:
        [found] = dead
        assert found.deaths == {"a": 2, "b": 1}
        assert [shard.run for shard in found.shards] == [run]
    with dead_ledgers(out) as dead:
        assert list(dead) == []


def test_two_folders_have_ledgers_of_their_own(tmp_path):
    with keeping_ledger(tmp_path / "a", {}) as one, keeping_ledger(tmp_path / "b", {}) as other:
        assert one.path.parent != other.path.parent
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with keeping_ledger(tmp_path / "link", {}) as again:
        assert again.path.parent == one.path.parent
