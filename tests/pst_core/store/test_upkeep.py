import errno
import json
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest
from stores import A, B, C, D, dangling_link, files_in, folder, holder, link_to_a_copy, misses, pipe

from pst_core.errors import StoreError
from pst_core.store import layout as store_files
from pst_core.store import upkeep
from pst_core.store.upkeep import Pruned, prune, usage, verify


def age(path, seconds=10**6):
    """Make a file, or everything in a folder, look as if it had been written long ago."""
    for file in [path, *path.rglob("*")]:
        os.utime(file, (time.time() - seconds,) * 2, follow_symlinks=False)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"records": ["x"], "outputs": [], "content": ""}', "[" * 9999]
)
def test_a_receipt_without_its_fields(filled, content):
    filled.receipt_file.write_bytes(store_files.seal("receipt", C, content, []))
    assert misses(filled.store.read_receipt, C)
    assert [damage.problem for damage in verify(filled.store)] == ["damaged"]


def test_a_folder_that_cannot_be_listed_prunes_nothing(filled, monkeypatch):
    listdir = os.listdir

    def fail(path):
        if Path(path).name == "receipts":
            raise OSError(errno.EIO, "Input/output error")
        return listdir(path)

    before = files_in(filled.store.root)
    monkeypatch.setattr(os, "listdir", fail)
    with pytest.raises(StoreError, match="receipts is part of an unreadable store"):
        prune(filled.stands().store, grace_seconds=0)
    assert set(before) <= set(files_in(filled.store.root))


@pytest.mark.parametrize("which", ["record", "receipt_file"])
def test_a_record_that_cannot_be_read_just_now_loses_nothing(filled, monkeypatch, which):
    store, unreadable, system_open = filled.stands().store, getattr(filled, which), os.open

    def fail(path, *arguments):
        if Path(path) == unreadable:
            raise OSError(errno.EIO, "Input/output error")
        return system_open(path, *arguments)

    monkeypatch.setattr(os, "open", fail)
    assert misses(store.read_receipt, C)
    with pytest.raises(StoreError, match=f"{unreadable.name} cannot be read: .* delete that file"):
        prune(store, grace_seconds=0)
    assert (unreadable.relative_to(store.root).as_posix(), "damaged", "") in found(store)
    monkeypatch.undo()
    assert store.read_receipt(C) == filled.receipt


def test_pruning_keeps_what_a_standing_result_needs(filled):
    store = filled.stands().store
    store.put(b"nobody's", "image", "png")
    pruned = prune(store, grace_seconds=0)
    assert (pruned.receipts, pruned.records, pruned.objects) == (0, 1, 1)
    assert store.read_receipt(C) == filled.receipt
    assert misses(store.read_record, B)
    assert verify(store) == ()


@pytest.mark.parametrize("hours", [-48, 48])
def test_grace_goes_by_the_clock_that_files_have(filled, monkeypatch, hours):
    """This machine's clock jumped, or it is another than the file server's."""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + hours * 3600)
    assert prune(filled.store) == Pruned()
    age(filled.store.root)
    assert prune(filled.store).receipts == 1


