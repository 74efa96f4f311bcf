"""The command line `pst`."""

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Group, Parameter

from flows.cli.evaluation_commands import add_commands
from flows.cli.job import Job, Outcome, run_job
from flows.cli.options import NO_OPTIONS, SETTINGS_GROUP, SettingOptions, preset_differences, resolve
from flows.display.picture import emit
from flows.runtime.failures import Stopped, explain_failure, stopping
from pst_core.errors import ConfigError, ImageError
from pst_core.settings.config import PRESETS, PresetName

__all__ = ["app", "main", "run"]

NETWORK_SECONDS = 20.0
DEBUG = "PST_DEBUG"

EPILOGUE = (
    "Settings come from the command line, else from environment variables (PST_SIZE and so on, PST_PRESET), "
    "else from the --settings file, else from the preset. "
    "PST_VGG19_WEIGHTS names the file of VGG-19's weights. "
    "Exit status: 0 done, 1 not done, 3 some pairs of a batch failed, 130 interrupted, 143 ended by SIGTERM."
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
_BATCH = Group("Batch", sort_key=0)
_Pairing = Literal["auto", "pairs", "one-style", "every-style", "luan", "manifest"]
_OnConflict = Literal["changed", "skip", "overwrite", "unique", "fail"]


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


@app.command(name="run")
def run_batch(
    source: Annotated[Path | None, Parameter(group=_BATCH)] = None,
    /,
    *,
    out: Annotated[Path | None, Parameter(name=("--out", "-o"), group=_BATCH)] = None,
    pairing: Annotated[_Pairing, Parameter(group=_BATCH)] = "auto",
    style: Annotated[Path | None, Parameter(group=_BATCH)] = None,
    on_conflict: Annotated[_OnConflict, Parameter(group=_BATCH)] = "changed",
    allow_outside: Annotated[bool, Parameter(group=_BATCH, negative=(), show_default=False)] = False,
    dry_run: Annotated[bool, Parameter(group=_BATCH, negative=(), show_default=False)] = False,
    settings: _File = None,
    preset: _Preset = None,
    quiet: _Switch = False,
    as_json: _Json = False,
    options: SettingOptions = NO_OPTIONS,
) -> int:
    """Restyle every pair of a folder or a manifest; what is done already is not done again.

    Parameters
    ----------
    source
        Folder with content/ and style/ (equal names make a pair; maps in content_maps/ and style_maps/), or a
        manifest: .csv, .jsonl or .parquet with columns content and style, and any setting.
    out
        Folder for the results: DIR/PAIR/result.png with its report, losses and regions.
    pairing
        pairs: equal names. one-style: every photograph with --style. every-style: every content with every
        style. luan: input/inN, style/tarN, segmentation/. auto finds out.
    style
        One style photograph for the whole folder.
    on_conflict
        What becomes of a result that is there. changed: replaced if inputs or settings changed. skip: left.
        overwrite: replaced, whoever made it. unique: a folder beside it. fail: the pair fails.
    allow_outside
        Let a manifest's paths lead out of its folder.
    dry_run
        List the pairs and what is done of each; do nothing.
    settings
        TOML file with settings under their names (size = 256), and preset.
    preset
        Settings to begin with; pst presets shows them.
    quiet
        Print nothing but errors.
    as_json
        One JSON object per line on stdout: event server, batch, start, pair (a pair's end), summary, error.
    """
    from flows.cli.batch import carry_out, list_standings, make_order

    order = make_order(
        source, out, resolve(options, preset, settings), pairing=pairing, style=style,
        on_conflict=on_conflict, allow_outside=allow_outside,
    )  # fmt: skip
    if dry_run:
        return list_standings(order, as_json=as_json)
    return carry_out(order, quiet=quiet, as_json=as_json)


@app.command
def resume(
    out: Annotated[Path, Parameter(group=_BATCH)],
    /,
    *,
    quiet: _Switch = False,
    as_json: _Json = False,
) -> int:
    """Go on with the batch or evaluation that was last run into OUT, from its last finished step.

    Parameters
    ----------
    out
        Folder of the results.
    quiet
        Print nothing but errors.
    as_json
        One JSON object per line on stdout, as for pst run.
    """
    from flows.cli.batch import carry_out, load_order
    from flows.cli.evaluation import carry_out_evaluation, load_evaluation

    evaluation = load_evaluation(out)
    if evaluation is not None:
        return carry_out_evaluation(evaluation, quiet=quiet, as_json=as_json)
    return carry_out(load_order(out), quiet=quiet, as_json=as_json)


@app.command
def status(out: Annotated[Path, Parameter(group=_BATCH)], /, *, as_json: _Json = False) -> int:
    """Say where each pair of the batch stands that was last run into the folder OUT, and why.

    Parameters
    ----------
    out
        Folder of the results.
    as_json
        One JSON object per line: event pair (name, state, steps, steps_kept, why), then summary.
    """
    from flows.cli.batch import list_standings, load_order

    return list_standings(load_order(out), as_json=as_json)


store = App(name="store", help="Look after what is kept under PST_HOME (default ~/.pst).")
app.command(store)


@store.default
def show_usage(*, as_json: _Json = False) -> None:
    """Say what the store holds, and how much of it results need that are still in their folders."""
    from flows.cli.store import print_usage

    print_usage(as_json=as_json)


@store.command
def verify(*, subset: str = "1/1", as_json: _Json = False) -> int:
    """Read everything in the store and report what is not as it was written; the next run heals it.

    Parameters
    ----------
    subset
        n/t reads the n-th of t parts only, for large stores.
    as_json
        A JSON list of what was found.
    """
    from flows.cli.store import print_damage

    return print_damage(subset, as_json=as_json)


@store.command
def prune(*, older_than: float = 24.0, dry_run: bool = False, as_json: _Json = False) -> None:
    """Remove what no result needs that is still in its folder.

    Parameters
    ----------
    older_than
        Hours: what was written later than this ago stays.
    dry_run
        Only tell what would go.
    as_json
        One JSON object.
    """
    from flows.cli.store import print_pruned

    print_pruned(older_than, dry_run=dry_run, as_json=as_json)


@app.command
def demo(
    *,
    out: Annotated[Path, Parameter(name=("--out", "-o"), group=_BATCH)] = Path("results/demo"),
    settings: _File = None,
    preset: _Preset = None,
    quiet: _Switch = False,
    options: SettingOptions = NO_OPTIONS,
) -> int:
    """Restyle the sample folder through Prefect and say where the results and the report are.

    Parameters
    ----------
    out
        Folder for the results.
    settings
        TOML file with settings under their names (size = 256), and preset.
    preset
        Settings to begin with; pst presets shows them.
    quiet
        Print nothing but errors.
    """
    from flows.cli.batch import carry_out, make_order
    from flows.cli.demo import with_weights_at_hand
    from pst_core.samples import find_samples

    choice = with_weights_at_hand(resolve(options, preset, settings))
    order = make_order(find_samples(), out, choice)
    return carry_out(order, quiet=quiet, as_json=False)


@app.command
def doctor(*, as_json: _Json = False) -> int:
    """Say what this machine has for the work, what is missing, and the way out.

    Parameters
    ----------
    as_json
        One JSON object: able, and findings with name, state (ok, warning, missing), text and way_out.
    """
    from flows.cli.doctor import examine

    return examine(as_json=as_json)


@app.command
def presets() -> None:
    """List the presets and what each one changes."""
    for name in PRESETS:
        print(name)
        for setting, (usual, changed) in preset_differences(name).items():
            print(f"  {setting} = {_plain(changed)} (default: {_plain(usual)})")


add_commands(app)


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
    from flows.cli.again import free_name, load_recipe

    earlier = load_recipe(source)
    surplus = sorted(set(paths) - set(earlier.recipe.hashes))
    if surplus:
        raise ImageError(
            f"{paths[surplus[0]]} has no part in {source}, which was made without a {surplus[0]}."
        )
    choice = resolve(options, preset, settings, base=earlier.choice())
    target = free_name(source) if output is None else output
    return Job(earlier.paths(paths), target, choice, earlier=earlier.recipe, protected=(source,))


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
