"""The command line `pst`."""

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import App, Group, Parameter

from flows.display import emit
from flows.failures import Stopped, explain_failure, stopping
from flows.job import Job, Outcome, run_job
from flows.options import NO_OPTIONS, SETTINGS_GROUP, SettingOptions, preset_differences, resolve
from pst_core.config import PRESETS, PresetName
from pst_core.errors import ConfigError, ImageError, WeightsError

__all__ = ["app", "main", "run"]

NETWORK_SECONDS = 20.0
DEBUG = "PST_DEBUG"

EPILOGUE = (
    "Settings come from the command line, else from environment variables (PST_SIZE and so on, PST_PRESET), "
    "else from the --settings file, else from the preset. "
    "PST_VGG19_WEIGHTS names the file of VGG-19's weights. "
    "Exit status: 0 done, 1 not done, 130 interrupted, 143 ended by SIGTERM."
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

_FILES = Group("Files", sort_key=0)
_OUTPUT = Group("Output", sort_key=2)
_File = Annotated[Path | None, Parameter(group=_FILES)]
_Switch = Annotated[bool, Parameter(group=_OUTPUT, negative=(), show_default=False)]
_Json = Annotated[bool, Parameter(name="--json", group=_OUTPUT, negative=(), show_default=False)]
_Preset = Annotated[PresetName | None, Parameter(group=SETTINGS_GROUP)]


@app.command
def stylize(
    content: _File = None,
    style: _File = None,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=("--output", "-o"), group=_FILES)] = None,
    content_map: _File = None,
    style_map: _File = None,
    start: _File = None,
    result: Annotated[Path | None, Parameter(name="--from", group=_FILES)] = None,
    settings: _File = None,
    preset: _Preset = None,
    overwrite: _Switch = False,
    quiet: _Switch = False,
    as_json: _Json = False,
    no_recipe: _Switch = False,
    no_report: _Switch = False,
    options: SettingOptions = NO_OPTIONS,
) -> None:
    """Give the photograph CONTENT the look of the photograph STYLE.

    Parameters
    ----------
    content
        Photograph to restyle: JPEG, PNG, WebP, TIFF or BMP.
    style
        Photograph whose look it gets.
    output
        Where the result goes: .png, .jpg, .webp or .tif. With --from, unless given, a free name beside it.
    content_map
        Semantic map of CONTENT: a picture in which equal colours mark what belongs together.
    style_map
        Semantic map of STYLE; both maps or neither. Without them regions are found.
    start
        Picture to start from in place of --init, of CONTENT's shape.
    result
        Make this result (or the one of this report, .json) again. Settings given here replace its own.
    settings
        TOML file with settings under their names (size = 256), and preset.
    preset
        Settings to begin with; pst presets shows them.
    overwrite
        Replace the result if it exists.
    quiet
        Print nothing but errors.
    as_json
        One JSON object per line on stdout: event start, progress (an evaluation), report (the last), error.
    no_recipe
        Leave the recipe out of the picture.
    no_report
        Write neither the report (.json) nor the losses (.losses.parquet) beside the picture.
    """
    named = {
        "content": content,
        "style": style,
        "content_map": content_map,
        "style_map": style_map,
        "start": start,
    }
    paths = {role: path for role, path in named.items() if path is not None}
    if result is None:
        job = Job(_both(paths), _named(output), resolve(options, preset, settings))
    else:
        job = _again(result, paths, output, options=options, preset=preset, settings=settings)
    job = replace(
        job, overwrite=overwrite, quiet=quiet, as_json=as_json,
        with_recipe=not no_recipe, with_report=not no_report,
        protected=(*job.protected, *([settings] if settings else [])),
    )  # fmt: skip
    _tell(run_job(job), quiet=quiet, as_json=as_json)


