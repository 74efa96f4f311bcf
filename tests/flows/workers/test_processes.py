"""Worker processes are looked after: begun again when they end, at rest when their machine is unfit."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.runtime.own_server import server_home
from flows.workers import processes
from flows.workers.posts import Post
from flows.workers.processes import REFUSAL, WorkerProcesses
from pst_core.errors import StoreError

POSTS = (Post("one", {"GPU": "0"}), Post("two", {"GPU": "1"}))
PLAYED = """
import os, sys, time
with open(os.environ["STARTS"], "a") as starts:
    starts.write(f"{os.getpid()} {os.environ['GPU']}\\n")
%s
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch, pst_home):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture
def played(tmp_path, monkeypatch):
    """Have a script in place of Prefect's worker; every start of it is noted."""
    monkeypatch.setenv("STARTS", str(tmp_path / "starts"))
    monkeypatch.setattr(processes, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(processes, "ENDING_SECONDS", 0.1)
    monkeypatch.setattr(processes, "REFUSAL_SECONDS", 0.5)
    monkeypatch.setattr(processes, "LONGEST_PAUSE", 0.2)
    start = processes.start_child

    def play(first=""):
        script = ["-c", PLAYED % first]
        monkeypatch.setattr(processes, "start_child", lambda _, **how: start(script, **how))

    return play


def starts(tmp_path):
    path = tmp_path / "starts"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def wait_for(condition):
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_each_post_has_its_worker_until_the_block_ends(played, tmp_path):
    played()
    with WorkerProcesses("pool", POSTS) as workers:
        wait_for(lambda: len(starts(tmp_path)) == 2)
        assert sorted(gpu for _, gpu in starts(tmp_path)) == ["0", "1"]
        running = [process.pid for process in workers.processes]
        assert sorted(int(pid) for pid, _ in starts(tmp_path)) == sorted(running)
    assert not workers.processes
    assert not list(server_home().glob("workers-*")), "nothing is left of what ended soundly"


def test_files_that_are_named_from_where_the_run_was_started_are_found_by_its_workers(
    played, tmp_path, monkeypatch
):
    (tmp_path / "here" / "vgg").touch()
    named = {"PST_HOME": "home", "PST_VGG19_WEIGHTS": "vgg", "PST_SEMANTIC_MODEL": "somebody/of-the-hub"}
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    played(f"for name in {list(named)}: print(os.environ[name], file=open(os.environ['STARTS'] + name, 'w'))")
    last = tmp_path / "startsPST_SEMANTIC_MODEL"
    with WorkerProcesses("pool", POSTS[:1]):
        wait_for(lambda: last.exists() and last.read_text())
    seen = {name: (tmp_path / f"starts{name}").read_text().strip() for name in named}
    here = tmp_path / "here"
    assert seen == named | {"PST_HOME": f"{here / 'home'}", "PST_VGG19_WEIGHTS": f"{here / 'vgg'}"}


def test_a_worker_that_ends_is_started_again_and_told_of(played, tmp_path):
    played()
    told = []
    with WorkerProcesses("pool", POSTS[:1], tell=told.append) as workers:
        wait_for(lambda: starts(tmp_path))
        workers.processes[0].kill()
        wait_for(lambda: len(starts(tmp_path)) == 2)
    assert len(told) == 1 and "Worker one ended by itself (status -9" in told[0]
    assert list(server_home().glob("workers-*/one.log")), "its log may be wanted"


def test_a_machine_that_lacks_something_rests(played, tmp_path):
    played(f"open(os.environ[{REFUSAL!r}], 'w').write('host7 does not see /photos')")
    told = []
    with WorkerProcesses("pool", POSTS[:1], tell=told.append):
        wait_for(lambda: len(starts(tmp_path)) == 2)
    assert "takes no work for" in told[0] and "host7 does not see /photos" in told[0]


KILLED = """
import time
from flows.runtime.settings import import_prefect
import_prefect()
from flows.workers import processes
from flows.workers.posts import Post
start = processes.start_child
processes.start_child = lambda _, **how: start(["-c", "import time; time.sleep(600)"], **how)
with processes.WorkerProcesses("pool", [Post("one")]) as workers:
    print(workers.processes[0].pid, flush=True)
    time.sleep(600)
"""


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_workers_end_with_whoever_started_them_however_that_ends(played):
    command = [sys.executable, "-c", KILLED]
    whoever = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)
    pid = int(whoever.stdout.readline())
    assert is_alive(pid)
    whoever.send_signal(signal.SIGKILL)
    whoever.communicate()
    wait_for(lambda: not is_alive(pid))
    [left] = server_home().glob("workers-*")
    played()
    with WorkerProcesses("pool", POSTS[:1]):
        assert not left.exists(), "what a killed one left is removed by the next"


def test_where_no_folder_can_be_had_a_sentence_says_so_and_no_other_is_touched(tmp_path):
    Path("mine").write_text("somebody's")
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home" / "prefect").write_text("in the way")
    with (
        pytest.raises(StoreError, match=r"Workers cannot be started .*: free some memory or disk"),
        WorkerProcesses("pool", POSTS),
    ):
        pass
    assert Path("mine").read_text() == "somebody's"


def test_where_no_process_can_be_started_nothing_is_left(monkeypatch):
    def start(*_, **__):
        raise OSError("Cannot allocate memory")

    monkeypatch.setattr(processes, "start_child", start)
    with pytest.raises(StoreError, match="Cannot allocate memory"), WorkerProcesses("pool", POSTS):
        pass
    assert not list(server_home().glob("workers-*"))
