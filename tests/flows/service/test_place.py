"""A store has one service, and whoever asks is told which."""

import os
import subprocess
import sys

import pytest

from flows.service.place import ServiceError, find_keeper, keeping_the_store

pytestmark = pytest.mark.usefixtures("pst_home")
OTHER = """
from flows.service.place import keeping_the_store
with keeping_the_store("http://127.0.0.1:4321"):
    print("kept", flush=True)
    input()
"""


def test_a_second_service_is_refused_with_the_first_ones_address():
    other = subprocess.Popen(
        [sys.executable, "-c", OTHER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    try:
        assert other.stdout.readline() == "kept\n"
        with (
            pytest.raises(ServiceError, match=f"process {other.pid} on .*4321"),
            keeping_the_store("http://127.0.0.1:1"),
        ):
            pass
        keeper = find_keeper()
        assert (keeper.process, keeper.address) == (other.pid, "http://127.0.0.1:4321")
    finally:
        other.kill()
        other.communicate()
    assert find_keeper() is None  # whatever the file says: its writer is dead
    with keeping_the_store("http://127.0.0.1:1"):
        assert find_keeper().process == os.getpid()


def test_where_there_never_was_a_service_nobody_keeps_the_store(pst_home):
    assert find_keeper() is None
    assert not pst_home.exists()
