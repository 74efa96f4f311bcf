"""A machine that does not see a file says which, what of its path is there, and its own name."""

import socket

import pytest
from other_users import BEN, acting_as, shared_folder

from pst_core.unseen import unseen_files

HOST = socket.gethostname()


def test_what_is_seen_is_not_told_of(tmp_path):
    (tmp_path / "a.png").touch()
    assert unseen_files([tmp_path, tmp_path / "a.png"]) is None
    assert unseen_files([]) is None


def test_the_first_that_is_not_there_is_named_with_what_is(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").touch()
    told = unseen_files(
        [tmp_path / "photos" / "a.png", tmp_path / "photos" / "2026" / "b.png", tmp_path / "c.png"]
    )
    assert told.startswith(f"{HOST} does not see {tmp_path}/photos/2026/b.png: ")
    assert f"beyond {tmp_path}/photos there" in told and told.endswith(
        "mount its folder as on the other machines."
    )


def test_a_folder_on_which_nothing_is_mounted_is_told_by_its_being_empty(tmp_path):
    (tmp_path / "mnt").mkdir()
    told = unseen_files([tmp_path / "mnt" / "photos" / "a.png"])
    assert f"{tmp_path}/mnt is empty there; mount its file system" in told


def test_a_folder_that_may_not_be_entered_says_whose_it_is():
    with shared_folder() as folder:
        (folder / "a.png").touch()
        folder.chmod(0o700)
        with acting_as(BEN, 0o022):
            told = unseen_files([folder / "a.png"])
    assert f"{folder} belongs to root" in told and f"user {BEN} may not look into it" in told


@pytest.mark.parametrize("error", [OSError(116, "Stale file handle"), OSError(5, "Input/output error")])
def test_a_file_system_that_does_not_answer_is_told_of(tmp_path, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(type(tmp_path), "stat", fail)
    assert error.strerror in unseen_files([tmp_path])


def test_a_file_in_the_place_of_a_folder(tmp_path):
    (tmp_path / "photos").touch()
    assert f"beyond {tmp_path}/photos there" in unseen_files([tmp_path / "photos" / "a.png"])
