"""Power cuts, simulated: what was told to be finished is there, all else is right or a miss."""

import contextlib
import hashlib
import os
import random
from itertools import pairwise
from pathlib import Path

import pytest
from standins.power_cuts import Notes, cut_power

from pst_core import files
from pst_core.errors import StoreError
from pst_core.files import names_synced_together, sync_file_system, write_bytes_atomically
from pst_core.store import Receipt, Store, StoreMiss
from pst_core.store import store as store_module
from pst_core.store.upkeep import prune, verify


class Cut(BaseException):
    """The power goes."""


class Disk:
    """A disk with a store on it, whose power goes at a chosen call or in between."""

    def __init__(self, folder, monkeypatch):
        self.root, self.notes = folder / "disk", folder / "notes"
        self.root.mkdir()
        self.left = float("inf")
        Notes(self.notes, [self.root]).listen(files, monkeypatch.setattr)
        for name in ("fsync", "link", "replace", "mkdir", "unlink"):
            monkeypatch.setattr(os, name, self._counted(getattr(os, name)))
        monkeypatch.setattr(files, "_syncfs", self._counted(files._syncfs))

    def _counted(self, call):
        def counted(*arguments, **options):
            if self.left <= 0:
                raise Cut
            self.left -= 1
            return call(*arguments, **options)

        return counted

    def cut(self, chance):
        self.left = float("inf")
        return cut_power(self.notes, [self.root], chance)


@pytest.fixture
def disk(tmp_path, monkeypatch):
    return Disk(tmp_path, monkeypatch)


def key_of(*parts):
    return hashlib.sha256(repr(parts).encode()).hexdigest()


STEPS = 4


def make(store, pair):
    """A pair's steps, found or made as the pipeline does it, and its receipt; how many were made."""
    made, keys = 0, [key_of("step", pair, step) for step in range(STEPS)]
    for step, key in enumerate(keys):
        try:
            store.read_record(key)
        except StoreMiss:
            artifact = store.put(f"{pair} {step} ".encode() * 300, "image", "png")
            shared = store.put(b"what every pair has", "regions", "parquet")
            stays = store.write_record(key, content := f'{{"step": {step}}}'.encode(), [artifact, shared])
            assert stays in (None, content)  # its artifact alone may have been lost
            made += 1
    store.write_receipt(key_of("pair", pair), Receipt(records=tuple(keys), outputs=(), content=str(pair)))
    return made


def finished(store, pair):
    try:
        receipt = store.read_receipt(key_of("pair", pair))
    except StoreMiss:
        return False
    assert receipt.content == str(pair)
    for step, key in enumerate(receipt.records):
        assert store.read_record(key) == f'{{"step": {step}}}'.encode()
    return True


def whole(root):
    """Everything that the finished store holds, temporary files left out."""
    return {
        path.relative_to(root): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and not path.name.endswith(".tmp") and "locks" not in path.parts
    }


@pytest.mark.parametrize("seed", range(12))
def test_what_was_told_to_be_finished_is_never_lost(disk, tmp_path, seed):
    chance, told, cuts, spoilt = random.Random(seed), set(), 0, 0
    root = disk.root / "store"
    while len(told) < 4:
        store = Store(root)
        for pair in told:
            assert finished(store, pair) and make(store, pair) == 0
        disk.left = chance.randrange(1, 90)
        with contextlib.suppress(Cut):
            for pair in range(4):
                make(store, pair)
                told.add(pair)
        cuts += 1
        spoilt += len(disk.cut(chance))
    assert cuts > 1 and spoilt > 0  # or nothing was tried
    for pair in range(4):
        assert finished(Store(root), pair)
    calm = Store(tmp_path / "calm")
    for pair in range(4):
        make(calm, pair)
    left, undisturbed = whole(root), whole(calm.root)
    assert {path: left.get(path) for path in undisturbed} == undisturbed
    assert {damage.problem for damage in verify(Store(root))} <= {"leftover", "damaged"}


