import contextlib
import errno
import fcntl
import hashlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pydantic import ValidationError
from trials import store_faults
from trials.store_faults import locked

from pst_core.errors import OutputError, StoreError
from pst_core.store import Receipt, Reference, Store, StoreMiss, open_store, pst_home, upkeep
from pst_core.store import layout as store_files
from pst_core.store import locks as store_locks
from pst_core.store import store as store_module
from pst_core.store.upkeep import Pruned, prune, usage, verify

KEYS = [hashlib.sha256(bytes([index])).hexdigest() for index in range(8)]
A, B, C, D = KEYS[:4]


@pytest.fixture
def store(tmp_path):
    return open_store(tmp_path / "store")


@pytest.fixture
def filled(store):
    """A store with one published result: what there is, and where it lies."""
    return Filled(store)


class Filled:
    def __init__(self, store, output=None):
        self.store = store
        self.reference = store.put(b"\x89PNG some pixels", "image", "png")
        self.other = store.put(b"other pixels", "regions", ".parquet")
        store.write_record(A, b'{"loss": 1}', [self.reference, self.other])
        store.write_record(B, b'{"loss": 2}', [self.other])
        self.output = output or store.root.parent / "out"
        self.receipt = Receipt(records=(A,), outputs=(str(self.output / "report.json"),), content='{"x": 1}')
        store.write_receipt(C, self.receipt)
        self.object = store.root / self.reference.path
        self.record = store.root / "records" / A[:2] / f"{A}.json"
        self.other_record = store.root / "records" / B[:2] / f"{B}.json"
        self.receipt_file = store.root / "receipts" / C[:2] / f"{C}.json"

    def stands(self):
        self.output.mkdir(exist_ok=True)
        (self.output / "report.json").write_text(json.dumps({"key": C}))
        return self


def misses(read, *arguments):
    try:
        read(*arguments)
    except StoreMiss:
        return True
    return False


def age(path, seconds=10**6):
    """Make a file, or everything in a folder, look as if it had been written long ago."""
    for file in [path, *path.rglob("*")]:
        os.utime(file, (time.time() - seconds,) * 2, follow_symlinks=False)


def references_of(store, key):
    """The artifacts that a record names."""
    return store_files.read_envelope(store.root, "record", key).references


def files_in(root):
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


# ---- round trips and the layout ----------------------------------------------------------------------------


def test_what_was_put_in_comes_out(filled):
    store = filled.store
    assert store.read(filled.reference) == b"\x89PNG some pixels"
    assert store.holds(filled.reference)
    assert store.read_record(A) == b'{"loss": 1}'
    assert references_of(store, A) == (filled.reference, filled.other)
    assert store.read_receipt(C) == filled.receipt
    assert Store(store.root).read_receipt(C) == filled.receipt


def test_the_layout(filled):
    digest = hashlib.sha256(b"\x89PNG some pixels").hexdigest()
    other = hashlib.sha256(b"other pixels").hexdigest()
    assert files_in(filled.store.root) == sorted(
        [
            "version",
            f"objects/{digest[:2]}/{digest}.png",
            f"objects/{other[:2]}/{other}.parquet",
            f"records/{A[:2]}/{A}.json",
            f"records/{B[:2]}/{B}.json",
            f"receipts/{C[:2]}/{C}.json",
        ]
    )
    assert (filled.store.root / "version").read_bytes() == b"1\n"
    assert json.loads(filled.record.read_text())["key"] == A


def test_nothing_is_created_before_the_first_write(store):
    assert misses(store.read_record, A)
    assert misses(store.read_receipt, A)
    assert verify(store) == ()
    assert usage(store).objects == 0
    assert prune(store).objects == 0
    assert not store.root.exists()


@pytest.mark.parametrize("data", [b"", b"\0", b"x" * 3_000_000])
def test_objects_of_any_size(store, data):
    reference = store.put(data, "image", "png")
    assert (reference.size, store.read(reference)) == (len(data), data)


def test_text_and_folder_names_of_any_kind(store):
    store.write_record(A, 'é\u2028"\\\x00😀'.encode(), [])
    assert store.read_record(A) == 'é\u2028"\\\x00😀'.encode()
    receipt = Receipt(records=(), outputs=(os.fsdecode(b"/a\xff"),), content="é\n")
    store.write_receipt(A, receipt)
    assert store.read_receipt(A) == receipt


def test_a_record_is_replaced(filled):
    filled.store.write_record(A, b"newer", [])
    assert filled.store.read_record(A) == b"newer"
    assert references_of(filled.store, A) == ()