def test_where_the_files_clock_cannot_be_asked_this_machines_counts(filled, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(1, "Operation not permitted")

    age(filled.store.root)
    monkeypatch.setattr(os, "utime", refuse)
    assert prune(filled.store).receipts == 1


@pytest.mark.parametrize(
    "report", [None, "", "[]", '{"key": 1}', json.dumps({"key": A}), "[" * 99_999, "\udcff"]
)
def test_pruning_frees_a_result_that_is_gone(filled, report):
    if report is not None:
        filled.stands()
        (filled.output / "report.json").write_text(report, errors="surrogateescape")
    pruned = prune(filled.store, grace_seconds=0)
    assert (pruned.receipts, pruned.records, pruned.objects, pruned.failures) == (1, 2, 2, 0)
    assert files_in(filled.store.root) == ["in-use.lock", f"locks/receipt-{C[:2]}", "version"]


def test_a_result_in_one_of_its_folders_is_enough(filled):
    outputs = (str(filled.output / "gone" / "report.json"), *filled.receipt.outputs, "a\0b")
    filled.store.write_receipt(C, filled.receipt.model_copy(update={"outputs": outputs}))
    assert prune(filled.stands().store, grace_seconds=0).receipts == 0
    shutil.rmtree(filled.output)
    assert prune(filled.store, grace_seconds=0).receipts == 1


def test_a_report_that_cannot_be_read_just_now_still_counts(filled, monkeypatch):
    store, system_open, refused = filled.stands().store, os.open, []

    def fail(path, *arguments):
        if Path(path).name == "report.json":
            refused.append(path)
            raise OSError(errno.EIO, "Input/output error")
        return system_open(path, *arguments)

    monkeypatch.setattr(os, "open", fail)
    assert prune(store, grace_seconds=0).receipts == 0
    assert refused


def test_what_is_young_is_kept_with_what_it_needs(filled):
    (filled.object.parent / ".pst-x.tmp").touch()
    assert prune(filled.store, grace_seconds=1000) == prune(filled.store) == Pruned()
    age(filled.store.root)
    filled.receipt_file.touch()  # only the receipt is young, but all it names is needed
    assert prune(filled.store).model_dump(exclude={"bytes_freed"}) == {
        "receipts": 0,
        "records": 1,
        "objects": 0,
        "temporary": 1,
        "failures": 0,
    }
    assert filled.store.read_receipt(C) == filled.receipt
    age(filled.store.root)
    filled.record.touch()
    assert (prune(filled.store).receipts, prune(filled.store).objects) == (1, 0)
    assert filled.store.read_record(A)
    age(filled.store.root)
    assert prune(filled.store).objects == 2
    assert files_in(filled.store.root) == ["in-use.lock", f"locks/receipt-{C[:2]}", "version"]


@pytest.mark.parametrize("grace", [-1.0, float("nan")])
def test_a_grace_that_is_none(filled, grace):
    with pytest.raises(StoreError, match="is no period of grace"):
        prune(filled.store, grace_seconds=grace)


def test_a_dry_run_tells_what_would_go(filled):
    filled.stands()
    (filled.object.parent / ".pst-x.tmp").write_bytes(b"123")
    before = files_in(filled.store.root)
    told = prune(filled.store, grace_seconds=0, dry_run=True)
    assert files_in(filled.store.root) == sorted([*before, "in-use.lock"])
    sizes = {path: (filled.store.root / path).stat().st_size for path in before}
    assert prune(filled.store, grace_seconds=0) == told
    left = files_in(filled.store.root)
    assert told.bytes_freed == sum(size for path, size in sizes.items() if path not in left) > 0


def test_pruning_removes_damaged_records_and_receipts_when_old(filled):
    filled.stands()
    filled.record.write_bytes(b"{}")
    filled.receipt_file.write_bytes(b"{}")
    assert prune(filled.store, grace_seconds=100).records == 0
    assert filled.receipt_file.exists()
    pruned = prune(filled.store, grace_seconds=0)
    assert (pruned.receipts, pruned.records) == (1, 2)


def test_pruning_leaves_what_is_not_its_own(filled):
    foreign = [
        filled.store.root / "notes.txt",
        filled.object.parent / "notes.txt",
        filled.object.parent / f"{'0' * 64}.png",  # in the wrong folder
        filled.record.parent / ".hidden",
        filled.store.root / "objects" / "README",
    ]
    for path in foreign:
        path.write_text("mine")
    prune(filled.store, grace_seconds=0)
    assert all(path.read_text() == "mine" for path in foreign)
    assert {damage.problem for damage in verify(filled.store)} == {"foreign"}


def test_what_cannot_be_removed_is_counted_and_keeps_what_it_names(filled, monkeypatch):
    unlink = Path.unlink

    def fail(path, **options):
        if path == filled.receipt_file:
            raise PermissionError(errno.EACCES, "Permission denied")
        unlink(path, **options)

    monkeypatch.setattr(Path, "unlink", fail)
    pruned = prune(filled.store, grace_seconds=0)
    assert (pruned.failures, pruned.receipts, pruned.records, pruned.objects) == (1, 0, 1, 0)
    assert filled.store.read_receipt(C) == filled.receipt


def test_pruning_removes_names_before_what_they_name(filled, monkeypatch):
    order, unlink = [], Path.unlink
    monkeypatch.setattr(Path, "unlink", lambda path, **options: order.append(path) or unlink(path, **options))
    (filled.store.root / ".pst-x.tmp").touch()
    prune(filled.store, grace_seconds=0)
    kinds = [path.relative_to(filled.store.root).parts[0] for path in order]
    assert kinds == ["receipts", "records", "records", "objects", "objects", ".pst-x.tmp"]


def test_a_running_batch_is_not_pruned(filled):
    store = filled.store
    with store.in_use(), store.in_use():  # as many as there are
        before = files_in(store.root)
        with pytest.raises(StoreError, match="in use by a running batch: prune when it has ended"):
            prune(store, grace_seconds=0)
        assert files_in(store.root) == before
    with holder(store, D) as process:
        process.send_signal(signal.SIGSTOP)  # a sleeping batch is one, too, for however long
        with pytest.raises(StoreError, match="in use"):
            prune(store, grace_seconds=0, dry_run=True)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert prune(store, grace_seconds=0).receipts == 1


def test_a_batch_waits_for_pruning_to_end(store):
    started = threading.Event()

    def batch():
        with store.in_use():
            started.set()

    thread = threading.Thread(target=batch)
    store.put(b"x", "image", "png")
    with store.exclusively():
        thread.start()
        assert not started.wait(0.2)
    assert started.wait(10)
    thread.join()


def test_usage(filled):
    store = filled.stands().store
    (store.root / "objects" / ".pst-x.tmp").write_bytes(b"123")
    used = usage(store)
    record, other = filled.record.stat().st_size, filled.other_record.stat().st_size
    receipt = filled.receipt_file.stat().st_size
    assert (used.objects, used.object_bytes) == (2, filled.reference.size + filled.other.size)
    assert (used.records, used.record_bytes) == (2, record + other)
    assert (used.receipts, used.receipt_bytes) == (1, receipt)
    assert (used.temporary, used.temporary_bytes) == (1, 3)
    assert used.kept_bytes == receipt + record + used.object_bytes
    assert used.other_bytes == other + 3
    shutil.rmtree(filled.output)
    assert (usage(store).kept_bytes, usage(store).other_bytes) == (0, used.kept_bytes + used.other_bytes)


def found(store, *subset):
    return {(damage.path, damage.problem, damage.needed_by) for damage in verify(store, *subset)}


def test_verify_finds_each_kind_of_damage(filled):
    store, root = filled.store, filled.store.root
    assert verify(store) == ()
    names = {what: getattr(filled, what).relative_to(root).as_posix() for what in ("object", "record")}
    names["receipt"] = filled.receipt_file.relative_to(root).as_posix()
    raw = filled.object.read_bytes()
    filled.object.write_bytes(raw[:-1] + b"Z")
    assert found(store) == {(names["object"], "damaged", "")}
    filled.object.unlink()
    assert found(store) == {(names["object"], "missing", names["record"])}
    filled.object.write_bytes(raw)
    sealed = filled.record.read_bytes()
    filled.record.write_bytes(sealed[:-1])
    assert found(store) == {(names["record"], "damaged", "")}
    filled.record.unlink()
    assert found(store) == {(names["record"], "missing", names["receipt"])}
    filled.record.write_bytes(sealed)
    (root / "receipts" / ".pst-x.tmp").touch()
    (root / ".pst-y.tmp").touch()
    filled.receipt_file.write_bytes(b"")
    assert found(store) == {
        (names["receipt"], "damaged", ""),
        ("receipts/.pst-x.tmp", "leftover", ""),
        (".pst-y.tmp", "leftover", ""),
    }


@pytest.mark.parametrize("replace", [link_to_a_copy, dangling_link, folder, pipe])
def test_verify_finds_what_is_no_file(filled, replace):
    replace(filled.object)
    assert (filled.reference.path, "damaged", "") in found(filled.store)


def test_the_parts_of_a_verification_are_the_whole(filled):
    for index in range(12):
        filled.store.path_of(filled.store.put(bytes([index]), "image", "png")).write_bytes(b"")
        (filled.object.parent / f".pst-{index}.tmp").touch()
    (filled.store.root / ".pst-x.tmp").touch()
    parts = [found(filled.store, (part, 3)) for part in (1, 2, 3)]
    assert sum(map(len, parts)) == len(found(filled.store)) == 25
    assert set().union(*parts) == found(filled.store)
    assert max(map(len, parts)) < 25
    for subset in ((0, 3), (4, 3), (1, 0)):
        with pytest.raises(StoreError, match="there is no part"):
            verify(filled.store, subset)


def test_verify_changes_nothing(filled):
    filled.record.write_bytes(b"")
    state = [(path, path.lstat().st_mtime_ns) for path in sorted(filled.store.root.rglob("*"))]
    verify(filled.store)
    usage(filled.store)
    assert [(path, path.lstat().st_mtime_ns) for path in sorted(filled.store.root.rglob("*"))] == state


def test_what_is_pruned_while_verify_runs_is_no_damage(filled, monkeypatch):
    listed = upkeep._damage

    def and_meanwhile(root, kind, file):
        prune(filled.store, grace_seconds=0)
        return listed(root, kind, file)

    monkeypatch.setattr(upkeep, "_damage", and_meanwhile)
    assert verify(filled.store) == ()