@pytest.mark.parametrize("seed", range(6))
def test_at_most_the_work_of_half_a_minute_is_lost(disk, monkeypatch, seed):
    chance, clock = random.Random(seed), [1000.0]
    monkeypatch.setattr(store_module.time, "monotonic", lambda: clock[0])
    store, ends = Store(disk.root / "store"), []
    for step in range(chance.randrange(8, 30)):
        clock[0] += chance.choice([1.0, 4.0, 12.0, 45.0])
        artifact = store.put(f"{step}".encode() * 100, "image", "png")
        store.write_record(key_of(step), b"{}", [artifact])
        ends.append(clock[0])
    disk.cut(chance)
    again = Store(disk.root / "store")
    lost = []
    for step, end in enumerate(ends):
        try:
            again.read_record(key_of(step))
        except StoreMiss:
            lost.append(end)
    assert all(clock[0] - end < 30.0 for end in lost)


def test_a_sync_of_records_comes_twice_a_minute_at_most(disk, monkeypatch):
    clock, synced = [0.0], []
    monkeypatch.setattr(store_module.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(store_module, "sync_file_system", lambda folder: synced.append(clock[0]))
    store = Store(disk.root / "store")
    for step in range(100):
        clock[0] += 3.1
        store.write_record(key_of(step), b"{}", [])
    assert len(synced) == 10 and all(later - one >= 30.0 for one, later in pairwise(synced))


def test_files_whose_names_are_synced_together_survive_with_one_call_a_folder(disk):
    calls, fsync = [], os.fsync

    def counted(descriptor):
        calls.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    os.fsync = counted
    try:
        with names_synced_together():
            for number in range(5):
                write_bytes_atomically(disk.root / "pair" / f"{number}", b"x" * 99)
    finally:
        os.fsync = fsync
    assert len(calls) == 7 and [name for name in calls if not name.endswith(".tmp")] == [
        str(disk.root), str(disk.root / "pair")
    ]  # fmt: skip
    disk.cut(random.Random(1))
    assert [(disk.root / "pair" / f"{number}").read_bytes() for number in range(5)] == [b"x" * 99] * 5


def test_what_is_not_synced_is_lost_or_spoilt_in_every_way(disk):
    """The disk that the other tests trust."""
    ways, chance = set(), random.Random(0)
    for number in range(60):
        write_bytes_atomically(disk.root / f"{number}", b"abc" * 50, durable=False)
    for told in disk.cut(chance):
        ways.add(told.split(" /")[0])
    assert ways == {"taken", "emptied", "cut", "zeroed", "zeroed behind"}
    for number in range(60):
        write_bytes_atomically(disk.root / f"new-{number}", b"abc" * 50, durable=False)
    sync_file_system(disk.root)
    assert disk.cut(chance) == []


def test_a_replaced_file_is_the_old_or_the_new_one(disk):
    found = set()
    for seed in range(20):
        write_bytes_atomically(disk.root / "x", b"old", overwrite=True)
        disk.left = 1  # its bytes, and not its name
        with contextlib.suppress(Cut):
            write_bytes_atomically(disk.root / "x", b"new", overwrite=True)
        disk.left = float("inf")
        disk.cut(random.Random(seed))
        found.add((disk.root / "x").read_bytes())
    assert found <= {b"old", b"new"} and b"old" in found


def test_pruning_after_a_cut_needs_nobody(disk):
    root, chance = disk.root / "store", random.Random(3)
    store = Store(root)
    make(store, 0)
    for step in range(10):
        artifact = store.put(f"{step}".encode() * 100, "image", "png")
        store.write_record(key_of(step), b"{}", [artifact])
    disk.cut(chance)
    assert any(damage.problem == "damaged" for damage in verify(Store(root)))
    prune(Store(root), grace_seconds=0)
    assert [damage for damage in verify(Store(root)) if damage.problem == "damaged"] == []


def test_a_disk_that_does_not_take_all_is_told_of(disk, monkeypatch):
    def fail(descriptor):
        raise OSError(5, "Input/output error")

    store = Store(disk.root / "store")
    monkeypatch.setattr(files, "_syncfs", fail)
    with pytest.raises((StoreError, files.OutputError), match="input/output error; check the disk"):
        make(store, 0)
    assert not finished(Store(disk.root / "store"), 0)
