"""`pst look`: the look of a finished result, for other programs."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from flows.cli.groups import Json, Quiet, Switch
from flows.display.meter import emit
from flows.layout import LOOK, LOOK_DATA
from flows.runtime.interrupts import uninterrupted
from pst_core.errors import OutputError
from pst_core.images.roles import by_style


def look(
    result: Path,
    content: Path | None = None,
    style: Path | None = None,
    /,
    *,
    output: Annotated[Path, Parameter(name=("--output", "-o"))],
    content_map: Path | None = None,
    style_map: Path | None = None,
    overwrite: Switch = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write the look as .cube files: of the whole picture, and of each region with its mask.

    Parameters
    ----------
    result
        A picture that this program made. Where its content, style and maps were is known from it.
    content
        Its content, if that is not where it was.
    style
        Its style, if that is not where it was.
    output
        Folder for look.cube, a look.REGION.cube with look.REGION.png, its mask, for each region, and
        look.parquet, which pst apply takes.
    content_map
        Its content's map, if that is not where it was.
    style_map
        Its style's map, if that is not where it was.
    overwrite
        Replace files that exist.
    as_json
        One JSON object per line on stdout: event look, or error.
    """
    from flows.cli.again import load_recipe
    from flows.runtime.settings import import_prefect

    import_prefect()
    from flows.results.looks import files_of, names_of_files

    given = {"content": content, "style": style, "content_map": content_map, "style_map": style_map}
    earlier = load_recipe(result)
    paths = by_style(earlier.paths({role: path for role, path in given.items() if path is not None}))[0]
    _check_free(output, [LOOK, LOOK_DATA], overwrite=overwrite)
    from pst_core.files import check_writable, names_synced_together, write_bytes_atomically
    from pst_core.images.reading import read_photograph
    from pst_core.pipeline.look import finding_of_pair, fit_look
    from pst_core.pipeline.regions import preview_regions

    picture = read_photograph(result)
    check_writable(output)
    config = earlier.chosen().config
    found = preview_regions(**paths, config=config)
    _check_free(output, names_of_files(found.regions.called), overwrite=overwrite)
    inputs = found.inputs
    finding = finding_of_pair(config, has_maps=inputs.content_map is not None)
    fitted = fit_look(
        inputs.content.filled, inputs.style.filled, found.regions, picture.filled, config, finding
    )
    files = files_of(fitted, result.stem, inputs.content)
    with uninterrupted(), names_synced_together():
        for name, data in files.items():
            write_bytes_atomically(output / name, data, overwrite=overwrite)
    if as_json:
        emit("look", output=str(output), files=list(files), notes=found.notes)
    elif not quiet:
        print(output / LOOK, flush=True)
        for note in found.notes:
            print(f"note: {note}", file=sys.stderr)


def _check_free(output: Path, names: Sequence[str], *, overwrite: bool) -> None:
    if output.exists() and not output.is_dir():
        raise OutputError(f"{output} is a file: name a folder, for a look is several files.")
    there = [name for name in names if (output / name).exists()]
    if there and not overwrite:
        raise OutputError(f"{output / there[0]} exists already: name another folder, or use --overwrite.")
