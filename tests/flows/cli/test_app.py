"""The program as a whole: its help, what it loads, and how it ends."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from picture_runs import QUICK, ROOT, begin, everything, refused, stylize

from flows.cli.app import app, run

pytestmark = pytest.mark.usefixtures("own_place")


def test_error_is_an_event_in_json(capfd):
    assert stylize("gone.png", "gone.png", "-o", "x.png", "--json") == 1
    assert json.loads(capfd.readouterr().out)["event"] == "error"


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (MemoryError(), 1, "--size"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), 1, "--size"),
        (OSError(28, "No space left on device", "x.png"), 1, "x.png"),
        (ImportError("libGL.so.1: cannot open shared object file"), 1, "libgl1"),
        (ZeroDivisionError("two\nlines"), 1, "PST_DEBUG=1"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_every_end_is_one_sentence(pair, capfd, monkeypatch, error, status, words):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("pst_core.pipeline.stylize.stylize", fail)
    before = everything()
    assert stylize(*pair, "-o", "result.png", *QUICK) == status
    assert words in refused(capfd, before, "")


def test_whole_program(pair):
    with begin("stylize", *pair, "-o", "result.png", *QUICK) as process:
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, "result.png\n"), err
    assert "Warning" not in err


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_ends_it_with_nothing_half_written(pair, number, status):
    endless = [part.replace("2", "100000") if part == "2" else part for part in QUICK]
    with begin("stylize", *pair, "-o", "out/result.png", *endless, "--json") as process:
        events = [json.loads(process.stdout.readline())["event"] for _ in range(2)]
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert events == ["start", "progress"]
    assert process.returncode == status
    assert err.startswith("pst: ")
    assert len(err.splitlines()) == 1
    assert not list(Path("out").iterdir())


# --- what is loaded

COMMANDS = [
    "", "stylize", "regions", "look", "apply", "run", "resume", "status", "serve", "worker", "store",
    "store verify", "store prune", "demo", "doctor", "presets", "methods", "evaluate", "compare", "ablate",
    "study", "study build", "study tally",
]  # fmt: skip


def loaded_by(*commands):
    """Names of all modules that a program has loaded which has run these commands."""
    program = (
        "import sys\nfrom flows.cli.app import run\n"
        f"assert not any(map(run, {commands!r}))\n"
        "print('loaded', *sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_help_does_not_load_the_engine():
    loaded = loaded_by(*([*command.split(), "--help"] for command in COMMANDS), ["presets"], ["methods"])
    assert "flows.cli.run" in loaded
    assert not loaded & {"torch", "prefect", "cv2", "numpy", "pyarrow", "PIL", "jinja2", "matplotlib"}


def test_the_programs_own_help_loads_no_command_and_no_settings():
    loaded = loaded_by(["--help"])
    assert {name for name in loaded if name.startswith("flows.cli.")} == {"flows.cli.app", "flows.cli.groups"}
    assert not loaded & {"pydantic", "pst_core.settings.config"}


IMPORTERS = """
import sys, traceback

class Listening:
    def find_spec(self, name, *_):
        if name == "prefect":
            callers = {frame.name for frame in traceback.extract_stack()}
            print("imported", "as it should" if "import_prefect" in callers else "past our settings")

sys.meta_path.insert(0, Listening())
from flows.cli.app import run
run(sys.argv[1:])
"""


@pytest.mark.parametrize("command", [
    "run gone --out out", "run gone --out out --dry-run", "run --sequence gone --style gone.png --out out",
    "run --sequence gone --style gone.png --out out --dry-run", "apply gone.cube gone --out out",
    "look gone.png gone.png -o look.cube", "evaluate gone --out out", "ablate gone --out out", "worker",
])  # fmt: skip
def test_what_needs_prefect_gets_it_with_our_settings(command):
    """Imported otherwise, Prefect reads what lies in the current folder, and prints its log."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PREFECT_API_URL": ""}
    done = subprocess.run(
        [sys.executable, "-P", "-c", IMPORTERS, *command.split()], env=environment, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert [line for line in done.stdout.splitlines() if line.startswith("imported")] in (
        ["imported as it should"], [],
    )  # fmt: skip
    assert "gone" in done.stderr or command == "worker"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_its_help(command):
    found = app
    for name in command.split():
        found = found[name]
    assert found.help
    if found.default_command:
        arguments = found.assemble_argument_collection(parse_docstring=True)
        silent = [argument.name for argument in arguments if argument.show and not argument.parameter.help]
        assert not silent


@pytest.mark.parametrize(
    ("wrong", "command"),
    [
        (["run", "--sise", "3"], "pst run --help"),
        (["store", "verify", "--part", "1"], "pst store --help"),
        (["study", "built"], "pst study --help"),
        (["restyle"], "pst --help"),
    ],
)
def test_wrong_use_is_sent_to_the_commands_help(capfd, wrong, command):
    assert run(wrong) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("pst: ") and wrong[-2 if len(wrong) > 2 else -1] in line
    assert line.endswith(f"; `{command}` lists what there is.")
