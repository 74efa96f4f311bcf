"""Standard streams that are closed, full, abandoned or odd: no command fails for them, no result is lost."""

import fcntl
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from batch_runs import make_folder, settings_file, start_run
from picture_runs import QUICK, ROOT, begin, save_map, save_photograph

PROGRAM = [sys.executable, "-c", "from flows.cli.app import main; main()"]
CLOSED = [">&-", "2>&-", "<&-", "<&- >&- 2>&-", "0>&- 1>&-"]
FULL = [">/dev/full", "2>/dev/full", ">/dev/full 2>&1"]


@pytest.fixture(autouse=True)
def _own_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PST_HOME", str(tmp_path / "home"))


def shell(redirections, *command, **environment):
    """Run a program under a shell's redirections."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirections}', "sh", *command], env=os.environ | environment,
        capture_output=True, text=True, errors="surrogateescape", check=False, timeout=120,
    )  # fmt: skip


def abandoned(*command):
    """Run a program whose readers are gone before it begins; its exit status."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return subprocess.run(command, stdout=writer, stderr=writer, check=False, timeout=120).returncode
    finally:
        os.close(writer)


def on_terminal(*command, **environment):
    """Run a program on a terminal of its own: exit status, and all that the terminal got."""
    ours, theirs = pty.openpty()
    variables = {name: value for name, value in os.environ.items() if name not in ("TERM", "COLUMNS")}
    process = subprocess.Popen(
        command, env=variables | environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    parts = []
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        try:
            while part := terminal.read(65536):
                parts.append(part)
        except OSError:  # EIO: the program has closed its end
            pass
    return process.wait(), b"".join(parts).decode()


@pytest.fixture
def picture():
    """The command that makes one picture, result.png."""
    save_photograph("content.png")
    save_photograph("style.png", 56, 56, seed=1)
    save_map("content_map.png")
    save_map("style_map.png", 56, 56)
    maps = ["--content-map", "content_map.png", "--style-map", "style_map.png"]
    return ["stylize", "content.png", "style.png", *maps, "-o", "result.png", *QUICK]


@pytest.mark.parametrize("redirections", [*CLOSED, *FULL])
def test_what_is_printed_into_nothing_is_no_failure(redirections):
    done = shell(redirections, *PROGRAM, "presets")
    assert done.returncode == 0, done.stderr
    assert "Exception ignored" not in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [["--help"], ["--version"], ["methods"], ["store", "--json"]])
def test_a_reader_that_is_gone_is_no_failure(command):
    assert abandoned(*PROGRAM, *command) == 0


def test_a_wrong_use_is_still_one_where_nobody_hears_it():
    assert abandoned(*PROGRAM, "run", "--sise", "3") == 1
    assert shell("2>&-", *PROGRAM, "run", "--sise", "3").returncode == 1


def test_a_full_disk_behind_the_output_is_told_once():
    done = shell(">/dev/full", *PROGRAM, "methods")
    told = "pst: standard output cannot be written (No space left on device): going on without it.\n"
    assert done.stderr == told


@pytest.mark.parametrize("redirections", ["<&- >&- 2>&-", ">/dev/full 2>&1"])
def test_a_picture_is_made_whatever_is_behind_the_streams(picture, redirections):
    done = shell(redirections, *PROGRAM, *picture, "--json")
    assert done.returncode == 0, done.stderr
    assert Path("result.png").is_file() and json.loads(Path("result.json").read_bytes())


def test_a_reader_that_goes_away_loses_no_picture(picture):
    with begin(*picture, "--json") as process:
        assert json.loads(process.stdout.readline())["event"] == "start"
        process.stdout.close()
        assert process.wait(120) == 0
        assert process.stderr.read() == ""
    assert Path("result.png").is_file() and Path("result.json").is_file()


def test_no_file_takes_the_number_of_a_closed_stream():
    program = (
        "import os\nfrom flows.runtime.streams import open_streams\nopen_streams()\n"
        "with open('numbers', 'w') as file:\n"
        "    print('lost')\n    os.write(1, b'lost'); os.write(2, b'lost'); os.read(0, 1)\n"
        "    file.write(str(file.fileno()))\n    os.system('echo lost; echo lost >&2')"
    )
    done = shell("<&- >&- 2>&-", sys.executable, "-c", program)
    assert done.returncode == 0
    assert int(Path("numbers").read_text()) > 2


