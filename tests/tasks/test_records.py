import asyncio
import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from prefect.filesystems import LocalFileSystem
from prefect.locking.protocol import LockManager
from prefect.results import ResultRecord, ResultStore
from prefect.serializers import JSONSerializer
from prefect.states import Completed, Failed, exception_to_failed_state

from pst_core.errors import ImageError, OutputError
from pst_core.store import Reference, StoreMiss, open_store
from pst_core.store.layout import read_envelope
from tasks.records import StoreLocks, StoreRecords, keep_results_in_store, look_up, references_in
from tasks.unit import BY_CONTENT, retry_what_may_pass

KEY, OTHER_KEY, LONE_KEY = "a" * 64, "b" * 64, "0" * 64


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("PST_HOME", str(tmp_path / "home"))
    return open_store()


@pytest.fixture
def results(store):
    """Prefect's own way to results, over the store."""
    return result_store()


def result_store():
    storage = StoreRecords(basepath=str(open_store().root / "records"))
    return ResultStore(result_storage=storage, serializer=JSONSerializer(), cache_result_in_memory=False)


@pytest.fixture
def kept(store, results):
    """A record that names an artifact, and another record that names another."""
    first, second = store.put(b"pixels", "image", "png"), store.put(b"labels!", "regions", "parquet")
    results.write(first, key=KEY)
    results.write(second, key=OTHER_KEY)
    return first, second


def record_path(key):
    return open_store().root / "records" / key[:2] / f"{key}.json"


# --- results -----------------------------------------------------------------------------------------------


def test_a_record_does_not_say_where_the_store_lies(kept, results, tmp_path, monkeypatch):
    assert str(tmp_path) not in record_path(KEY).read_text()
    (tmp_path / "home").rename(tmp_path / "moved")
    monkeypatch.setenv("PST_HOME", str(tmp_path / "moved"))
    assert result_store().read(KEY).result == kept[0]


@pytest.mark.parametrize("make", [
    lambda reference: reference,
    lambda reference: [reference, reference],
    lambda reference: {"image": reference, "losses": [1.5, 0.1 + 0.2], "note": "ü\n\"'"},
    lambda reference: {"deep": [{"er": [reference]}, None, True, 3]},
    lambda reference: None,
    lambda reference: [],
], ids=range(6))  # fmt: skip
def test_what_was_written_is_read_by_prefect_and_by_us(store, results, make):
    value = make(store.put(b"pixels", "image", "png"))
    results.write(value, key=KEY)
    assert result_store().read(KEY).result == value
    assert asyncio.run(result_store().aread(KEY)).result == value
    assert result_store().exists(KEY) and asyncio.run(result_store().aexists(KEY))
    found = look_up(KEY)
    assert found == value and type(found) is type(value)


def test_a_record_depends_on_every_artifact_that_its_result_names(store, results):
    references = [store.put(bytes([k]), "image", "png") for k in range(4)]
    results.write({"a": references[0], "b": [references[1], {"c": [references[2]]}]}, key=KEY)
    assert read_envelope(store.root, "record", KEY).references == tuple(references[:3])
    store.path_of(references[3]).unlink()
    assert results.exists(KEY)
    for reference in references[:3]:
        content = store.path_of(reference).read_bytes()
        store.path_of(reference).unlink()
        assert not results.exists(KEY)
        store.put(content, "image", "png")
        assert results.exists(KEY)


def test_writing_and_reading_by_await_is_the_same(store, tmp_path):
    reference = store.put(b"pixels", "image", "png")
    asyncio.run(result_store().awrite(reference, key=KEY))
    assert look_up(KEY) == reference
    records = StoreRecords(basepath=str(store.root / "records"))
    assert asyncio.run(records.aread_path(KEY)) == records.read_path(f"any/folder/{KEY}")


def test_a_record_lies_in_the_store_and_nowhere_else(store, kept, tmp_path):
    found = {path for path in tmp_path.rglob("*") if path.is_file()}
    expected = {record_path(KEY), record_path(OTHER_KEY), *(store.path_of(each) for each in kept)}
    assert found == expected | {store.root / "version"}


