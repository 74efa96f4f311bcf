import contextlib
import errno
import fcntl
import hashlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from small_disks import small_disk
from stores import (
    KEYS,
    A,
    B,
    C,
    D,
    Filled,
    dangling_link,
    files_in,
    folder,
    link_to_a_copy,
    misses,
    missing,
    pipe,
)
from trials import store_faults

from pst_core.errors import OutputError, StoreError
from pst_core.store import DamagedFile, Receipt, Reference, Store, open_store, pst_home
from pst_core.store import layout as store_files
from pst_core.store import store as store_module
from pst_core.store.upkeep import prune, usage, verify


def references_of(store, key):
    """The artifacts that a record names."""
    return store_files.read_envelope(store.root, "record", key).references


def test_what_was_put_in_comes_out(filled):
    store = filled.store
    assert store.read(filled.reference) == b"\x89PNG some pixels"
    assert store.holds(filled.reference)
    assert store.read_record(A) == b'{"loss": 1}'
    assert references_of(store, A) == (filled.reference, filled.other)
    assert store.read_receipt(C) == filled.receipt
    assert Store(store.root).read_receipt(C) == filled.receipt


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


def test_the_first_record_of_a_key_stays_and_its_writer_is_told(filled):
    before = filled.record.stat()
    assert filled.store.write_record(A, b"newer", []) == b'{"loss": 1}'
    assert filled.store.write_record(A, b'{"loss": 1}', [filled.reference, filled.other]) == b'{"loss": 1}'
    assert filled.store.read_record(A) == b'{"loss": 1}'
    assert filled.record.stat() == before
    assert filled.store.write_record(D, b"first", []) is None


@pytest.mark.parametrize("lost", ["record", "object"])
def test_a_record_that_is_worth_nothing_is_replaced(filled, lost):
    getattr(filled, lost).write_bytes(b"damaged")
    assert filled.store.write_record(A, b"newer", []) is None
    assert filled.store.read_record(A) == b"newer" and references_of(filled.store, A) == ()
    assert [path.name for path in filled.record.parent.iterdir()] == [filled.record.name]


def test_a_record_that_healed_meanwhile_stays(filled, monkeypatch):
    """Two see the damage; the first one's record must not be taken away by the second."""
    rename, whole = Path.rename, filled.record.read_bytes()

    def after_another_healed_it(path, target):
        filled.record.write_bytes(whole)
        return rename(path, target)

    filled.record.write_bytes(b"damaged")
    monkeypatch.setattr(Path, "rename", after_another_healed_it)
    assert filled.store.write_record(A, b"newer", []) == b'{"loss": 1}'
    assert filled.record.read_bytes() == whole
    assert [path.name for path in filled.record.parent.iterdir()] == [filled.record.name]


def test_a_receipt_is_written_when_all_that_it_counts_on_is_on_the_disk(filled, monkeypatch):
    order = []
    write = store_module.write_bytes_atomically

    def note(path, data, *, durable, **options):
        order.append((path, durable))
        write(path, data, durable=durable, **options)

    monkeypatch.setattr(store_module, "write_bytes_atomically", note)
    monkeypatch.setattr(store_module, "sync_file_system", order.append)
    filled.store.write_receipt(C, filled.receipt)
    assert order == [filled.store.root, (filled.receipt_file, True)]


@pytest.mark.parametrize(
    ("spoilt", "told"),
    [(lambda raw: b"", "is empty"), (lambda raw: bytes(len(raw)), "is full of zeros"),
     (lambda raw: raw[:9], "is cut short: 9 of 16 bytes"), (lambda raw: raw[:-1] + b"!", "is damaged")],
)  # fmt: skip
@pytest.mark.parametrize("what", ["object", "record", "receipt_file"])
def test_what_a_power_cut_leaves_is_damage_that_is_told(filled, what, spoilt, told):
    path = getattr(filled, what)
    path.write_bytes(spoilt(path.read_bytes()))
    store = Store(filled.store.root)
    reads = (
        [(store.read_receipt, C)]
        if what == "receipt_file"
        else [(store.read_receipt, C), (store.read_record, A)]
    )
    for read, key in [*reads, *([(store.read, filled.reference)] if what == "object" else [])]:
        with pytest.raises(DamagedFile) as caught:
            read(key)
        # Of a record's length nobody knows.
        assert told in str(caught.value) or (told.startswith("is cut") and "is damaged" in str(caught.value))
        assert path.name.partition(".")[0] in str(caught.value)