def test_a_relative_output_keeps_its_meaning(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store.write_receipt(A, Receipt(records=(), outputs=("out/report.json",), content=""))
    monkeypatch.chdir("/")
    assert store.read_receipt(A).outputs == (str(tmp_path / "out" / "report.json"),)


def test_putting_it_again_writes_nothing(filled, monkeypatch):
    before = filled.object.stat()
    monkeypatch.setattr(store_module, "write_bytes_atomically", pytest.fail)
    filled.store.put(b"\x89PNG some pixels", "image", "png")
    assert filled.object.stat() == before or filled.object.stat().st_mtime_ns == before.st_mtime_ns


def test_putting_it_again_still_forces_its_name_to_the_disk(filled, monkeypatch):
    synced = []
    monkeypatch.setattr(store_module, "sync_folder", synced.append)
    filled.store.put(b"\x89PNG some pixels", "image", "png")
    assert synced == [filled.object.parent]


# ---- where the store is, and which version -----------------------------------------------------------------


def test_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PST_HOME", "~/mine")
    assert pst_home() == tmp_path / "mine"
    assert open_store().root == (tmp_path / "mine" / "store").resolve()
    for unset in ("", None):
        monkeypatch.setenv("PST_HOME", "") if unset == "" else monkeypatch.delenv("PST_HOME")
        assert pst_home() == tmp_path / ".pst"


def test_one_store_per_folder(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert open_store(tmp_path / "link") is open_store(tmp_path / "x" / ".." / "real")
    assert open_store(tmp_path / "real") is not open_store(tmp_path / "other")


@pytest.mark.parametrize("text", [b"2\n", b"10", b"999999999\n"])
def test_a_newer_store_is_refused(filled, text):
    (filled.store.root / "version").write_bytes(text)
    for use in (lambda: open_store(filled.store.root), lambda: filled.store.put(b"x", "image", "png")):
        with pytest.raises(StoreError, match=r"store was made by a newer .* install the newer .* PST_HOME"):
            use()
    assert prune_refused(filled.store)


def prune_refused(store):
    with pytest.raises(StoreError):
        prune(store, grace_seconds=0)
    return files_in(store.root / "objects") != []


@pytest.mark.parametrize("text", [b"", b"one\n", b"1\n1\n", b"-1\n", b"0\n", b" 1\n", b"\xff", b"1" * 100])
def test_a_version_that_is_none_is_refused(filled, text):
    (filled.store.root / "version").write_bytes(text)
    with pytest.raises(StoreError, match=r"version does not say .* PST_HOME"):
        open_store(filled.store.root)
    assert prune_refused(filled.store)


def test_a_version_that_cannot_be_read_just_now(filled, monkeypatch):
    def fail(*arguments):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "read", fail)
    with pytest.raises(StoreError, match=r"version cannot be read: Input/output error: check the disk"):
        open_store(filled.store.root)


def test_a_version_that_is_no_file_is_refused(filled):
    version = filled.store.root / "version"
    version.unlink()
    version.symlink_to("nowhere")
    with pytest.raises(StoreError, match="version does not say"):
        open_store(filled.store.root)


# ---- keys, references and receipts -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key", ["", "a" * 63, "a" * 65, "A" * 64, "a" * 64 + "\n", "../" + "a" * 61, "g" * 64, "١" * 64]
)
def test_what_is_no_key(store, key):
    empty = Receipt(records=(), outputs=(), content="")
    uses = [
        (store.write_record, key, b"", []),
        (store.read_record, key),
        (store.write_receipt, key, empty),
        (store.read_receipt, key),
        (store.acquire, key),
    ]
    for use, *arguments in uses:
        with pytest.raises(ValueError, match="is not a key"):
            use(*arguments)
    with pytest.raises(ValidationError, match="is not a key"):
        Receipt(records=(key,), outputs=(), content="")
    assert not store.root.exists()


