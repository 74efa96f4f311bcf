"""What a power cut left of a record or an artifact: a miss, told in one line, and made anew to the bit."""

import logging

import pytest
from prefect import flow

from pst_core.store import Reference, StoreMiss, open_store
from tasks.records import keep_results_in_store, look_up
from tasks.unit import unit

pytestmark = pytest.mark.usefixtures("prefect_server_for_tests", "pst_home")

WAYS = {
    "emptied": lambda raw: b"",
    "cut": lambda raw: raw[: len(raw) // 2],
    "zeroed": lambda raw: bytes(len(raw)),
    "zeroed behind": lambda raw: raw[: len(raw) // 2] + bytes(len(raw) - len(raw) // 2),
}


class Steps:
    """A flow of two steps, the second made of the first's artifact."""

    def __init__(self):
        self.made = []
        made = self.made

        @unit("draw", "draw")
        def draw() -> Reference:
            made.append("draw")
            return open_store().put(b"pixels" * 50, "image", "png")

        @unit("frame", "frame")
        def frame(image: Reference) -> Reference:
            made.append("frame")
            return open_store().put(open_store().read(image) + b" framed", "image", "png")

        @flow
        def work():
            keep_results_in_store()
            return frame(draw())

        self.work = work

    def files(self):
        root = open_store().root
        return sorted(path for kind in ("records", "objects") for path in (root / kind).rglob("*.*"))


@pytest.fixture
def told(caplog):
    return lambda: [each.getMessage() for each in caplog.records if "made anew" in each.getMessage()]


@pytest.mark.parametrize("way", WAYS)
def test_each_file_is_missed_told_of_and_made_anew(way, told, caplog):
    steps = Steps()
    steps.work()
    before = {path: path.read_bytes() for path in steps.files()}
    assert len(before) == 4 and steps.made == ["draw", "frame"] and told() == []
    for path, whole in before.items():
        steps.made.clear()
        caplog.clear()
        path.write_bytes(WAYS[way](whole))
        steps.work()
        assert len(steps.made) == 1
        assert len(told()) == 1 and path.stem in told()[0] and "\n" not in told()[0]
        assert {path: path.read_bytes() for path in steps.files()} == before
    assert [each for each in caplog.records if each.levelno > logging.WARNING] == []


def test_what_is_not_there_is_no_news(told):
    steps = Steps()
    steps.work()
    for path in steps.files():
        path.unlink()
    steps.work()
    assert steps.made == ["draw", "frame"] * 2 and told() == []


def test_looking_up_a_damaged_record_is_a_miss():
    steps = Steps()
    steps.work()
    [key, *_] = [path.stem for path in steps.files() if path.suffix == ".json"]
    look_up(key)
    for spoil in WAYS.values():
        path = open_store().root / "records" / key[:2] / f"{key}.json"
        whole = path.read_bytes()
        path.write_bytes(spoil(whole))
        with pytest.raises(StoreMiss):
            look_up(key)
        path.write_bytes(whole)
