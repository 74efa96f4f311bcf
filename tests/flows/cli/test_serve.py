"""A service of real processes: up, refused a second time, joined, ended in order, and up again unchanged."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MAIN = "from flows.cli.app import main; main()"
UP = "is the service's address"


def environment(home, **more):
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "PST_"))}
    return ours | {"PST_HOME": str(home), "PYTHONPATH": str(ROOT)} | more


def start(arguments, variables):
    return subprocess.Popen(
        [sys.executable, "-c", MAIN, *arguments], env=variables, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


def lines_until_up(process):
    """What it says until it is up, or ended."""
    lines = []
    for line in process.stdout:
        lines.append(line.strip())
        if UP in line:
            break
    return lines


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_a_service_from_its_start_to_its_end(tmp_path, port):
    home = tmp_path / "home"
    serve = ["serve", "--port", port, "--workers", "0"]
    first = start(serve, environment(home))
    try:
        lines = lines_until_up(first)
        assert lines[0].endswith("nightly, single, look, sequence, evaluation.") and UP in lines[-1], lines

        second = start(serve, environment(home))
        said, _ = second.communicate(timeout=120)
        assert second.returncode == 1 and f"process {first.pid}" in said

        joined = environment(tmp_path / "other", PREFECT_API_URL=f"http://127.0.0.1:{port}/api")
        worker = start(["worker", "--workers", "1"], joined)
        said, _ = worker.communicate(timeout=120)
        assert worker.returncode == 1 and "another store" in said
    finally:
        first.send_signal(signal.SIGTERM)
        rest, _ = first.communicate(timeout=60)
    assert first.returncode == 0 and "Ending" in rest

    again = start(serve, environment(home))
    try:
        lines = lines_until_up(again)
        assert len(lines) == 1 and UP in lines[0]  # nothing was deployed anew
    finally:
        again.kill()
        again.communicate()
    until = time.monotonic() + 30
    while listens(port):  # the server ends with its service, however that ends
        assert time.monotonic() < until
        time.sleep(0.1)


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(port))) == 0
