"""Batches from the command line: what is printed, with which exit status, and that nothing gets lost."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from batch_runs import ROOT, finals, repeats, start_run, units
from prefect.settings import PREFECT_API_URL, temporary_settings
from trials.corrupt_store import corrupt_store
from trials.kill_batch import kill_batch
from trials.power_cut import cut_batch

from flows.cli.app import run
from flows.cli.options import Chosen
from flows.cli.run import lasting_settings
from flows.orders import planning
from flows.runtime.cancellation import RunCancelled
from flows.runtime.server import prefect_server
from pst_core.settings.config import Config

pytestmark = pytest.mark.usefixtures("prefect_server_for_tests", "pst_home")


def events(text):
    return [json.loads(line) for line in text.splitlines()]


def test_a_batch_tells_how_its_pairs_ended(batch, capfd):
    (Path("in") / "style" / "p1.png").write_bytes(b"no picture")
    assert run(batch) == 3
    captured = capfd.readouterr()
    assert "2 pairs: 1 done, 1 failed. Results in out." in captured.out
    assert "p1.png is a text" in " ".join(captured.out.split())
    assert "To run what failed once more: pst resume out" in captured.err
    assert "Traceback" not in captured.out + captured.err
    assert run(["status", "out"]) == 3
    assert "1 done, 1 failed" in capfd.readouterr().out
    (Path("in") / "style" / "p1.png").write_bytes((Path("in") / "style" / "p0.png").read_bytes())
    assert run(["resume", "out", "--quiet"]) == 0
    assert capfd.readouterr() == ("", "")
    assert run(["status", "out", "--json"]) == 0
    found = events(capfd.readouterr().out)
    assert [event.get("state") for event in found] == ["done", "done", None]
    assert (
        found[-1] == {"event": "summary", "pairs": 2, "seconds_estimated": 0.0, "done": 2}
        or found[-1]["done"] == 2
    )


@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_workers_that_there_cannot_be_are_told_also_when_nothing_is_done(batch, dry, capfd):
    assert run([*batch, "--workers", "0", *dry]) == 1
    assert "There cannot be 0 workers" in capfd.readouterr().err


def test_an_order_names_files_as_seen_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("vgg", "merges"):
        Path(name).touch()
    given = {
        "weights": "vgg", "segmentation_merges": "merges", "segmentation_model": "somebody/of-the-hub",
        "onnx_classes": None, "seed": 7,
    }  # fmt: skip
    chosen = Chosen(preset="default", given=given, config=Config.make("default", **given))
    files = {"weights": str(tmp_path / "vgg"), "segmentation_merges": str(tmp_path / "merges")}
    assert lasting_settings(chosen) == given | files


def test_json_lines_tell_everything(batch, capfd):
    assert run([*batch, "--json"]) == 0
    captured = capfd.readouterr()
    found = events(captured.out)
    kinds = [event["event"] for event in found]
    assert kinds == ["server", "batch", "start", "pair", "start", "pair", "summary"]
    assert found[3]["name"] == "p0" and found[3]["steps"] == 14 and found[-1]["done"] == 2
    assert captured.err == ""


def test_folders_are_read_files_hashed_and_settings_checked_once(batch, monkeypatch):
    listed, probed, checked = Counter(), Counter(), []
    scandir, probe, make = os.scandir, planning.probe, Config.make

    def list_entries(path):
        listed[str(path)] += 1
        return scandir(path)

    def look(path):
        probed[str(path)] += 1
        return probe(path)

    def check(preset="default", **settings):
        checked.append(settings)
        return make(preset, **settings)

    monkeypatch.setattr(os, "scandir", list_entries)
    monkeypatch.setattr(planning, "probe", look)
    monkeypatch.setattr(Config, "make", check)
    assert run([*batch, "--seed", "81723", "--quiet"]) == 0  # settings that no other batch had
    source = Path(batch[1])
    assert [listed[str(source / role)] for role in ("content", "style", "content_maps", "style_maps")] == [
        1
    ] * 4
    assert len(probed) == 8 and set(probed.values()) == {1}
    assert len(checked) == 2  # those of the command line, and the batch's


def test_a_run_that_finds_all_done_loads_no_torch(batch):
    assert run([*batch, "--quiet"]) == 0
    code = (
        "import sys\nfrom flows.cli.app import run\n"
        "print(run(sys.argv[1:]), sorted({'torch', 'torchvision', 'sklearn', 'skimage'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, *batch, "--quiet"]
    address = {"PREFECT_API_URL": PREFECT_API_URL.value(), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=os.environ | address, capture_output=True, text=True, check=True)
    assert done.stdout == "0 []\n", done.stderr


def test_a_dry_run_lists_and_touches_nothing(batch, capfd, pst_home):
    assert run([*batch, "--dry-run"]) == 0
    out = capfd.readouterr().out
    assert "p0" in out and "0 of 14" in out and "2 pairs: 2 new." in out
    assert not Path("out").exists() and not pst_home.exists()
    assert run(["status", "out"]) == 1
    assert "There is no folder out yet (a dry run only tells): begin with" in capfd.readouterr().err


@pytest.mark.parametrize(("arguments", "sentence"), [
    (["run"], "A folder or a manifest is needed"),
    (["run", "in"], "Say where the results go"),
    (["run", "nowhere", "--out", "out"], "nowhere"),
    (["run", "empty", "--out", "out"], "empty"),
    (["run", "in", "--out", "out", "--size", "9"], "'size' cannot be '9'"),
    (["run", "in", "--out", "out", "--sise", "9"], "--sise"),
    (["run", "in", "--out", "out", "--pairing", "triplets"], "triplets"),
    (["run", "in", "--out", "file"], "file"),
    (["resume", "empty"], "In empty nothing was made yet"),
    (["status", "empty"], "In empty nothing was made yet"),
    (["store", "verify", "--subset", "x"], "--subset cannot be 'x'"),
])  # fmt: skip
def test_wrong_use_gets_one_sentence(batch, capfd, arguments, sentence):
    Path("empty").mkdir()
    Path("file").write_text("in the way")
    assert run(arguments) == 1
    captured = capfd.readouterr()
    assert captured.err.startswith("pst: ") and sentence in captured.err
    assert len(captured.err.splitlines()) == 1


def test_a_server_that_is_not_there_is_named(batch, capfd):
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        assert run(batch) == 1
    err = capfd.readouterr().err
    assert err.startswith("pst: No Prefect server answers at http://127.0.0.1:9/api") and "unset" in err


@pytest.mark.parametrize(("asked", "words"), [
    (["--pool", "pst"], "set PREFECT_API_URL"), (["--workers", "0"], "cannot be 0 workers"),
])  # fmt: skip
def test_helpers_that_there_cannot_be_are_named_before_a_server_is_started(
    batch, monkeypatch, capfd, asked, words
):
    monkeypatch.setattr("flows.cli.running.prefect_server", pytest.fail)
    with temporary_settings({PREFECT_API_URL: None}):
        assert run([*batch, *asked]) == 1
    assert words in capfd.readouterr().err


def test_a_cancelled_batch_has_an_exit_status_of_its_own(batch, monkeypatch, capfd):
    def cancelled(*_):
        raise RunCancelled

    monkeypatch.setattr("flows.batch.run_orders", cancelled)
    assert run(batch) == 4
    err = capfd.readouterr().err
    assert "to go on: pst resume out" in err and "pst: cancelled in Prefect's UI" in err


def test_an_unreadable_store_is_named(batch, capfd, pst_home):
    pst_home.mkdir()
    (pst_home / "store").write_text("a file in its place")
    assert run(batch) in (1, 3)
    captured = capfd.readouterr()
    assert str(pst_home / "store") in "".join((captured.out + captured.err).split("\n"))
    assert "Unforeseen" not in captured.out + captured.err


# --- interruptions, in processes of their own


def test_an_interrupted_batch_goes_on_to_the_same_bits(batch, tmp_path):
    address, home, log = PREFECT_API_URL.value(), tmp_path / "other", tmp_path / "log"
    process = start_run(batch, home, log, PREFECT_API_URL=address)
    until = time.monotonic() + 90
    while process.poll() is None and time.monotonic() < until:
        if log.exists() and "filter" in log.read_text():
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "to go on: pst resume out" in errors and "Traceback" not in errors
    process = start_run(["resume", "out"], home, log, PREFECT_API_URL=address)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert repeats(log) <= 1
    disturbed = finals(tmp_path / "out")
    Path("out").rename("disturbed")
    assert run(batch) == 0
    assert finals(tmp_path / "out") == disturbed


def test_two_runs_at_once_share_the_work(batch, tmp_path):
    address, home, log = PREFECT_API_URL.value(), tmp_path / "other", tmp_path / "log"
    processes = [start_run(batch, home, log, PREFECT_API_URL=address) for _ in range(2)]
    for process in processes:
        _, errors = process.communicate(timeout=180)
        assert process.returncode == 0, errors
    assert len(units(log)) == 28 and repeats(log) == 0
    shared = finals(tmp_path / "out")
    Path("out").rename("shared")
    assert run(batch) == 0
    assert finals(tmp_path / "out") == shared


@pytest.mark.parametrize("behind", [0, 1], ids=["one after another", "overlapping"])
def test_kills_at_random_moments_cost_one_step_each_of_a_pair_at_work(tmp_path, behind):
    trial = kill_batch(tmp_path, kills=2, pairs=2, seed=1, address=PREFECT_API_URL.value(), behind=behind)
    assert trial.kills == 2 and trial.files == 10
    assert trial.good, trial


def test_power_cuts_lose_nothing_that_was_told_to_be_finished(tmp_path):
    trial = cut_batch(tmp_path, cuts=2, pairs=2, seed=1, address=PREFECT_API_URL.value())
    assert trial.cuts == 2 and trial.files == 10 and trial.spoilt > 0
    assert trial.good, trial


def test_damaged_files_heal(tmp_path):
    outcomes = corrupt_store(tmp_path, pairs=1, every=11)
    assert sum(outcomes.values()) >= 9
    assert not [outcome for outcome in outcomes if "NOT" in outcome]


def test_a_server_that_goes_away_in_mid_run_is_replaced(batch, tmp_path):
    log = tmp_path / "log"
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    code = (
        "import sys, time\nfrom flows.runtime.server import prefect_server\n"
        "with prefect_server(own=True) as address:\n    print(address, flush=True)\n    time.sleep(300)"
    )
    server = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment
    )
    address = server.stdout.readline().strip()
    # It is asked again as often as Prefect does, for a minute: here less often.
    server_of_run = {"PREFECT_API_URL": f"{address}/api", "PREFECT_CLIENT_MAX_RETRIES": "1"}
    process = start_run(batch, tmp_path / "other", log, **server_of_run)
    until = time.monotonic() + 90
    while process.poll() is None and time.monotonic() < until:
        if (tmp_path / "out" / "p0" / "report.json").exists():
            break
        time.sleep(0.02)
    server.kill()
    server.communicate()
    try:
        output, errors = process.communicate(timeout=240)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, output + errors
    assert "2 pairs: " in output and "going on with one of our own" in errors
    assert "Error logging" not in errors and "Traceback" not in errors
    assert (tmp_path / "out" / "p1" / "result.png").exists()


def test_our_own_server_is_prefects_and_ends_with_the_block(pst_home):
    import httpx

    with prefect_server(own=True) as address:
        assert address.startswith("http://127.0.0.1:")
        assert httpx.get(f"{address}/api/health").json() is True
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"{address}/api/health", timeout=2)
    assert (pst_home / "prefect" / str(os.getuid()) / "1" / "server.log").exists()