@pytest.mark.parametrize(
    "path",
    [
        "objects/../../x",
        f"objects/aa/../{A}.png",
        f"/objects/{A[:2]}/{A}.png",
        f"objects/{A[:2]}/{A}.png\n",
        f"objects/{A[:2]}/{A}.png/../../../x",
        f"objects/{A[:2]}/{A}.p/g",
        f"objects/{A[:2]}/{A}.png\0",
        f"objects/{A[:2]}/{A}",
        f"objects/{A[:2]}/{A}.",
        f"records/{A[:2]}/{A}.json",
        f"objects/{B[:2]}/{A}.png",
        f"objects/{B[:2]}/{B}.png",
        f"objects/{A[:2]}/{A.upper()}.png",
    ],
)
def test_a_path_that_is_not_that_of_the_object(path):
    with pytest.raises(ValidationError, match="path"):
        Reference(kind="image", path=path, sha256=A, size=1)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "Image"},
        {"kind": "image\n"},
        {"kind": ""},
        {"kind": "a/b"},
        {"size": -1},
        {"size": "1"},
        {"size": 1.5},
        {"sha256": A + "\n"},
        {"sha256": B},
        {"more": 1},
    ],
)
def test_other_fields_of_a_reference(change):
    good = {"kind": "image", "path": f"objects/{A[:2]}/{A}.png", "sha256": A, "size": 1}
    assert Reference(**good).size == 1
    with pytest.raises(ValidationError):
        Reference(**{**good, **change})


@pytest.mark.parametrize("suffix", ["", ".", "../x", "p/g", "PNG", "tar.gz", "png\n", "..png", "x" * 9])
def test_a_suffix_that_is_none(store, suffix):
    with pytest.raises(ValueError, match="is not a suffix"):
        store.put(b"x", "image", suffix)
    assert not store.root.exists()


def test_models_are_frozen(filled):
    with pytest.raises(ValidationError):
        filled.reference.size = 2
    with pytest.raises(ValidationError):
        filled.receipt.content = "x"


def test_what_would_be_too_large_to_read_again_is_not_written(store, monkeypatch):
    monkeypatch.setattr(store_files, "MAX_ENVELOPE_BYTES", 2000)
    store.write_record(A, b"x" * 1500, [])
    assert store.read_record(A) == b"x" * 1500
    with pytest.raises(StoreError, match=f"record of {A} has .* keep the bulk of it as an object"):
        store.write_record(A, b"y" * 2000, [])
    assert store.read_record(A) == b"x" * 1500


def test_a_file_too_large_to_be_a_record_is_not_read(filled, monkeypatch):
    with open(filled.record, "r+b") as file:  # noqa: PTH123
        file.truncate(10**12)  # sparse: reading it would take all memory
    assert misses(filled.store.read_record, A)


# ---- damage ------------------------------------------------------------------------------------------------


def damaged_versions(raw):
    """Every byte changed in two ways, and every way of ending early; then more of the same."""
    for position, flip in itertools.product(range(len(raw)), (0x01, 0xFF)):
        yield raw[:position] + bytes([raw[position] ^ flip]) + raw[position + 1 :]
    for length in range(len(raw)):
        yield raw[:length]
    yield from (raw + b"\0", raw + b"\n", raw + raw, b" " + raw, raw[1:])


def sweep_damage(path, *reads):
    """Return how many damaged versions of a file were tried, each of which must be a miss for every read."""
    raw, tried = path.read_bytes(), 0
    for tried, damaged in enumerate(damaged_versions(raw), 1):
        path.write_bytes(damaged)
        for read in reads:
            assert misses(*read), (read[0].__name__, tried, damaged)
    path.write_bytes(raw)
    assert not any(misses(*read) for read in reads)
    return tried


def test_every_damage_to_an_object_is_a_miss(filled):
    store = filled.store
    held = (lambda: None if store.holds(filled.reference) else store.read(filled.reference),)
    reads = [held, (store.read, filled.reference), (store.read_record, A), (store.read_receipt, C)]
    assert sweep_damage(filled.object, *reads) == 3 * filled.reference.size + 5


def test_every_damage_to_a_record_is_a_miss(filled):
    size = filled.record.stat().st_size
    reads = [(filled.store.read_record, A), (filled.store.read_receipt, C)]
    assert sweep_damage(filled.record, *reads) == 3 * size + 5


def test_every_damage_to_a_receipt_is_a_miss(filled):
    size = filled.receipt_file.stat().st_size
    assert sweep_damage(filled.receipt_file, (filled.store.read_receipt, C)) == 3 * size + 5


def swap(one, two):
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)


def test_swapped_objects_are_misses(store):
    one, two = store.put(b"one", "image", "png"), store.put(b"two", "image", "png")
    swap(store.path_of(one), store.path_of(two))
    assert misses(store.read, one)
    assert misses(store.read, two)


def test_swapped_records_are_misses(filled):
    swap(filled.record, filled.other_record)
    for key in (A, B):
        assert misses(filled.store.read_record, key)


