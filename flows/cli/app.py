"""The command line `pst`: its commands, and how each of them ends."""

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from cyclopts import App, CycloptsError

from flows.cli.groups import BATCH, EVALUATION, FILES, SERVICE
from flows.runtime.cancellation import RunCancelled
from flows.runtime.current_folder import leave_a_folder_that_is_none
from flows.runtime.ending import deaf_to_signals, end_quietly, end_with
from flows.runtime.failures import explain_failure
from flows.runtime.garbage import pass_over_what_is_loaded
from flows.runtime.interrupts import Stopped, stopping
from flows.runtime.streams import open_streams
from pst_core.errors import ConfigError

NETWORK_SECONDS = 20.0
DEBUG = "PST_DEBUG"

EPILOGUE = (
    "Settings come from the command line, else from environment variables (PST_SIZE and so on, PST_PRESET), "
    "else from the --settings file, else from the preset. "
    "PST_VGG19_WEIGHTS names the file of VGG-19's weights. "
    "Exit status: 0 done, 1 not done, 3 some pairs of a batch failed, "
    "4 cancelled in Prefect's UI, 130 interrupted, 143 ended by SIGTERM."
)


def _version() -> str:
    from pst_core.report import package_version

    return package_version()


app = App(
    name="pst",
    help="Give photographs the look of others, region by region, and keep them photographs.",
    version=_version,
    help_format="plaintext",
    help_epilogue=EPILOGUE,
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
app.register_install_completion_command(help="Install tab completion for your shell.")

# Module and command, the panel of what belongs to it alone, its help: a module is loaded when it is used.
for _place, _panel, _help in (
    ("stylize:stylize", FILES, "Give the photograph CONTENT the look of the photograph STYLE."),
    ("regions:regions", FILES,
     "Show which regions of CONTENT and STYLE would be used, before any work."),
    ("look:look", FILES, "Write the look of a finished result as .cube files, which other programs read."),
    ("apply:apply", BATCH, "Apply the look of a finished result to every photograph of a folder."),
    ("run:run", BATCH,
     "Restyle every pair of a folder or a manifest; what is done already is not done again."),
    ("resume:resume", BATCH,
     "Go on with the batch or evaluation that was last run into OUT, from its last finished step."),
    ("status:status", BATCH,
     "Say where each pair of the batch, or each frame of the sequence, stands that was last run into OUT."),
    ("serve:serve", SERVICE,
     "Bring up a lasting service, and look after it: server, schedules, and workers."),
    ("worker:worker", SERVICE, "Work for the service at PREFECT_API_URL; this machine shares its PST_HOME."),
    ("store:store", None, "Look after what is kept under PST_HOME (default ~/.pst)."),
    ("demo:demo", BATCH,
     "Restyle the sample folder through Prefect and say where the results and the report are."),
    ("doctor:doctor", None, "Say what this machine has for the work, what is missing, and the way out."),
    ("presets:presets", None, "List the presets and what each one changes."),
    ("methods:methods", None, "List the methods that --method takes, and what each one sets."),
    ("evaluate:evaluate", EVALUATION,
     "Run methods over every pair of a folder, measure all results, and write the paper's Table 1."),
    ("evaluate:compare", EVALUATION,
     "Draw methods side by side with magnified details, as the paper's Figures 3 and 6."),
    ("evaluate:ablate", EVALUATION,
     "Draw what each stage does, as the paper's Figure 5: regional only, global only, both."),
    ("study:study", None, "Ask people which result looks real, and count their answers."),
):  # fmt: skip
    _panels: dict[str, Any] = {"group_arguments": _panel, "group_parameters": _panel} if _panel else {}
    app.command(f"flows.cli.{_place}", help=_help, **_panels)


def main() -> None:
    """Run the program and end the process with its exit status."""
    open_streams()
    if not _debugs():
        end_quietly()
    status = run(sys.argv[1:])
    end_with(status)
    pass_over_what_is_loaded()  # or the end of the process takes half a second where torch was loaded
    sys.exit(status)


def run(arguments: Sequence[str]) -> int:
    """Run one command; its exit status."""
    leave_a_folder_that_is_none()
    if _debugs():
        return _call(arguments)
    with stopping(), _calm():
        try:
            return _call(arguments)
        except (Exception, KeyboardInterrupt, Stopped, RunCancelled) as error:  # noqa: BLE001 - the last to be asked
            with deaf_to_signals():
                return _tell_failure(error, as_json="--json" in arguments)


def _debugs() -> bool:
    return os.environ.get(DEBUG) == "1"


def _call(arguments: Sequence[str]) -> int:
    try:
        answer = app(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        command = " ".join(["pst", *(error.command_chain or ())[:1], "--help"])
        raise ConfigError(f"{str(error).rstrip(' .,')}; `{command}` lists what there is.") from error
    return answer if isinstance(answer, int) else 0


def _tell_failure(error: BaseException, *, as_json: bool) -> int:
    sentence, status = explain_failure(error)
    print(f"pst: {sentence}", file=sys.stderr)
    if as_json:
        from flows.display.meter import emit

        emit("error", message=sentence, status=status)
    return status


@contextlib.contextmanager
def _calm() -> Iterator[None]:
    """No warnings meant for programmers, and no download that waits for ever."""
    import socket

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(NETWORK_SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        socket.setdefaulttimeout(before)