def unlink(path):
    path.unlink()


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1])


def empty(path):
    path.write_bytes(b"")


def alter_in_place(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def lengthen(path):
    path.write_bytes(path.read_bytes() + b"\n")


def make_a_folder(path):
    path.unlink()
    path.mkdir()


DAMAGES = [unlink, truncate, empty, alter_in_place, lengthen, make_a_folder]


def assert_missing(key):
    with pytest.raises(StoreMiss):
        look_up(key)
    records = StoreRecords(basepath=str(open_store().root / "records"))
    with pytest.raises(StoreMiss):
        records.read_path(key)
    with pytest.raises(StoreMiss):
        result_store().read(key)
    assert not result_store().exists(key)
    assert not asyncio.run(result_store().aexists(key))


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_artifact_is_a_miss_of_its_record_alone(store, kept, damage):
    damage(store.path_of(kept[0]))
    assert_missing(KEY)
    assert look_up(OTHER_KEY) == kept[1]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_record_is_a_miss(store, kept, damage):
    damage(record_path(KEY))
    assert_missing(KEY)
    assert look_up(OTHER_KEY) == kept[1]


def test_records_in_each_others_places_are_misses(kept):
    one, other = record_path(KEY), record_path(OTHER_KEY)
    first = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(first)
    assert_missing(KEY)
    assert_missing(OTHER_KEY)


def test_an_artifact_in_anothers_place_is_a_miss(store, kept):
    store.path_of(kept[0]).write_bytes(store.path_of(kept[1]).read_bytes())
    assert_missing(KEY)


def test_a_result_that_prefect_itself_left_there_is_a_miss(store, kept):
    """Prefect's local storage would write its record in place, unsealed."""
    raw = LocalFileSystem(basepath=str(record_path(KEY).parent))
    plain = ResultStore(result_storage=raw, serializer=JSONSerializer(), cache_result_in_memory=False)
    plain.write("something", key=f"{KEY}.json")
    assert "something" in record_path(KEY).read_text()
    assert_missing(KEY)


def test_what_was_never_written_is_a_miss(store):
    assert_missing(KEY)


def test_a_miss_is_healed_by_writing_again(store, results, kept):
    store.path_of(kept[0]).unlink()
    record_path(KEY).write_bytes(b"")
    results.write(store.put(b"pixels", "image", "png"), key=KEY)
    assert look_up(KEY) == kept[0]


@pytest.mark.parametrize("key", ["", "x", "../" + "a" * 61, "A" * 64, "a" * 63, "a" * 65, "a" * 64 + "\n"])
def test_what_is_no_key_never_becomes_a_file(store, results, key, tmp_path):
    metadata = {"storage_key": key, "serializer": JSONSerializer()}
    content = ResultRecord(result="x", metadata=metadata).serialize()
    with contextlib.suppress(ValueError):
        results.result_storage.write_path(key, content)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    with pytest.raises((ValueError, StoreMiss)):
        results.result_storage.read_path(key)
    assert not results.exists(key)


def test_a_failure_is_not_kept(store, results, tmp_path):
    failed = exception_to_failed_state(ImageError("no picture."), result_store=results, write_result=True)
    assert isinstance(asyncio.run(failed).data.result, ImageError)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_results_are_kept_for_a_flow_run_only(store):
    with pytest.raises(RuntimeError, match="flow run"):
        keep_results_in_store()


# --- references --------------------------------------------------------------------------------------------


def fields(digit="a", **changes):
    digest = digit * 64
    path = f"objects/{digest[:2]}/{digest}.png"
    return {"kind": "image", "path": path, "sha256": digest, "size": 5} | changes


def test_references_are_found_however_deep_they_lie_and_in_order():
    value = {
        "one": fields("a"),
        "list": [1, fields("b"), [fields("c"), {"__class__": "X", "data": fields("d")}]],
        "again": fields("a"),
        "text": "objects/aa/x.png",
        "none": None,
    }
    assert list(references_in(value)) == [Reference(**fields(digit)) for digit in "abcda"]
    assert list(references_in(fields("e"))) == [Reference(**fields("e"))]


@pytest.mark.parametrize("value", [
    None, 1, 1.5, True, "text", [], {}, json.dumps(fields()), list(fields().values()), list(fields()),
    fields(extra=1),
    {name: item for name, item in fields().items() if name != "size"},
    fields(path="objects/bb/" + "a" * 64 + ".png"),
    fields(path="/etc/passwd"),
    fields(sha256="A" * 64),
    fields(size=-1),
    fields(size="5"),
    fields(kind="Image 1"),
    fields(kind=None),
    {"outer": [fields(size=None)]},
], ids=lambda value: str(value)[-40:])  # fmt: skip
def test_what_is_no_reference_is_none(value):
    assert list(references_in(value)) == []


def test_a_reference_inside_what_merely_resembles_one_is_found():
    assert list(references_in(fields(path=fields("b")))) == [Reference(**fields("b"))]


# --- locks -------------------------------------------------------------------------------------------------

ROOT = Path(__file__).resolve().parents[2]
HOLD = """
import sys
from pst_core.store import open_store
descriptor = open_store().acquire(sys.argv[1])
print("held", flush=True)
sys.stdin.readline()
open_store().release(descriptor)
print("released", flush=True)
sys.stdin.readline()
"""
TRY = """
import fcntl, os, sys
from pst_core.store import open_store
descriptor = os.open(open_store().root / "locks" / sys.argv[1][:3], os.O_RDWR)
try:
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("taken")
else:
    print("free")
"""


def taken_for_others(key):
    """Whether another process would have to wait for the lock."""
    command = [sys.executable, "-c", TRY, key]
    told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60, cwd=ROOT).stdout
    return {"taken": True, "free": False}[told.strip()]