def test_a_record_is_no_receipt_and_a_receipt_no_record(filled):
    store = filled.store
    store.write_receipt(A, Receipt(records=(), outputs=(), content=""))
    swap(filled.record, store.root / "receipts" / A[:2] / f"{A}.json")
    assert misses(store.read_record, A)
    assert misses(store.read_receipt, A)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b"not json}",
        b"[" * 100_000 + b"}",
        json.dumps(
            {"format": 2, "what": "record", "key": A, "sha256": B, "references": [], "content": ""}
        ).encode(),
        json.dumps(
            {"format": 1, "what": "record", "key": A, "sha256": B, "references": [], "content": ""}
        ).encode(),
    ],
)
def test_a_seal_alone_is_not_enough(filled, body):
    filled.record.write_bytes(store_files._with_seal(body))
    assert misses(filled.store.read_record, A)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"records": ["x"], "outputs": [], "content": ""}', "[" * 9999]
)
def test_a_receipt_without_its_fields(filled, content):
    filled.receipt_file.write_bytes(store_files.seal("receipt", C, content, []))
    assert misses(filled.store.read_receipt, C)
    assert [damage.problem for damage in verify(filled.store)] == ["damaged"]


def missing(path):
    path.unlink()


def emptied(path):
    path.write_bytes(b"")


def link_to_a_copy(path):
    """A link to the right bytes is still not the file that was written."""
    path.rename(path.with_suffix(".copy"))
    path.symlink_to(path.with_suffix(".copy"))


def dangling_link(path):
    path.unlink()
    path.symlink_to("nowhere")


def link_to_itself(path):
    path.unlink()
    path.symlink_to(path)


def link_to_a_folder(path):
    path.unlink()
    path.symlink_to(path.parent)


def folder(path):
    path.unlink()
    path.mkdir()


def pipe(path):
    path.unlink()
    os.mkfifo(path)


def shard_without_folder(path):
    shutil.rmtree(path.parent)


REPLACEMENTS = [
    missing,
    emptied,
    link_to_a_copy,
    dangling_link,
    link_to_itself,
    link_to_a_folder,
    folder,
    pipe,
    shard_without_folder,
]


@pytest.mark.parametrize("replace", REPLACEMENTS)
def test_what_is_not_the_file_is_a_miss_and_is_healed(filled, replace):
    store = filled.store
    for path in (filled.object, filled.record, filled.receipt_file):
        replace(path)
    assert not store.holds(filled.reference)
    assert misses(store.read, filled.reference)
    assert misses(store.read_record, A)
    assert misses(store.read_receipt, C)
    again = Filled(store)
    assert store.read(again.reference) == b"\x89PNG some pixels"
    assert store.read_receipt(C) == filled.receipt


def test_each_part_is_needed_by_the_receipt(filled):
    for path in (filled.object, filled.store.path_of(filled.other), filled.record):
        raw = path.read_bytes()
        path.unlink()
        assert misses(filled.store.read_receipt, C)
        path.write_bytes(raw)
        assert filled.store.read_receipt(C) == filled.receipt


def test_a_damaged_object_is_replaced(filled):
    filled.object.write_bytes(b"\x89PNG some pixelZ")
    assert filled.store.put(b"\x89PNG some pixels", "image", "png") == filled.reference
    assert filled.object.read_bytes() == b"\x89PNG some pixels"


def test_a_folder_with_something_in_it_is_not_removed(filled):
    filled.object.unlink()
    filled.object.mkdir()
    (filled.object / "precious").touch()
    with pytest.raises(StoreError, match="is a folder in the place of a file of the store: move it away"):
        Filled(filled.store)
    assert (filled.object / "precious").exists()


def test_a_file_in_the_place_of_a_folder(filled):
    shutil.rmtree(filled.object.parent)
    filled.object.parent.touch()
    assert not filled.store.holds(filled.reference)
    with pytest.raises(OutputError, match="a file stands in the place of a folder"):
        Filled(filled.store)


# ---- remembering what was verified -------------------------------------------------------------------------


@pytest.fixture
def old_files(monkeypatch):
    """No waiting until files are old enough for their verification to be remembered."""
    monkeypatch.setattr(store_module, "_COARSEST_CLOCK_NS", -1)


def count_reads(monkeypatch):
    reads = []
    read = store_module.read_regular
    monkeypatch.setattr(store_module, "read_regular", lambda *args: reads.append(args) or read(*args))
    return reads


