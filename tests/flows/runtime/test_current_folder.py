"""A current folder that is deleted or closed is in nobody's way, and no other one stands in for it."""

import os
import subprocess
import sys

import pytest
from batch_runs import ROOT

LEAVE = """
import os, sys
sys.path.insert(0, sys.argv[1])
from flows.runtime.current_folder import leave_a_folder_that_is_none
{before}
leave_a_folder_that_is_none()
try:
    open("made-here", "w")
except OSError:
    print("nothing can be made")
print(os.getcwd())
"""


def leave(folder, before=""):
    command = [sys.executable, "-P", "-c", LEAVE.format(before=before), str(ROOT)]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return run.stdout.splitlines(), run.stderr


def test_an_open_folder_is_not_left(tmp_path):
    assert leave(tmp_path) == ([str(tmp_path)], "")
    assert (tmp_path / "made-here").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have another place")
def test_a_deleted_folder_is_left_for_one_where_nothing_is(tmp_path):
    (tmp_path / "gone").mkdir()
    found, said = leave(tmp_path / "gone", "os.rmdir(os.getcwd())")
    assert found[0] == "nothing can be made" and said.startswith("warning: the current folder was deleted")


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs root")
def test_a_closed_folder_is_left_for_one_where_nothing_is(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o700)
    found, said = leave(tmp_path / "closed", "os.setuid(54321)")
    assert found[0] == "nothing can be made" and "may not be entered" in said
