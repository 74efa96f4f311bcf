"""Two results under one key: the first stays in the store, the other is told of."""

import socket

import pytest
from prefect import flow
from prefect.results import ResultStore
from prefect.serializers import JSONSerializer
from prefect.transactions import get_transaction

from pst_core.store import Reference, open_store
from tasks.records import StoreRecords, keep_results_in_store, look_up
from tasks.unit import unit

KEY = "a" * 64


@pytest.fixture
def store(pst_home):
    return open_store()


@pytest.fixture
def told(caplog):
    """What was told of results that differ."""
    return lambda: [
        record.getMessage() for record in caplog.records if "gave two results" in record.getMessage()
    ]


def results():
    """Prefect's own way to results, over the store."""
    storage = StoreRecords(basepath=str(open_store().root / "records"))
    return ResultStore(result_storage=storage, serializer=JSONSerializer(), cache_result_in_memory=False)


def on_machine(monkeypatch, name):
    monkeypatch.setattr(socket, "gethostname", lambda: name)


@pytest.fixture
def first(store, monkeypatch):
    """What the first machine made."""
    on_machine(monkeypatch, "first-machine")
    reference = store.put(b"pixels", "image", "png")
    results().write(reference, key=KEY)
    on_machine(monkeypatch, "second-machine")
    return reference


@pytest.fixture
def other(store):
    return store.put(b"other pixels", "image", "png")


def test_the_first_result_stays_and_another_is_told_of(first, other, told):
    results().write(other, key=KEY)
    assert look_up(KEY) == results().read(KEY).result == first
    assert len(told()) == 1
    assert all(part in told()[0] for part in (KEY, "second-machine made another than first-machine"))


def test_the_same_result_again_is_not_told_of(store, first, told):
    before = {path: path.stat() for path in (store.root / "records").rglob("*")}
    results().write(first, key=KEY)
    assert told() == [] and {path: path.stat() for path in (store.root / "records").rglob("*")} == before


def test_a_result_whose_artifact_was_lost_is_replaced_without_a_word(store, first, other, told):
    store.path_of(first).unlink()
    results().write(other, key=KEY)
    assert told() == [] and look_up(KEY) == other


def test_of_a_record_made_earlier_the_machine_is_not_known(store, other, told):
    record = results().create_result_record(store.put(b"pixels", "image", "png"), key=KEY)
    store.write_record(KEY, record.serialize(), [])
    results().write(other, key=KEY)
    assert len(told()) == 1 and "another than a machine before, " in told()[0]


@pytest.mark.usefixtures("prefect_server_for_tests")
def test_the_step_is_named_where_one_runs(store, told):
    """As while a machine computes the same whose locks do not reach this one."""
    value = store.put(b"pixels", "image", "png")

    @unit("draw", "draw")
    def draw() -> Reference:
        results().write(value, key=get_transaction().key.rsplit("/", 1)[-1])
        return store.put(b"other pixels", "image", "png")

    @flow
    def work():
        keep_results_in_store()
        draw()

    work()
    assert len(told()) == 1 and told()[0].startswith("step draw gave two results")