def test_an_object_is_verified_once(filled, monkeypatch, old_files):
    reads = count_reads(monkeypatch)
    assert [filled.store.holds(filled.reference) for _ in range(3)] == [True] * 3
    assert len(reads) == 1
    filled.store.read(filled.reference)
    assert len(reads) == 2  # bytes that are handed out are verified each time
    assert Store(filled.store.root).holds(filled.reference)
    assert len(reads) == 3


def test_a_file_written_just_now_is_verified_each_time(filled, monkeypatch):
    reads = count_reads(monkeypatch)
    assert [filled.store.holds(filled.reference) for _ in range(3)] == [True] * 3
    assert len(reads) == 3


@pytest.mark.parametrize("times_put_back", [False, True])
def test_a_change_after_the_verification_is_noticed(filled, old_files, times_put_back):
    assert filled.store.holds(filled.reference)
    before = filled.object.stat()
    time.sleep(0.02)  # longer than the kernel's clock for files takes to move on
    filled.object.write_bytes(b"\x89PNG some pixelZ")
    if times_put_back:
        os.utime(filled.object, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not filled.store.holds(filled.reference)
    assert misses(filled.store.read_record, A)


def test_another_size_is_not_held_by_what_is_remembered(filled, old_files):
    assert filled.store.holds(filled.reference)
    lie = Reference(**{**filled.reference.model_dump(), "size": filled.reference.size - 1})
    assert not filled.store.holds(lie)
    assert misses(filled.store.read, lie)


def reading_while(monkeypatch, change):
    """Let something happen to a file once it has been opened and its size is known."""
    read, changes = os.read, [change]

    def and_meanwhile(descriptor, size):
        if changes:
            changes.pop()()
        return read(descriptor, size)

    monkeypatch.setattr(os, "read", and_meanwhile)


@pytest.mark.parametrize("size", [0, 3, 100])
def test_a_file_that_changes_its_size_while_it_is_read(filled, monkeypatch, size):
    reading_while(monkeypatch, lambda: os.truncate(filled.object, size))
    assert misses(filled.store.read, filled.reference)


def test_a_file_that_is_replaced_while_it_is_read_is_no_miss(filled, monkeypatch):
    reading_while(monkeypatch, lambda: filled.store.write_record(A, b"newer", []))
    assert filled.store.read_record(A) == b'{"loss": 1}'
    assert filled.store.read_record(A) == b"newer"


def test_a_change_during_the_verification_is_noticed_later(filled, monkeypatch, old_files):
    time.sleep(0.02)
    reading_while(monkeypatch, lambda: os.utime(filled.object, ns=(1, 1)))
    assert filled.store.holds(filled.reference)
    reads = count_reads(monkeypatch)
    assert filled.store.holds(filled.reference)
    assert len(reads) == 1


# ---- what the system refuses -------------------------------------------------------------------------------


@contextlib.contextmanager
def as_an_ordinary_user():
    """The administrator may read everything: be somebody else."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder():
    """A folder that an ordinary user can reach."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        path.chmod(0o777)
        yield path
        for inner in path.rglob("*"):
            inner.chmod(0o777)


def test_a_file_that_must_not_be_read_is_a_miss(open_folder):
    filled = Filled(open_store(open_folder / "store"))
    for path in (filled.object, filled.record, filled.receipt_file):
        path.chmod(0)
    with as_an_ordinary_user():
        assert not filled.store.holds(filled.reference)
        assert misses(filled.store.read_record, A)
        assert misses(filled.store.read_receipt, C)


@pytest.mark.parametrize("inner", [".", "objects"])
def test_a_folder_that_must_not_be_entered_is_an_error(open_folder, inner):
    filled = Filled(open_store(open_folder / "store"))
    (filled.store.root / inner).chmod(0)
    try:
        with as_an_ordinary_user():
            with pytest.raises(StoreError, match="unreadable store"):
                filled.store.holds(filled.reference)
            with pytest.raises(StoreError, match="unreadable store"):
                verify(filled.store)
            if inner == ".":
                with pytest.raises(StoreError, match="unreadable store"):
                    open_store(filled.store.root)
    finally:
        (filled.store.root / inner).chmod(0o777)


@pytest.mark.parametrize("call", ["open", "read"])
def test_a_failing_disk_is_a_miss(filled, monkeypatch, call):
    def fail(*args, **kwargs):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, call, fail)
    assert misses(filled.store.read, filled.reference)
    assert misses(filled.store.read_record, A)


