"""Batches over real worker processes: the same results, told of in the same way, whoever did them."""

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from batch_runs import finals, make_folder, settings_file
from outcome_tables import read_outcomes

THREADS = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def start(arguments, home):
    environment = os.environ | THREADS | {"PST_HOME": str(home)}
    return subprocess.Popen(
        [sys.executable, "-c", "from flows.cli.app import main; main()", *arguments], env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def end(process):
    output, errors = process.communicate(timeout=280)
    return process.returncode, [json.loads(line) for line in output.splitlines()], errors


@pytest.fixture(scope="module")
def ordered(tmp_path_factory):
    """A folder of pairs, and what a batch of it in one process leaves."""
    folder = tmp_path_factory.mktemp("ordered")
    source, settings = make_folder(folder / "in", 4), settings_file(folder)
    (source / "style" / "p3.png").write_bytes(b"no picture")
    command = ["run", str(source), "--settings", str(settings), "--json", "--out", str(folder / "out")]
    status, events, errors = end(start(command, folder / "home"))
    assert status == 3, errors
    wanted = finals(folder / "out"), read_outcomes(folder / "out")
    (folder / "out").rename(folder / "alone")
    return folder, command, wanted, events


def engines_of(process):
    """Processes that do shards for a run."""
    children = psutil.Process(process.pid).children(recursive=True)
    return [child for child in children if "flows.workers.engine" in " ".join(child.cmdline())]


def test_two_workers_leave_what_one_process_does_though_one_is_killed(ordered, tmp_path):
    folder, command, (wanted, rows), alone = ordered
    process = start([*command, "--workers", "2"], tmp_path / "home")
    try:
        until = time.monotonic() + 200
        while not (engines := engines_of(process)) and process.poll() is None and time.monotonic() < until:
            time.sleep(0.2)
        assert engines, process.communicate()
        engines[0].send_signal(signal.SIGKILL)
        status, events, errors = end(process)
    finally:
        process.kill()
    assert status == 3, errors
    assert finals(folder / "out") == wanted
    there = {row.name: row for row in read_outcomes(folder / "out")}
    for row in rows:
        changing = {"seconds": 0.0, "steps_cached": 0, "state": ""}
        assert there[row.name].model_copy(update=changing) == row.model_copy(update=changing)
    assert {row.name for row in there.values() if row.state == "failed"} == {"p3"}
    assert (folder / "out" / "gallery.html").exists() and (folder / "out" / "failed.jsonl").exists()
    kinds = {"batch", "pair", "summary"}
    told = [
        sorted(str(event.get("name")) for event in each if event["event"] in kinds)
        for each in (alone, events)
    ]
    assert told[0] == told[1]
    assert {event["pair"] for event in events if event["event"] == "start"} == {"p0", "p1", "p2"}
    assert not [
        child for child in psutil.process_iter(["cmdline"]) if str(tmp_path) in str(child.info["cmdline"])
    ]


@pytest.mark.parametrize(("options", "words"), [
    (["--workers", "2", "--pool", "pst"], "use one of them"),
    (["--workers", "0"], "cannot be 0 workers"),
    (["--workers", "some"], "--workers"),
])  # fmt: skip
def test_helpers_that_cannot_be_are_told_of_in_a_sentence(options, words, tmp_path):
    source = make_folder(tmp_path / "in", 1)
    status, _, errors = end(
        start(["run", str(source), "--out", str(tmp_path / "out"), *options], tmp_path / "home")
    )
    assert status == 1
    assert words in errors and "Traceback" not in errors
