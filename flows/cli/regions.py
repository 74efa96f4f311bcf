"""`pst regions`: what would be used of a pair, before any work."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from flows.cli.groups import Json, Quiet, Switch
from flows.cli.options import NO_OPTIONS, SettingOptions, resolve
from flows.display.meter import emit
from flows.runtime.interrupts import uninterrupted


def regions(
    content: Path,
    style: Path,
    /,
    *,
    output: Annotated[Path, Parameter(name=("--output", "-o"))],
    content_map: Path | None = None,
    style_map: Path | None = None,
    overwrite: Switch = False,
    quiet: Quiet = False,
    as_json: Json = False,
    options: SettingOptions = NO_OPTIONS,
) -> None:
    """Draw both photographs with their regions, and say what found them.

    Parameters
    ----------
    content
        Photograph to restyle.
    style
        Photograph whose look it would get.
    output
        Where the picture of the regions goes: .png, .jpg, .webp or .tif.
    content_map
        Semantic map of CONTENT.
    style_map
        Semantic map of STYLE; both maps or neither.
    overwrite
        Replace the picture if it exists.
    as_json
        One JSON object per line on stdout: event regions, or error.
    """
    from flows.cli.job import Job, check_output, read_files

    named = {"content": content, "style": style, "content_map": content_map, "style_map": style_map}
    job = Job(
        {role: path for role, path in named.items() if path is not None}, output, resolve(options),
        overwrite=overwrite, with_report=False,
        protected=(options.settings,) if options.settings else (),
    )  # fmt: skip
    check_output(job)
    read = read_files(job)
    from pst_core.files import check_writable, write_bytes_atomically
    from pst_core.images.formats import output_format
    from pst_core.pictures import draw_preview
    from pst_core.pipeline.regions import preview_regions
    from pst_core.regions.labels import describe_regions

    check_writable(output.parent)
    found = preview_regions(**read.photographs, **read.maps, config=job.chosen.config)
    pair = found.inputs.content.filled, found.inputs.style.filled
    drawn = draw_preview(*pair, found.regions, output_format(output))
    with uninterrupted():
        write_bytes_atomically(output, drawn, overwrite=overwrite)
    if as_json:
        emit("regions", output=str(output), regions=describe_regions(found.regions), notes=found.notes)
    elif not quiet:
        print(output, flush=True)
        for note in found.notes:
            print(f"note: {note}", file=sys.stderr)
