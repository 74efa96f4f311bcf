"""`pst look`: the look of a finished result, for other programs."""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from flows.cli.groups import Json, Quiet, Switch
from flows.display.meter import emit
from flows.layout import LOOK, REGION_LOOK, REGION_MASK
from flows.runtime.interrupts import uninterrupted
from pst_core.errors import OutputError
from pst_core.images.roles import by_style

if TYPE_CHECKING:
    from pst_core.pipeline.look import Look


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
        Folder for look.cube, and a look.REGION.cube with look.REGION.png, its mask, for each region.
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

    given = {"content": content, "style": style, "content_map": content_map, "style_map": style_map}
    earlier = load_recipe(result)
    paths = by_style(earlier.paths({role: path for role, path in given.items() if path is not None}))[0]
    _check_free(output, [LOOK], overwrite=overwrite)
    from pst_core.files import check_writable, names_synced_together, write_bytes_atomically
    from pst_core.images.reading import read_photograph
    from pst_core.pipeline.look import fit_look
    from pst_core.pipeline.regions import preview_regions

    picture = read_photograph(result)
    check_writable(output)
    config = earlier.chosen().config
    found = preview_regions(**paths, config=config)
    for region in _file_names(found.regions.called):
        names = [name.replace("REGION", region) for name in (REGION_LOOK, REGION_MASK)]
        _check_free(output, names, overwrite=overwrite)
    fitted = fit_look(found.inputs, found.regions, picture.filled, config)
    files = _files(fitted, result.stem, (picture.height, picture.width))
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


def _files(look: "Look", title: str, size: tuple[int, int]) -> Mapping[str, bytes]:
    """Name -> bytes of every file."""
    from pst_core.looks.cube import cube_of
    from pst_core.pictures import draw_mask

    files = {LOOK: cube_of(look.whole, title)}
    regions = _file_names(look.names)
    for region, lattice, mask in zip(regions, look.regions, look.masks_at(*size), strict=True):
        files[REGION_LOOK.replace("REGION", region)] = cube_of(lattice, f"{title}, {region}")
        files[REGION_MASK.replace("REGION", region)] = draw_mask(mask)
    return files


def _file_names(names: Sequence[str]) -> list[str]:
    """What regions are called, as parts of files' names: each one once."""
    plain = [re.sub(r"[^0-9a-z]+", "-", name.lower()).strip("-") or "region" for name in names]
    if len(set(plain)) == len(plain):
        return plain
    return [f"{place}-{name}" for place, name in enumerate(plain)]
