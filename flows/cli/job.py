"""One picture from the command line: everything checked before the work, everything written after it."""

import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from flows.cli.again import check_against, with_arithmetic
from flows.cli.options import Chosen
from flows.display.meter import emit
from flows.display.picture import choose_display
from flows.layout import LOOK, LOOK_DATA, look_path, losses_path, report_path
from flows.runtime.garbage import loading
from flows.runtime.interrupts import uninterrupted
from pst_core.errors import OutputError
from pst_core.images.roles import STYLES, is_map, map_of, styles_of
from pst_core.pipeline.trace import losses_table, summarise_losses
from pst_core.report import Recipe, Report, Run, read_own

if TYPE_CHECKING:
    from pst_core.images.carried import Carried
    from pst_core.images.reading import Photograph, SemanticMap
    from pst_core.pipeline.stylize import Result


@dataclass(frozen=True)
class Job:
    """One picture to make.

    Attributes
    ----------
    paths : mapping
        Role, see `pst_core.images.roles`, -> file.
    output : Path
    chosen : Chosen
        The settings.
    overwrite, quiet, as_json, with_recipe, with_report, with_look : bool
    earlier : Recipe, optional
        Of the result that is made again.
    protected : tuple of Path
        Files besides the inputs that must not become the output.
    """

    paths: Mapping[str, Path]
    output: Path
    chosen: Chosen
    overwrite: bool = False
    quiet: bool = False
    as_json: bool = False
    with_recipe: bool = True
    with_report: bool = True
    with_look: bool = False
    earlier: Recipe | None = None
    protected: tuple[Path, ...] = ()

    @property
    def targets(self) -> tuple[Path, ...]:
        """Every file that will be written, the picture first, but for those that are named after regions."""
        sides = (report_path(self.output), losses_path(self.output)) if self.with_report else ()
        looks = [look_path(self.output, name) for name in (LOOK, LOOK_DATA)] if self.with_look else []
        return (self.output, *sides, *looks)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a job left behind."""

    output: Path
    report: dict[str, Any]
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class InputsRead:
    """Inputs as read, once."""

    photographs: dict[str, "Photograph"] = field(default_factory=dict)
    maps: dict[str, "SemanticMap"] = field(default_factory=dict)

    @property
    def hashes(self) -> dict[str, str]:
        """Role -> sha256 of the file's bytes."""
        return {role: read.sha256 for role, read in (self.photographs | self.maps).items()}

    @property
    def styles(self) -> "list[Photograph]":
        """The style, and those that it is mixed with."""
        return [self.photographs[style] for style in styles_of(self.photographs)]

    @property
    def map_sources(self) -> "tuple[SemanticMap | None, list[SemanticMap] | None]":
        """The content's map and the styles', as far as they are given."""
        maps = [self.maps[map_of(style)] for style in STYLES if map_of(style) in self.maps]
        return self.maps.get("content_map"), maps or None


def run_job(job: Job) -> Outcome:
    """Make one picture and write it with its report.

    Raises
    ------
    PstError
        Whatever can be known before the work is known before it: nothing has been written then.
    """
    from pst_core.files import check_writable

    check_output(job)
    _check_depth(job)
    job.chosen.config.shares_of(len(styles_of(job.paths)))
    started = time.perf_counter()
    files = read_files(job)
    depth = _bit_depth(job, files.photographs["content"])
    reading = time.perf_counter() - started
    check_writable(job.output.parent)  # after the inputs: for the sake of a missing one no folder is made
    carried, lost = _carried(job, files.photographs["content"])
    notes = [*_lost_transparency(job, files.photographs["content"]), *lost]
    if job.earlier is not None:
        config = job.chosen.config
        notes = [*check_against(job.earlier, config, job.paths, files.hashes), *notes]
        job = replace(job, chosen=replace(job.chosen, config=with_arithmetic(job.earlier, config)))
    result = _stylize(job, files)
    run = _told(job, files, result, notes)
    seconds = {step: round(value, 3) for step, value in {**result.seconds, "read": reading}.items()}
    report = run.report(seconds=seconds, peak_memory_bytes=result.peak_memory)
    _write(job, result, run.recipe(), report, depth, carried)
    return Outcome(job.output, report.model_dump(mode="json"), report.notes)


def check_output(job: Job) -> None:
    """Find out now whether the result can be written, and that it harms no other file."""
    from pst_core.images.formats import output_format

    output_format(job.output)
    for target in job.targets:
        if target.is_dir():
            raise OutputError(f"{target} is a folder: name a file, such as {target / 'result.png'}.")
        for other in (*job.paths.values(), *job.protected):
            if _same_file(target, other):
                raise OutputError(
                    f"{target} is one of the files that go in and would be lost: choose another name."
                )
        if os.path.lexists(target) and not job.overwrite:
            raise OutputError(f"{target} exists already: choose another name, or use --overwrite.")
    if job.with_report:
        _check_replaceable(report_path(job.output))


def _check_depth(job: Job) -> None:
    from pst_core.images.formats import output_format

    if job.chosen.config.bit_depth == 16 and output_format(job.output) in ("JPEG", "WEBP"):
        raise OutputError(
            f"{job.output} cannot have 16 bits a channel: write PNG or TIFF, or use --bit-depth 8."
        )


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # one of them does not exist (yet)
        return os.path.realpath(one) == os.path.realpath(other)


