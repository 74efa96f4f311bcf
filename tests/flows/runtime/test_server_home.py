"""Where the servers of our own keep what is theirs: a folder a user, with a lock that the file system has."""

import errno
import fcntl
import os
import socket

import pytest
from other_users import ANNA, BEN, acting_as, shared_folder

from flows.runtime import own_server
from flows.runtime.own_server import server_home
from flows.runtime.server import prefect_server
from pst_core.errors import StoreError
from pst_core.store.mounts import Locks


def no_locks(*_):
    raise OSError(errno.ENOLCK, "No locks available")


def test_a_file_system_without_locks_is_told_of_before_any_server_is_started(pst_home, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", no_locks)
    with (
        pytest.raises(StoreError, match=r"could not be locked \(No locks available\): .* on a local disk"),
        prefect_server(own=True),
    ):
        pytest.fail("a server was started")


def test_each_user_has_a_home_for_servers(pst_home, monkeypatch):
    assert server_home() == pst_home / "prefect" / str(os.geteuid())
    with shared_folder() as folder:
        monkeypatch.setenv("PST_HOME", str(folder))
        homes = []
        for user in (ANNA, BEN):
            with acting_as(user, 0o002):
                homes.append(server_home())
                (homes[-1] / "1").mkdir(parents=True)
                (homes[-1] / "1" / "written").touch()
    assert len({*homes}) == 2


def test_machines_that_do_not_see_each_others_locks_use_histories_of_their_own(pst_home, monkeypatch):
    used = []
    for machine in ("one", "two"):
        monkeypatch.setattr(socket, "gethostname", lambda name=machine: name)
        with own_server._free_home() as home:
            used.append(home)
            monkeypatch.setattr(own_server, "locks_of", lambda _: Locks("this machine"))
    assert used == [server_home() / "1", server_home() / "two" / "1"]