def test_running_out_of_files_is_no_miss(filled, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(StoreError, match="could not be read: Too many open files; close other programs"):
        filled.store.read_record(A)


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
        if path == unreadable:
            raise OSError(errno.EIO, "Input/output error")
        return system_open(path, *arguments)

    monkeypatch.setattr(os, "open", fail)
    assert misses(store.read_receipt, C)
    with pytest.raises(StoreError, match=f"{unreadable.name} cannot be read: .* delete that file"):
        prune(store, grace_seconds=0)
    assert (unreadable.relative_to(store.root).as_posix(), "damaged", "") in found(store)
    monkeypatch.undo()
    assert store.read_receipt(C) == filled.receipt


def test_a_full_disk_loses_nothing(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k,nr_inodes=400", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("may not mount a small disk")
    try:
        fill_a_disk(disk, tmp_path / "out")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def fill_a_disk(disk, output):
    kept = Filled(open_store(disk / "store"), output).stands()
    store, acknowledged = kept.store, {}
    with pytest.raises(OutputError, match="the disk is full"):
        for index in itertools.count():
            key = hashlib.sha256(f"full {index}".encode()).hexdigest()
            reference = store.put(os.urandom(3000), "image", "png")
            store.write_record(key, b"content", [reference])
            acknowledged[key] = reference
    assert len(acknowledged) > 5
    for key, reference in acknowledged.items():
        assert Store(store.root).read_record(key) == b"content"
        assert hashlib.sha256(store.read(reference)).hexdigest() == reference.sha256
    assert verify(store) == ()
    assert prune(store, grace_seconds=0).records == len(acknowledged) + 1
    assert store.read_receipt(C) == kept.receipt
    assert store.read(store.put(b"there is room again" * 100, "image", "png"))


# ---- locks -------------------------------------------------------------------------------------------------

HOLDER = """
import sys, time
from pathlib import Path
from pst_core.store import Store
store = Store(Path(sys.argv[1]))
held = store.acquire(sys.argv[2])
with store.in_use():
    print("held", flush=True)
    time.sleep(60)
"""


@contextlib.contextmanager
def holder(store, key):
    """Another process that holds a key's lock and is running a batch."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(store.root), key],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(store_faults.REPOSITORY)},
    )
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def lock_is_free(store, key):
    try:
        store_locks.unlock_file(
            store_locks.flock_file(store.root / "locks" / key[:3], fcntl.LOCK_EX | fcntl.LOCK_NB)
        )
    except BlockingIOError:
        return False
    return True


def test_the_lock_of_a_killed_process_is_free(store):
    entered = threading.Event()

    def wait():
        with locked(store, A):
            entered.set()

    with holder(store, A) as process:
        assert not lock_is_free(store, A)
        assert lock_is_free(store, B)
        thread = threading.Thread(target=wait)
        thread.start()
        assert not entered.wait(0.2)
        process.send_signal(signal.SIGKILL)
        assert entered.wait(10)
        thread.join()
    assert lock_is_free(store, A)


def test_threads_exclude_each_other(store):
    inside, most = [], []

    def work():
        for _ in range(20):
            with locked(store, A):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.0005)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(most), max(most)) == (80, 1)


def test_a_lock_is_released_whatever_happens(store):
    with pytest.raises(KeyboardInterrupt), locked(store, A):
        assert not lock_is_free(store, A)
        raise KeyboardInterrupt
    assert lock_is_free(store, A)
    descriptor = store.acquire(A)
    copy = os.dup(descriptor)  # as a forked child has it
    store.release(descriptor)
    assert lock_is_free(store, A)
    os.close(copy)


def test_a_failing_release_does_not_undo_what_was_done(store, monkeypatch):
    flock = fcntl.flock

    def fail_to_unlock(descriptor, operation):
        if operation == fcntl.LOCK_UN:
            raise OSError(errno.ENOLCK, "No locks available")
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", fail_to_unlock)
    with locked(store, A), store.in_use():
        pass
    assert lock_is_free(store, A)  # by closing it
    with store.exclusively():
        pass


def test_locks_are_a_bounded_number_of_files_that_stay(store):
    for key in KEYS:
        with locked(store, key):
            pass
    assert sorted(path.name for path in (store.root / "locks").iterdir()) == sorted({key[:3] for key in KEYS})


def test_a_lock_whose_file_was_replaced_meanwhile_is_not_taken(store, monkeypatch):
    with locked(store, A):
        pass
    path, flock, calls = store.root / "locks" / A[:3], fcntl.flock, []

    def and_meanwhile(descriptor, operation):
        flock(descriptor, operation)
        calls.append(operation)
        if len(calls) <= 2:
            path.unlink()  # the first time it is missing then, the second time there is another
        if len(calls) == 2:
            path.touch()

    monkeypatch.setattr(fcntl, "flock", and_meanwhile)
    descriptor = store.acquire(A)
    assert len(calls) == 3
    assert os.path.sameopenfile(descriptor, os.open(path, os.O_RDONLY | os.O_CLOEXEC)) is True
    store.release(descriptor)


def test_where_there_are_no_locks(store, monkeypatch):
    def fail(*args):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", fail)
    before = os.dup(0)
    os.close(before)
    with pytest.raises(StoreError, match=r"could not be locked .* a local disk"):
        store.acquire(A)
    after = os.dup(0)  # the lowest that is free: the same, unless one was left open
    os.close(after)
    assert after == before


# ---- upkeep ------------------------------------------------------------------------------------------------


def test_pruning_keeps_what_a_standing_result_needs(filled):
    store = filled.stands().store
    store.put(b"nobody's", "image", "png")
    pruned = prune(store, grace_seconds=0)
    assert (pruned.receipts, pruned.records, pruned.objects) == (0, 1, 1)
    assert store.read_receipt(C) == filled.receipt
    assert misses(store.read_record, B)
    assert verify(store) == ()


@pytest.mark.parametrize(
    "report", [None, "", "[]", '{"key": 1}', json.dumps({"key": A}), "[" * 99_999, "\udcff"]
)
def test_pruning_frees_a_result_that_is_gone(filled, report):
    if report is not None:
        filled.stands()
        (filled.output / "report.json").write_text(report, errors="surrogateescape")
    pruned = prune(filled.store, grace_seconds=0)
    assert (pruned.receipts, pruned.records, pruned.objects, pruned.failures) == (1, 2, 2, 0)
    assert files_in(filled.store.root) == ["in-use.lock", "version"]


def test_a_result_in_one_of_its_folders_is_enough(filled):
    outputs = (str(filled.output / "gone" / "report.json"), *filled.receipt.outputs, "a\0b")
    filled.store.write_receipt(C, filled.receipt.model_copy(update={"outputs": outputs}))
    assert prune(filled.stands().store, grace_seconds=0).receipts == 0
    shutil.rmtree(filled.output)
    assert prune(filled.store, grace_seconds=0).receipts == 1


def test_a_report_that_cannot_be_read_just_now_still_counts(filled, monkeypatch):
    read_bytes = Path.read_bytes

    def fail(path):
        if path.name == "report.json":
            raise OSError(errno.EIO, "Input/output error")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", fail)
    assert prune(filled.stands().store, grace_seconds=0).receipts == 0


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
    assert files_in(filled.store.root) == ["in-use.lock", "version"]


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


# ---- everything in any order -------------------------------------------------------------------------------

VALUES = [b"", b"one", b"two" * 50]


class StoreMachine(RuleBasedStateMachine):
    """The store against a dictionary of what was acknowledged."""

    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp())
        self.reopen()
        self.objects = {}  # reference -> its bytes, or None where they were damaged or lost
        self.records = {}  # key -> (content, references), or None
        self.receipts = {}  # key -> Receipt, or None
        self.standing = {}  # report -> the key in it

    def teardown(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    @rule()
    def reopen(self):
        self.store = Store(self.folder / "store")

    @rule(value=st.sampled_from(VALUES), suffix=st.sampled_from(["png", "json"]))
    def put(self, value, suffix):
        self.objects[self.store.put(value, "image", suffix)] = value

    @rule(key=st.sampled_from(KEYS[:3]), content=st.text(max_size=5), data=st.data())
    def write_record(self, key, content, data):
        references = tuple(data.draw(st.sets(st.sampled_from(list(self.objects))))) if self.objects else ()
        self.store.write_record(key, content.encode(), references)
        self.records[key] = (content.encode(), references)

    @rule(
        key=st.sampled_from(KEYS[3:6]),
        records=st.sets(st.sampled_from(KEYS[:3])),
        output=st.integers(0, 2),
    )
    def write_receipt(self, key, records, output):
        outputs = (str(self.folder / str(output) / "report.json"),)
        receipt = Receipt(records=tuple(records), outputs=outputs, content="x")
        self.store.write_receipt(key, receipt)
        self.receipts[key] = receipt

    @rule(output=st.integers(0, 2), key=st.sampled_from(KEYS[3:6]))
    def publish(self, output, key):
        report = self.folder / str(output) / "report.json"
        report.parent.mkdir(exist_ok=True)
        report.write_text(json.dumps({"key": key}))
        self.standing[str(report)] = key

    @rule(output=st.integers(0, 2))
    def remove_output(self, output):
        shutil.rmtree(self.folder / str(output), ignore_errors=True)
        self.standing.pop(str(self.folder / str(output) / "report.json"), None)

    def places(self):
        for reference in self.objects:
            yield self.objects, reference, self.store.path_of(reference)
        for what, model in (("record", self.records), ("receipt", self.receipts)):
            for key in model:
                yield model, key, store_files.envelope_path(self.store.root, what, key)

    @rule(data=st.data(), way=st.sampled_from(["flip", "cut", "delete", "swap"]))
    def damage(self, data, way):
        # Only what is intact: the same bit flipped twice would be right again.
        places = [place for place in self.places() if place[0][place[1]] is not None]
        if not places:
            return
        model, name, path = data.draw(st.sampled_from(places))
        raw = path.read_bytes()
        if way == "delete" or not raw:
            path.unlink()
        elif way == "flip":
            position = data.draw(st.integers(0, len(raw) - 1))
            path.write_bytes(raw[:position] + bytes([raw[position] ^ 4]) + raw[position + 1 :])
        elif way == "cut":
            path.write_bytes(raw[: data.draw(st.integers(0, len(raw) - 1))])
        else:
            path.write_bytes(VALUES[1] if raw != VALUES[1] else VALUES[2])
        model[name] = None

    @rule(dry_run=st.booleans())
    def prune(self, dry_run):
        pruned = prune(self.store, grace_seconds=0, dry_run=dry_run)
        assert pruned.failures == 0
        if dry_run:
            return
        kept = {
            key: receipt
            for key, receipt in self.receipts.items()
            if receipt is not None and any(self.standing.get(output) == key for output in receipt.outputs)
        }
        keys = {key for receipt in kept.values() for key in receipt.records}
        records = {key: record for key, record in self.records.items() if key in keys and record is not None}
        references = {reference for _, named in records.values() for reference in named}
        self.receipts, self.records = kept, records
        self.objects = {name: value for name, value in self.objects.items() if name in references}
        left = set(self.store.root.glob("*/??/*"))
        assert left == {path for _, _, path in self.places() if path.exists()}

    def has(self, references):
        return all(self.objects.get(reference) is not None for reference in references)

    def has_record(self, key):
        record = self.records.get(key)
        return record is not None and self.has(record[1])

    @invariant()
    def finds_exactly_what_was_acknowledged(self):
        if not hasattr(self, "folder"):
            return
        for reference, value in self.objects.items():
            assert self.store.holds(reference) == (value is not None)
            assert misses(self.store.read, reference) == (value is None)
            assert value is None or self.store.read(reference) == value
        for key in KEYS[:3]:
            assert misses(self.store.read_record, key) == (not self.has_record(key))
            assert not self.has_record(key) or self.store.read_record(key) == self.records[key][0]
        for key in KEYS[3:6]:
            receipt = self.receipts.get(key)
            there = receipt is not None and all(map(self.has_record, receipt.records))
            assert misses(self.store.read_receipt, key) == (not there)
            assert not there or self.store.read_receipt(key) == receipt


def test_any_order_of_everything(monkeypatch):
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: None
    )  # no power is cut here, and it takes the most time
    limits = settings(
        max_examples=40, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
    )
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(StoreMachine, settings=limits)


# ---- other processes ---------------------------------------------------------------------------------------


def test_sixteen_writers_of_one_key(tmp_path):
    tally = store_faults.race(tmp_path, writers=16, rounds=2)
    assert tally["hits"] > 10
    assert (tally["rounds"], tally["raw"] > 10) == (2, True)
    wrong = {what: tally[what] for what in ("wrong", "disagreements", "damages", "failed processes")}
    assert set(wrong.values()) == {0}, wrong


@pytest.mark.parametrize(
    "scenario, every, calls", [("replace", 9, ("rename", "write", "fsync")), ("prune", 9, ("unlink",))]
)
def test_killed_and_failing_system_calls(scenario, every, calls):
    why = store_faults.can_trace()
    if why is not None:
        pytest.skip(why)
    rows, broken = store_faults.sweep(every, (scenario,), calls)
    assert broken == []
    assert {call for _, call, _, _ in rows} == set(calls)
    assert any(outcome.startswith("killed") for *_, outcomes in rows for outcome in outcomes)


def test_needs_no_engine():
    heavy = {"torch", "numpy", "prefect"}
    code = f"import sys, pst_core.store.upkeep; sys.exit(not {heavy}.isdisjoint(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(store_faults.REPOSITORY)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