def _check_replaceable(path: Path) -> None:
    """Refuse to replace some other program's JSON: --overwrite is about the picture and its report."""
    if path.exists() and not read_own(path):
        raise OutputError(
            f"{path} is no report of this program and is not overwritten: use another name or --no-report."
        )


def read_files(job: Job) -> InputsRead:
    """Read all that goes in, and see that the parts fit together."""
    from pst_core.images.inputs import load_mixture, load_start
    from pst_core.images.reading import read_map, read_photograph

    files = InputsRead()
    for role, path in job.paths.items():
        if is_map(role):
            files.maps[role] = read_map(path)
        else:
            files.photographs[role] = read_photograph(path)
    # Whether the parts fit together is known before torch is even loaded.
    inputs = load_mixture(files.photographs["content"], files.styles, *files.map_sources)
    if "start" in files.photographs:
        load_start(files.photographs["start"], inputs[0])
    return files


def _bit_depth(job: Job, content: "Photograph") -> Literal[8, 16]:
    from pst_core.images.formats import output_format

    asked = job.chosen.config.bit_depth
    if asked != "auto":
        return asked
    return 16 if content.bit_depth == 16 and output_format(job.output) in ("PNG", "TIFF") else 8


def _carried(job: Job, content: "Photograph") -> tuple["Carried", tuple[str, ...]]:
    """What goes along of what the content says about itself, and what of it is lost."""
    from pst_core.images.carried import carry
    from pst_core.images.formats import output_format

    return carry(content.stored, job.chosen.config.metadata, output_format(job.output))


def _lost_transparency(job: Job, content: "Photograph") -> list[str]:
    from pst_core.images.formats import output_format

    if content.alpha is None or output_format(job.output) != "JPEG":
        return []
    return [
        f"{job.output} is white where the content is transparent, as JPEG has no transparency: "
        "write PNG, WebP or TIFF to keep it."
    ]


def _stylize(job: Job, files: InputsRead) -> "Result":
    from pst_core.pipeline.plan import plan_stages

    content = files.photographs["content"]
    stages = plan_stages(job.chosen.config, max(content.width, content.height))
    if job.as_json:
        emit(
            "start", output=str(job.output), preset=job.chosen.preset, stages=len(stages),
            evaluations=sum(stage.iterations for stage in stages),
        )  # fmt: skip
    with choose_display(stages, quiet=job.quiet, as_json=job.as_json) as display:
        with loading():
            from pst_core.pipeline.stylize import stylize  # takes seconds, so the display is up by now

        return stylize(
            content, files.styles, *files.map_sources, job.chosen.config,
            start=files.photographs.get("start"), callback=display.update,
        )  # fmt: skip


def _told(job: Job, files: InputsRead, result: "Result", notes: Sequence[str]) -> Run:
    from pst_core.network.weights import describe_weights
    from pst_core.regions.labels import describe_regions

    return Run(
        job.output, job.paths, files.hashes, job.chosen.preset, result.config,
        describe_weights(result.weights), describe_regions(result.regions), result.color_match,
        result.device, result.dtype, summarise_losses(result.trace), (*result.notes, *notes),
        [describe_regions(each) for each in result.further_regions],
    )  # fmt: skip


def _write(
    job: Job, result: "Result", recipe: Recipe, report: Report, depth: Literal[8, 16], carried: "Carried"
) -> None:
    """Write the picture, then what explains it; if one fails, none that is new stays."""
    from pst_core.files import write_bytes_atomically
    from pst_core.images.writing import write_image

    content = result.inputs.content
    embedded = recipe.model_dump(mode="json") if job.with_recipe else None
    beside: dict[Path, bytes] = {}
    if job.with_report:
        beside[report_path(job.output)] = report.to_json()
        beside[losses_path(job.output)] = losses_table(result.trace)
    beside |= _look(job, result)
    writers: dict[Path, Callable[[], None]] = {
        job.output: lambda: write_image(
            job.output, result.image, bit_depth=depth, alpha=content.alpha, carried=carried,
            recipe=embedded, overwrite=job.overwrite,
        ),
    }  # fmt: skip
    for path, data in beside.items():
        writers[path] = partial(write_bytes_atomically, path, data, overwrite=job.overwrite)
    with uninterrupted():
        _all_or_nothing(writers)


def _look(job: Job, result: "Result") -> dict[Path, bytes]:
    """The files of the result's look, if it is asked for."""
    if not job.with_look:
        return {}
    from flows.results.looks import files_of
    from pst_core.pipeline.look import finding_of_pair, fit_look

    inputs, config = result.inputs, result.config
    finding = finding_of_pair(config, has_maps=inputs.content_map is not None)
    pair = inputs.content.filled, inputs.style.filled
    look = fit_look(*pair, result.regions, result.image, config, finding)
    files = files_of(look, job.output.stem, inputs.content)
    return {look_path(job.output, name): data for name, data in files.items()}


def _all_or_nothing(writers: Mapping[Path, Callable[[], None]]) -> None:
    """Write files in order; when one fails, take back those that were not there before."""
    from pst_core.files import names_synced_together

    there_before = {target for target in writers if os.path.lexists(target)}
    written: list[Path] = []
    try:
        with names_synced_together():
            for target, write in writers.items():
                write()
                written.append(target)
    except BaseException:
        for target in written:
            if target not in there_before:
                with contextlib.suppress(OSError):
                    target.unlink()
        raise