@pytest.fixture
def holder(store):
    """A process that holds the lock of `KEY`."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, KEY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.fixture
def locks(store):
    """Locks, all of which are given back at the end."""
    found = StoreLocks()
    yield found
    for key in list(found._held):
        found.release_lock(key, found._held[key][1])


def waiting(locks, key, name):
    """A thread that takes a lock, and what it tells when it has it."""
    done = threading.Event()

    def take():
        if locks.acquire_lock(key, name):
            done.set()

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    return thread, done


def test_prefect_takes_them_for_a_lock_manager(locks):
    assert isinstance(locks, LockManager)
    assert isinstance(BY_CONTENT.lock_manager, StoreLocks)


def test_prefects_store_locks_through_them(store, locks):
    results = result_store().model_copy(update={"lock_manager": locks})
    assert results.acquire_lock(KEY, holder="me")
    assert results.is_locked(KEY) and results.is_lock_holder(KEY, holder="me")
    with pytest.raises(RuntimeError, match="locked by another"):
        results.write("x", key=KEY, holder="you")
    results.write("x", key=KEY, holder="me")
    results.release_lock(KEY, holder="me")
    assert not results.is_locked(KEY)
    assert look_up(KEY) == "x"


def test_one_lock_is_held_by_one_holder(locks):
    assert not locks.is_locked(KEY) and not locks.is_lock_holder(KEY, "me")
    assert locks.acquire_lock(KEY, "me") is True
    assert locks.is_locked(KEY) and locks.is_lock_holder(KEY, "me")
    assert not locks.is_lock_holder(KEY, "you")
    assert not locks.is_locked(OTHER_KEY)
    assert locks.acquire_lock(OTHER_KEY, "you")
    assert locks.is_lock_holder(KEY, "me") and locks.is_lock_holder(OTHER_KEY, "you")


def test_a_holder_may_take_its_lock_again_and_gives_it_back_once(locks):
    assert locks.acquire_lock(KEY, "me") and locks.acquire_lock(KEY, "me")
    assert asyncio.run(locks.aacquire_lock(KEY, "me"))
    locks.release_lock(KEY, "me")
    assert not locks.is_locked(KEY)
    assert not taken_for_others(KEY)


def test_nobody_but_its_holder_gives_a_lock_back(locks):
    with pytest.raises(ValueError, match="not me's"):
        locks.release_lock(KEY, "me")
    locks.acquire_lock(KEY, "me")
    with pytest.raises(ValueError, match="not you's"):
        locks.release_lock(KEY, "you")
    assert locks.is_lock_holder(KEY, "me")
    assert taken_for_others(KEY)
    locks.release_lock(KEY, "me")
    with pytest.raises(ValueError, match="not me's"):
        locks.release_lock(KEY, "me")


def test_a_held_lock_excludes_other_processes_until_it_is_given_back(locks):
    locks.acquire_lock(KEY, "me")
    assert taken_for_others(KEY)
    locks.release_lock(KEY, "me")
    assert not taken_for_others(KEY)


def test_a_lock_that_another_process_holds_is_waited_for(locks, holder):
    thread, done = waiting(locks, KEY, "me")
    assert not done.wait(0.3)
    assert not locks.is_locked(KEY)
    assert locks.acquire_lock(OTHER_KEY, "me")  # others are free
    holder.stdin.write("\n")
    holder.stdin.flush()
    thread.join(60)
    assert done.is_set() and locks.is_lock_holder(KEY, "me")
    assert holder.poll() is None  # it gave the lock back, and did not merely end
    assert taken_for_others(KEY)


def test_the_lock_of_a_killed_process_is_free(locks, holder):
    thread, done = waiting(locks, KEY, "me")
    assert not done.wait(0.1)
    os.kill(holder.pid, signal.SIGKILL)
    thread.join(60)
    assert done.is_set() and locks.is_lock_holder(KEY, "me")


def test_two_holders_in_one_process_exclude_each_other(locks):
    locks.acquire_lock(KEY, "me")
    thread, done = waiting(locks, KEY, "you")
    assert not done.wait(0.2)
    assert locks.is_lock_holder(KEY, "me")
    locks.release_lock(KEY, "me")
    thread.join(60)
    assert done.is_set() and locks.is_lock_holder(KEY, "you")


def test_many_threads_take_turns(locks):
    inside, seen = [], []

    def work(name):
        for _ in range(20):
            locks.acquire_lock(KEY, name)
            inside.append(name)
            seen.append(tuple(inside))
            inside.remove(name)
            locks.release_lock(KEY, name)

    threads = [threading.Thread(target=work, args=(f"holder {k}",)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(seen) == 120 and all(len(each) == 1 for each in seen)
    assert not locks.is_locked(KEY)


def test_a_record_that_is_being_made_can_be_looked_for(locks, kept):
    locks.acquire_lock(KEY, "me")
    assert locks.wait_for_lock(KEY, 0) and asyncio.run(locks.await_for_lock(KEY, 0))
    assert look_up(KEY) == kept[0]


# --- retries -----------------------------------------------------------------------------------------------


def chained(error, cause):
    try:
        raise error from cause
    except type(error) as raised:
        return raised


PASSING = [
    OSError(errno.EIO, "stalled"),
    ConnectionResetError("reset"),
    chained(OutputError("could not be written."), OSError(errno.ESTALE, "stale")),
]
STAYING = [
    ImageError("no picture."),
    MemoryError(),
    OSError(errno.ENOSPC, "full"),
    FileNotFoundError(errno.ENOENT, "missing"),
    RuntimeError("CUDA out of memory"),
    chained(ImageError("damaged."), ValueError("of a decoder")),
    KeyError("a mistake"),
]


@pytest.mark.parametrize(
    "error, again", [(error, True) for error in PASSING] + [(error, False) for error in STAYING], ids=repr
)
def test_only_what_may_pass_is_tried_again(results, error, again):
    bare = Failed(data=error)
    prefects = asyncio.run(exception_to_failed_state(error))
    recorded = asyncio.run(exception_to_failed_state(error, result_store=results))
    assert isinstance(recorded.data, ResultRecord)
    for state in (bare, prefects, recorded):
        assert retry_what_may_pass(None, None, state) is again


@pytest.mark.parametrize("state", [
    Failed(data="only a text"), Failed(message="only a message"), Completed(data="done"), Completed(data=[1]),
])  # fmt: skip
def test_without_an_error_to_judge_by_nothing_is_tried_again(state):
    assert retry_what_may_pass(None, None, state) is False
