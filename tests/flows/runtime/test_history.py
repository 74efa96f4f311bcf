"""A history that cannot be used is put aside, and nothing of it is lost."""

import sqlite3
from contextlib import closing

import pytest

from flows.runtime.history import find_problem, set_aside, set_aside_if_damaged


@pytest.fixture
def home(tmp_path):
    """A folder with a sound database of many pages, in a place whose name means something in a URL."""
    home = tmp_path / "a?b#c%20d 'e'"
    home.mkdir()
    with closing(sqlite3.connect(home / "prefect.db")) as connection, connection:
        connection.execute("create table runs (name text)")
        connection.executemany("insert into runs values (?)", [("x" * 900,)] * 200)
    return home


def test_a_sound_history_stays(home, tmp_path):
    set_aside_if_damaged(home)
    assert [path.name for path in home.iterdir()] == ["prefect.db"]
    assert find_problem(tmp_path / "none.db") is None


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 - 700])


def scribble(path):
    data = bytearray(path.read_bytes())
    data[4096:20000] = b"?" * (20000 - 4096)
    path.write_bytes(data)


def replace(path):
    path.write_bytes(b"no database at all, but long enough to look like one" * 20)


def make_a_folder(path):
    path.unlink()
    path.mkdir()


def link_to_nowhere(path):
    path.unlink()
    path.symlink_to("nowhere")


@pytest.mark.parametrize("damage", [cut, scribble, replace, make_a_folder, link_to_nowhere])
def test_a_history_that_cannot_be_used_is_put_aside_with_a_word(home, capsys, damage):
    damage(home / "prefect.db")
    set_aside_if_damaged(home)
    assert [path.name for path in home.iterdir()] == ["unusable-1"]
    assert [path.name for path in (home / "unusable-1").iterdir()] == ["prefect.db"]
    said = capsys.readouterr().err
    assert said.startswith("warning: ") and str(home / "unusable-1") in said and len(said.splitlines()) == 1


def test_what_was_put_aside_before_is_not_touched(home):
    assert set_aside(home, "for a reason") and not set_aside(home, "there is none any more")
    for name in ("prefect.db", "prefect.db-wal"):
        (home / name).write_bytes(b"")
    assert set_aside(home, "for another")
    assert len(list((home / "unusable-2").iterdir())) == 2
    assert sorted(path.name for path in home.iterdir()) == ["unusable-1", "unusable-2"]