def test_a_pipe_that_does_not_wait_loses_nothing():
    """Another program that shares it may have made it so."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETFL, fcntl.fcntl(writer, fcntl.F_GETFL) | os.O_NONBLOCK)
    program = "from flows.runtime.streams import open_streams\nopen_streams()\nprint('x' * 2**20, end='')"
    process = subprocess.Popen([sys.executable, "-c", program], stdout=writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        assert file.read() == b"x" * 2**20
    assert process.wait() == 0


@pytest.mark.parametrize("environment", [
    {"LC_ALL": "C", "PYTHONUTF8": "0"}, {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "latin-1:strict", "PYTHONUNBUFFERED": "1"},
], ids=str)  # fmt: skip
def test_what_an_encoding_lacks_is_printed_escaped(environment):
    name = "Füße \N{SNOWFLAKE}.png"
    for arguments in (["stylize", name, name, "-o", "x.png"], ["status", name]):
        done = shell("", *PROGRAM, *arguments, **environment)
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert line.startswith("pst: ") and "Traceback" not in line and "Unforeseen" not in line
        assert "\\u2744" in line or "\\udce2\\udc9d\\udc84" in line
        assert done.stdout == ""


@pytest.mark.parametrize("columns", ["0", "1", "-3", "many", "9" * 5000])
def test_an_impossible_width_is_none(columns):
    text = shell("", *PROGRAM, "presets", "--help", COLUMNS=columns)
    assert text.returncode == 0
    assert "Print the presets" in text.stdout or "List the presets" in text.stdout
    assert text.stdout == shell("", *PROGRAM, "presets", "--help").stdout


@pytest.mark.parametrize(("environment", "bars"), [
    ({}, False), ({"TERM": "dumb"}, False), ({"TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "0"}, True),
    ({"TERM": "xterm", "LC_ALL": "C", "PYTHONUTF8": "0"}, True),
])  # fmt: skip
def test_bars_are_drawn_where_they_can_be(picture, environment, bars):
    status, shown = on_terminal(*PROGRAM, *picture, **environment)
    assert status == 0, shown
    assert ("\x1b[" in shown) == bars
    assert ("preparing" if bars else "stage 1 of 2") in shown and "result.png" in shown
    if "NO_COLOR" in environment:
        assert "\x1b[3" not in shown
    if "LC_ALL" in environment:
        assert shown.isascii() and "\\u" not in shown


@pytest.mark.parametrize(
    "environment", [{"FORCE_COLOR": "1", "TERM": "xterm-256color"}, {"TTY_COMPATIBLE": "1"}]
)
def test_files_hold_no_control_codes(environment):
    for command in (["--help"], ["presets"]):
        assert "\x1b" not in shell("", *PROGRAM, *command, **environment).stdout


@pytest.mark.usefixtures("prefect_server_for_tests")
@pytest.mark.parametrize("kind", ["--json", "plain"])
def test_no_pair_fails_for_a_reader_that_is_gone(tmp_path, kind):
    from prefect.settings import PREFECT_API_URL

    source, settings = make_folder(tmp_path / "in", 2), settings_file(tmp_path)
    command = ["run", str(source), "--out", "out", "--settings", str(settings)]
    options = [kind] if kind == "--json" else []
    process = start_run([*command, *options], tmp_path / "home", tmp_path / "log",
                        PREFECT_API_URL=PREFECT_API_URL.value())  # fmt: skip
    process.stdout.close()
    process.stderr.close()
    assert process.wait(120) == 0
    assert len(list(Path("out").glob("*/result.png"))) == 2 and Path("out/batch.parquet").is_file()


def test_what_was_put_in_the_place_of_a_stream_stays(capsys):
    from flows.runtime.streams import open_streams

    before = sys.stdout, sys.stderr
    open_streams()
    assert (sys.stdout, sys.stderr) == before
