"""A home has one name for everybody, whoever asks first, and keeps it."""

import os
import subprocess
import sys

import pytest
from other_users import ANNA, BEN, acting_as, shared_folder

from pst_core import files
from pst_core.errors import OutputError, StoreError
from pst_core.store import identity
from pst_core.store.identity import store_identity


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(identity, "_WAITS", (0.0, 0.0))


def test_a_home_keeps_its_name_and_others_have_another(tmp_path):
    name = store_identity(tmp_path / "home")
    assert len(name) == 32 and store_identity(tmp_path / "home") == name
    assert store_identity(tmp_path / "other") != name
    assert sorted(path.name for path in (tmp_path / "home").iterdir()) == ["store-id"]


ASK = """
import sys
from pathlib import Path
from pst_core import files
from pst_core.store.identity import store_identity
if sys.argv[2] == "without links":
    def link(*_):
        raise OSError(95, "Operation not supported")
    files.os.link = link
print("ready", flush=True)
for home in sys.stdin:
    print(store_identity(Path(sys.argv[1]) / home.strip()), flush=True)
"""


@pytest.mark.parametrize("how", ["with links", "without links"])
def test_sixteen_who_ask_at_once_are_told_the_same(tmp_path, how):
    command = [sys.executable, "-c", ASK, str(tmp_path), how]
    pipe = subprocess.PIPE
    asking = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(16)]
    assert {process.stdout.readline() for process in asking} == {"ready\n"}
    for number in range(30):
        for process in asking:
            process.stdin.write(f"{number}\n")
            process.stdin.flush()
        told = {process.stdout.readline().strip() for process in asking}
        assert told == {(tmp_path / str(number) / "store-id").read_text().strip()}
    for process in asking:
        process.communicate(timeout=30)
        assert process.returncode == 0


def test_users_of_one_group_are_told_the_same():
    with shared_folder() as home:
        told = set()
        for user in (ANNA, BEN):
            with acting_as(user, 0o002):
                told.add(store_identity(home))
        with acting_as(BEN, 0o077):
            told.add(store_identity(home))
        assert len(told) == 1


def test_who_may_not_write_is_told_whose_it_is(monkeypatch):
    with shared_folder() as home:
        home.chmod(0o755)
        monkeypatch.setenv("PST_HOME", str(home))
        with acting_as(BEN, 0o022), pytest.raises(StoreError, match="belongs to root"):
            store_identity(home)
        name = store_identity(home)
        with acting_as(BEN, 0o022):
            assert store_identity(home) == name


@pytest.mark.parametrize("text", [b"", b"half", b"x" * 10_000, b"0" * 31 + b"\xff"])
def test_what_is_no_name_is_not_taken_for_one(tmp_path, text):
    (tmp_path / "store-id").write_bytes(text)
    with pytest.raises(StoreError, match="delete that file"):
        store_identity(tmp_path)
    assert (tmp_path / "store-id").read_bytes() == text


def test_a_name_that_was_found_is_forced_to_the_disk(tmp_path, monkeypatch):
    store_identity(tmp_path)
    synced = []
    monkeypatch.setattr(identity, "sync_folder", synced.append)
    store_identity(tmp_path)
    assert synced == [tmp_path]


def test_a_full_disk_gives_no_name(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", fail)
    with pytest.raises(OutputError, match="the disk is full"):
        store_identity(tmp_path)
    monkeypatch.undo()
    assert os.listdir(tmp_path) == [] and store_identity(tmp_path)  # noqa: PTH208
