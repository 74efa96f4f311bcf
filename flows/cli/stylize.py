"""`pst stylize`: one picture, or one made again."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from flows.cli.groups import Json, Quiet, Switch
from flows.cli.options import NO_OPTIONS, SettingOptions, resolve
from flows.pairs.styles import name_styles
from pst_core.errors import ConfigError, ImageError

if TYPE_CHECKING:
    from flows.cli.job import Job, Outcome


def stylize(
    content: Path | None = None,
    style: Path | None = None,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=("--output", "-o"))] = None,
    content_map: Path | None = None,
    style_map: tuple[Path, ...] = (),
    further: Annotated[tuple[Path, ...], Parameter(name="--style")] = (),
    start: Path | None = None,
    result: Annotated[Path | None, Parameter(name="--from")] = None,
    overwrite: Switch = False,
    quiet: Quiet = False,
    as_json: Json = False,
    no_recipe: Switch = False,
    no_report: Switch = False,
    look: Switch = False,
    options: SettingOptions = NO_OPTIONS,
) -> None:
    """Make one picture, and say where it is.

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
        Semantic map of STYLE; both maps or neither. Without them regions are found. Given once more for each
        --style, in their order.
    further
        Another photograph whose look is mixed with that of STYLE, and so on up to four; --shares says how.
    start
        Picture to start from in place of --init, of CONTENT's shape.
    result
        Make this result (or the one of this report, .json) again. Settings given here replace its own.
    overwrite
        Replace the result if it exists.
    as_json
        One JSON object per line on stdout: event start, progress (an evaluation), report (the last), error.
    no_recipe
        Leave the recipe out of the picture.
    no_report
        Write neither the report (.json) nor the losses (.losses.parquet) beside the picture.
    look
        Write its look beside it: .look.cube, and per region .look.REGION.cube and .look.REGION.png, its mask.
    """
    from flows.cli.job import run_job

    named = {"content": content, "style": style, "content_map": content_map, "start": start}
    paths = {role: path for role, path in named.items() if path is not None} | _styles(
        style, further, style_map
    )
    job = _new(paths, output, options) if result is None else _again(result, paths, output, options)
    job = replace(
        job, overwrite=overwrite, quiet=quiet, as_json=as_json,
        with_recipe=not no_recipe, with_report=not no_report, with_look=look,
        protected=(*job.protected, *([options.settings] if options.settings else [])),
    )  # fmt: skip
    _tell(run_job(job), quiet=quiet, as_json=as_json)


def _styles(style: Path | None, further: tuple[Path, ...], maps: tuple[Path, ...]) -> dict[str, Path]:
    """Role -> file of all styles and their maps; the first may be named as the others are."""
    styles = further if style is None else (style, *further)
    first = {"style": styles[0]} if styles else {}
    first |= {"style_map": maps[0]} if maps else {}
    return first | name_styles(styles[1:], maps[1:])


def _new(paths: dict[str, Path], output: Path | None, options: SettingOptions) -> "Job":
    from flows.cli.job import Job

    if not {"content", "style"} <= set(paths):
        raise ConfigError("Two photographs are needed: pst stylize CONTENT STYLE -o OUT.png.")
    if output is None:
        raise ConfigError("Say where the result goes, with --output OUT.png (or -o).")
    return Job(paths, output, resolve(options))


def _again(source: Path, paths: dict[str, Path], output: Path | None, options: SettingOptions) -> "Job":
    """Turn a result's recipe into a job; what is given here goes before what it says."""
    from flows.cli.again import free_name, load_recipe
    from flows.cli.job import Job

    earlier = load_recipe(source)
    surplus = sorted(set(paths) - set(earlier.recipe.hashes))
    if surplus:
        raise ImageError(
            f"{paths[surplus[0]]} has no part in {source}, which was made without a {surplus[0]}."
        )
    chosen = resolve(options, base=earlier.chosen())
    target = free_name(source) if output is None else output
    return Job(earlier.paths(paths), target, chosen, earlier=earlier.recipe, protected=(source,))


def _tell(outcome: "Outcome", *, quiet: bool, as_json: bool) -> None:
    """Say where the result is, and what there is to know about it."""
    from flows.display.meter import emit

    if as_json:
        emit("report", **outcome.report)
    elif not quiet:
        print(outcome.output, flush=True)
        for note in outcome.notes:
            print(f"note: {note}", file=sys.stderr)