@app.command
def demo(
    *,
    output: Annotated[Path, Parameter(name=("--output", "-o"), group=_FILES)] = Path("results/demo"),
    settings: _File = None,
    preset: _Preset = None,
    quiet: _Switch = False,
    options: SettingOptions = NO_OPTIONS,
) -> None:
    """Restyle the sample photograph and say where the result is.

    Parameters
    ----------
    output
        Folder for result.png, its report and its losses; an earlier demo in it is replaced.
    settings
        TOML file with settings under their names (size = 256), and preset.
    preset
        Settings to begin with; pst presets shows them.
    quiet
        Print nothing but errors.
    """
    from pst_core.samples import sample_pair

    choice = resolve(options, preset, settings)
    job = Job(vars(sample_pair()), output / "result.png", choice, overwrite=True, quiet=quiet)
    try:
        outcome = run_job(job)
    except WeightsError as error:
        if choice.config.weights is not None or os.environ.get("PST_VGG19_WEIGHTS"):
            raise  # a file that was asked for is not silently done without
        print(f"warning: {error} The demo goes on with the untrained network.", file=sys.stderr)
        untrained = replace(choice, config=choice.config.model_copy(update={"weights": "untrained"}))
        outcome = run_job(replace(job, choice=untrained))
    _tell(outcome, quiet=quiet, as_json=False)


@app.command
def doctor(*, as_json: _Json = False) -> int:
    """Say what this machine has for the work, what is missing, and the way out.

    Parameters
    ----------
    as_json
        One JSON object: able, and findings with name, state (ok, warning, missing), text and way_out.
    """
    from flows.doctor import examine

    return examine(as_json=as_json)


@app.command
def presets() -> None:
    """List the presets and what each one changes."""
    for name in PRESETS:
        print(name)
        for setting, (usual, changed) in preset_differences(name).items():
            print(f"  {setting} = {_plain(changed)} (default: {_plain(usual)})")


def main() -> None:
    """Run the program and end the process with its exit status."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):  # a stream that something else was put in the place of
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command; its exit status."""
    if os.environ.get(DEBUG) == "1":
        return _status(app(arguments, exit_on_error=False, print_error=False))
    with stopping(), _calm():
        try:
            return _status(app(arguments, exit_on_error=False, print_error=False))
        except BrokenPipeError:  # whoever read our output has gone, which is no failure worth a word
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        except (Exception, KeyboardInterrupt, Stopped) as error:  # noqa: BLE001 - the last to be asked
            sentence, status = explain_failure(error)
            print(f"pst: {sentence}", file=sys.stderr)
            if "--json" in arguments:
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


def _status(answer: object) -> int:
    return answer if isinstance(answer, int) else 0


def _both(paths: dict[str, Path]) -> dict[str, Path]:
    if not {"content", "style"} <= set(paths):
        raise ConfigError("Two photographs are needed: pst stylize CONTENT STYLE -o OUT.png.")
    return paths


def _named(output: Path | None) -> Path:
    if output is None:
        raise ConfigError("Say where the result goes, with --output OUT.png (or -o).")
    return output


def _again(
    source: Path,
    paths: dict[str, Path],
    output: Path | None,
    *,
    options: object,
    preset: str | None,
    settings: Path | None,
) -> Job:
    """Turn a result's recipe into a job; what is given here goes before what it says."""
    from flows.again import free_name, load_recipe

    recipe = load_recipe(source)
    expected = recipe.expected()
    surplus = sorted(set(paths) - set(expected.hashes))
    if surplus:
        raise ImageError(
            f"{paths[surplus[0]]} has no part in {source}, which was made without a {surplus[0]}."
        )
    choice = resolve(options, preset, settings, base=recipe.choice())
    target = free_name(source) if output is None else output
    return Job(recipe.paths(paths), target, choice, expected=expected, protected=(source,))


def _tell(outcome: Outcome, *, quiet: bool, as_json: bool) -> None:
    """Say where the result is, and what there is to know about it."""
    if as_json:
        emit("report", **outcome.report)
    elif not quiet:
        print(outcome.output, flush=True)
        for note in outcome.notes:
            print(f"note: {note}", file=sys.stderr)


def _plain(value: object) -> str:
    return "none" if value is None else str(value)
