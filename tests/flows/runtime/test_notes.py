"""Notes by which the living are told from the dead: held by their process, whole, readable for a group."""

import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
import threading
import uuid

import pytest
from other_users import ANNA, BEN, GROUP, acting_as, shared_folder

from flows.runtime import notes
from flows.runtime.notes import Note, dead_runs, forget, held_note, is_old, is_running

RUN = uuid.UUID("01234567-89ab-cdef-0123-456789abcdef")

HOLDER = """
import sys, time, uuid
from flows.runtime.notes import Note, held_note
with held_note(Note(run=uuid.UUID(sys.argv[1]), attempt=2, url="http://there/api", host="far")):
    print("held", flush=True)
    time.sleep(600)
"""


def note_of(run=RUN, attempt=1):
    return Note(run=run, attempt=attempt, url="http://here/api", host="near")


@pytest.fixture
def folder(pst_home):
    return pst_home / "prefect" / "running"


@pytest.fixture
def killed(pst_home):
    """The note of a run whose process was killed, which lived just before."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(RUN)], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        assert is_running(RUN) is True and list(dead_runs()) == []
        process.send_signal(signal.SIGKILL)
    return RUN


def test_a_killed_process_leaves_a_note_that_says_what_it_was(killed):
    assert is_running(killed) is False
    assert list(dead_runs()) == [Note(run=RUN, attempt=2, url="http://there/api", host="far")]
    forget(killed)
    assert is_running(killed) is None and list(dead_runs()) == []


def test_a_living_run_holds_its_note_and_takes_it_along(folder):
    with pytest.raises(KeyboardInterrupt), held_note(note_of()):
        assert is_running(RUN) is True and list(dead_runs()) == []
        assert [path.name for path in folder.iterdir()] == [str(RUN)]
        raise KeyboardInterrupt
    assert is_running(RUN) is None and list(folder.iterdir()) == []


def test_a_run_that_is_begun_again_takes_its_note_over(killed):
    with held_note(note_of(attempt=3)):
        assert is_running(RUN) is True and list(dead_runs()) == []
    assert is_running(RUN) is None


def test_a_run_that_is_begun_again_waits_for_those_who_tell_of_its_death(killed):
    begun, ended = threading.Event(), threading.Event()

    def begin():
        with held_note(note_of(attempt=3)):
            begun.set()
            ended.wait(30)

    telling = dead_runs()
    assert next(telling).attempt == 2
    thread = threading.Thread(target=begin)
    thread.start()
    assert not begun.wait(0.3)
    telling.close()
    assert begun.wait(30) and is_running(RUN) is True
    ended.set()
    thread.join()


def test_a_twin_goes_without_a_note_and_leaves_the_first_ones_alone(folder, monkeypatch):
    monkeypatch.setattr(notes, "_TAKE_OVER_SECONDS", 0.0)
    with held_note(note_of()):
        with held_note(note_of(attempt=2)):
            pass
        assert is_running(RUN) is True and [path.name for path in folder.iterdir()] == [str(RUN)]


def test_those_who_look_are_not_taken_for_the_run(killed):
    first, second = dead_runs(), dead_runs()
    assert next(first).run == next(second).run == killed
    assert is_running(killed) is False


def test_what_lies_there_else_is_no_note(folder):
    folder.mkdir(parents=True)
    other = str(uuid.uuid4())
    for name, text in ((str(RUN), ""), ("not-a-run-at-all", "{}"), (other, note_of().model_dump_json())):
        (folder / name).write_text(text)
    (folder / "a-fol-der-of-some").mkdir()
    (folder / "a-link-to-no-where").symlink_to("nowhere")
    assert list(dead_runs()) == [] and len(list(folder.iterdir())) == 5


def test_a_note_grows_old(killed, folder):
    assert not is_old(killed)
    os.utime(folder / str(killed), (0, 0))
    assert is_old(killed) and not is_old(uuid.uuid4())


@pytest.mark.parametrize("call", ["write", "fsync", "rename"])
def test_a_note_is_whole_or_there_is_none(folder, monkeypatch, call):
    def fail(*_, **__):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, call, fail)
    with held_note(note_of()):
        assert is_running(RUN) is None
    monkeypatch.undo()
    assert list(folder.iterdir()) == [] if folder.exists() else True


def test_where_there_are_no_locks_nothing_is_known(killed, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", fail)
    assert is_running(killed) is None and list(dead_runs()) == []


def test_users_of_one_group_tell_of_each_others_runs(monkeypatch):
    with shared_folder() as home:
        monkeypatch.setenv("PST_HOME", str(home))
        with acting_as(ANNA, 0o002), held_note(note_of()):
            seen = home / "prefect" / "running" / str(RUN)
            for path in (seen, seen.parent, seen.parent.parent):
                assert path.stat().st_gid == GROUP and path.stat().st_mode & stat.S_IWGRP, path
            kept = seen.read_bytes()
        with acting_as(ANNA, 0o002):
            seen.write_bytes(kept)  # as if it had been killed
        with acting_as(BEN, 0o002):
            assert [note.run for note in dead_runs()] == [RUN]
            with held_note(note_of(attempt=2)):
                assert is_running(RUN) is True
            assert is_running(RUN) is None