def test_a_damaged_record_that_cannot_be_moved_is_told_of(filled, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    filled.record.write_bytes(b"damaged")
    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(StoreError, match=r"cannot be replaced \(Input/output error\): check the disk"):
        filled.store.write_record(A, b"newer", [])


def test_records_need_no_locks(filled, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", pytest.fail)
    assert filled.store.write_record(D, b"first", []) is None
    assert filled.store.write_record(D, b"second", []) == b"first"


def test_a_receipt_remembers_every_place_and_the_last_content(filled):
    again = Receipt(records=(A, B), outputs=("/other/report.json",), content="newer")
    filled.store.write_receipt(C, again)
    filled.store.write_receipt(C, filled.receipt)
    outputs = (*filled.receipt.outputs, "/other/report.json")
    assert filled.store.read_receipt(C) == filled.receipt.model_copy(update={"outputs": outputs})
    filled.receipt_file.write_bytes(b"damaged")
    filled.store.write_receipt(C, again)
    assert filled.store.read_receipt(C) == again


def test_no_place_is_lost_where_many_publish_one_result_at_once(filled):
    def publish(number):
        Store(filled.store.root).write_receipt(
            C, filled.receipt.model_copy(update={"outputs": (f"/{number}/report.json",)})
        )

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(publish, range(64)))
    expected = {*filled.receipt.outputs, *(f"/{number}/report.json" for number in range(64))}
    assert set(filled.store.read_receipt(C).outputs) == expected


def test_putting_it_again_writes_nothing(filled, monkeypatch):
    before = filled.object.stat()
    monkeypatch.setattr(store_module, "write_bytes_atomically", pytest.fail)
    filled.store.put(b"\x89PNG some pixels", "image", "png")
    assert filled.object.stat() == before or filled.object.stat().st_mtime_ns == before.st_mtime_ns


def test_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PST_HOME", "~/mine")
    assert pst_home() == tmp_path / "mine"
    assert open_store().root == (tmp_path / "mine" / "store").resolve()
    for unset in ("", None):
        monkeypatch.setenv("PST_HOME", "") if unset == "" else monkeypatch.delenv("PST_HOME")
        assert pst_home() == tmp_path / ".pst"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PST_HOME", "mine")
    assert pst_home() == tmp_path / "mine"


def test_one_store_per_folder(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert open_store(tmp_path / "link") is open_store(tmp_path / "x" / ".." / "real")
    assert open_store(tmp_path / "real") is not open_store(tmp_path / "other")


def test_a_link_that_leads_elsewhere_names_another_store(tmp_path):
    for name in ("one", "other"):
        open_store(tmp_path / name).put(b"bytes", "losses", "txt")
    link = tmp_path / "link"
    link.symlink_to("one")
    assert open_store(link) is open_store(link) is open_store(tmp_path / "one")
    link.unlink()
    link.symlink_to("other")
    assert open_store(link) is open_store(tmp_path / "other")


def test_a_name_is_seen_from_where_the_process_stands(tmp_path, monkeypatch):
    for name in ("one", "other"):
        open_store(tmp_path / name / "store").put(b"bytes", "losses", "txt")
    monkeypatch.chdir(tmp_path / "one")
    assert open_store(Path("store")).root == (tmp_path / "one" / "store").resolve()
    (tmp_path / "one").rename(tmp_path / "moved")
    (tmp_path / "one").mkdir()
    assert open_store(Path("store")).root == (tmp_path / "moved" / "store").resolve()


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


def test_a_version_is_read_once_while_its_file_stays_as_it_is(filled, monkeypatch):
    monkeypatch.setattr(store_module, "COARSEST_CLOCK_NS", -1)  # as if it had been there for long
    read, opened = store_module.read_regular, []
    monkeypatch.setattr(store_module, "read_regular", lambda *given: opened.append(given) or read(*given))
    assert [filled.store.check_version() for _ in range(3)] == [True] * 3 and len(opened) == 1
    (filled.store.root / "version").write_bytes(b"2\n")
    with pytest.raises(StoreError, match="newer version"):
        filled.store.check_version()
    (filled.store.root / "version").unlink()
    assert not filled.store.check_version()


def test_a_version_that_may_have_changed_without_a_sign_is_read_again(filled, monkeypatch):
    monkeypatch.setattr(store_module, "COARSEST_CLOCK_NS", 10**18)
    assert filled.store.check_version()
    monkeypatch.setattr(
        store_module, "read_regular", lambda place, *_: (b"2\n", store_files.identity(place.lstat()))
    )
    with pytest.raises(StoreError, match="newer version"):
        filled.store.check_version()


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


def emptied(path):
    path.write_bytes(b"")


def link_to_itself(path):
    path.unlink()
    path.symlink_to(path)


def link_to_a_folder(path):
    path.unlink()
    path.symlink_to(path.parent)


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


@pytest.fixture
def old_files(monkeypatch):
    """No waiting until files are old enough for their verification to be remembered."""
    monkeypatch.setattr(store_module, "COARSEST_CLOCK_NS", -1)


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


def test_only_so_many_verifications_are_remembered(store, monkeypatch, old_files):
    monkeypatch.setattr(store_module, "_MOST_REMEMBERED", 10)
    references = [store.put(f"artifact {number}".encode(), "regions", "parquet") for number in range(30)]
    reads = count_reads(monkeypatch)
    assert all(map(store.holds, references)) and len(reads) == 30
    assert all(map(store.holds, references[-10:])) and len(reads) == 30  # the last ones are
    assert store.holds(references[0]) and len(reads) == 31


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
    newer = filled.receipt.model_copy(update={"content": "newer"})
    reading_while(monkeypatch, lambda: filled.store.write_receipt(C, newer))
    assert filled.store.read_receipt(C) == filled.receipt
    assert filled.store.read_receipt(C) == newer


def test_a_change_during_the_verification_is_noticed_later(filled, monkeypatch, old_files):
    time.sleep(0.02)
    reading_while(monkeypatch, lambda: os.utime(filled.object, ns=(1, 1)))
    assert filled.store.holds(filled.reference)
    reads = count_reads(monkeypatch)
    assert filled.store.holds(filled.reference)
    assert len(reads) == 1


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
            with pytest.raises(StoreError, match=r"store.* belongs to .*, and .* may not use it"):
                filled.store.holds(filled.reference)
            with pytest.raises(StoreError, match=r"store.* belongs to .*, and .* may not use it"):
                verify(filled.store)
            if inner == ".":
                with pytest.raises(StoreError, match=r"store.* belongs to .*, and .* may not use it"):
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


def test_a_full_disk_loses_nothing(tmp_path):
    with small_disk(tmp_path / "disk", "size=256k,nr_inodes=400") as disk:
        fill_a_disk(disk, tmp_path / "out")


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
        stays = self.store.write_record(key, content.encode(), references)
        if self.has_record(key):
            assert stays == self.records[key][0]
        else:
            assert stays is None
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
        before = self.receipts.get(key)
        outputs = tuple(dict.fromkeys((before.outputs if before else ()) + outputs))
        self.receipts[key] = receipt.model_copy(update={"outputs": outputs})

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
