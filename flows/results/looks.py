"""Looks as files: what they are called, and where one is to be had."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.layout import BATCH, KEYS, LOOK, LOOK_DATA, REGION_LOOK, REGION_MASK, REPORT, SEQUENCE
from pst_core.errors import LookError, PstError
from pst_core.images.input_files import InputFile, probe
from pst_core.images.roles import PHOTOGRAPHS, has_maps
from pst_core.network.identity import Network
from pst_core.report import read_own
from pst_core.settings.config import Config
from pst_core.steady import read_steadily
from pst_core.store import Reference, StoreMiss, open_store
from pst_core.store.handing import bytes_of
from tasks.looks import inputs_of_fit
from tasks.pair import Made
from tasks.results import Fitted

if TYPE_CHECKING:
    from pst_core.images.reading import Photograph
    from pst_core.pipeline.look import Look

WAY_OUT = "name a .cube file, a folder that pst look wrote, or a pair's folder of results"


@dataclass(frozen=True)
class LookSource:
    """Where a look is to be had.

    Attributes
    ----------
    kept : Reference, optional
        The look, which is in the store.
    fitted_to : mapping
        If it is not: what `tasks.looks.fit` takes.
    """

    kept: Reference | None = None
    fitted_to: Mapping[str, Any] | None = None


def names_of_regions(names: Sequence[str]) -> list[str]:
    """What regions are called, as parts of files' names: each one once."""
    plain = [re.sub(r"[^0-9a-z]+", "-", name.lower()).strip("-") or "region" for name in names]
    if len(set(plain)) == len(plain):
        return plain
    return [f"{place}-{name}" for place, name in enumerate(plain)]


def names_of_files(names: Sequence[str]) -> list[str]:
    """Names of every file of a look with regions so called."""
    files = [LOOK_DATA, LOOK]
    for region in names_of_regions(names):
        files += [each.replace("REGION", region) for each in (REGION_LOOK, REGION_MASK)]
    return files


def files_kept(fitted: Fitted) -> dict[str, bytes]:
    """Name -> bytes of every file of a look that is in the store.

    Raises
    ------
    StoreMiss
        A part of it is gone from there.
    """
    parts = [fitted.look, fitted.cube]
    parts += [part for region in fitted.regions for part in (region.cube, region.mask)]
    names = names_of_files([region.name for region in fitted.regions])
    return {name: bytes_of(part) for name, part in zip(names, parts, strict=True)}


def files_of(look: "Look", title: str, content: "Photograph") -> dict[str, bytes]:
    """Name -> bytes of every file of a look of a content."""
    from pst_core.looks.cube import cube_of
    from pst_core.pictures import draw_mask
    from pst_core.pipeline.artifacts import LOOK as KIND

    files = [KIND.pack(look), cube_of(look.whole, title)]
    for region, lattice, mask in zip(look.names, look.regions, look.masks_at(content.filled), strict=True):
        files += [cube_of(lattice, f"{title}, {region}"), draw_mask(mask)]
    return dict(zip(names_of_files(look.names), files, strict=True))


def find_look(path: Path) -> LookSource:
    """Read a look, or find what it is fitted to.

    Parameters
    ----------
    path
        A .cube file, a folder of `pst look`, or a pair's folder of results.

    Raises
    ------
    PstError
        There is no look, or it cannot be used.
    """
    if path.suffix.lower() == Path(LOOK).suffix:
        return LookSource(kept=_keep(_whole(path)))
    data = path / LOOK_DATA if path.is_dir() else path
    if data.name.endswith(LOOK_DATA) and data.exists():
        return LookSource(kept=_keep(_read(data)))
    if (report := read_own(path / REPORT)) and "key" in report:
        return LookSource(fitted_to=_parts_of_result(path, report))
    raise LookError(f"{path} {_why_none(path)}.")


def _why_none(path: Path) -> str:
    """Why nothing at a path is a look, and the way out: of many pairs' results one is to be named."""
    for told, order, results in (
        ("a sequence, of which each key frame has a look", SEQUENCE, path / KEYS),
        ("a batch, of which each pair has a look", BATCH, path),
    ):
        if (path / order).exists() and (pair := _first_pair(results)) is not None:
            return f"holds {told}: name the folder of one, such as {pair}"
    why = "holds no look" if path.is_dir() else "is no look" if path.exists() else "does not exist"
    return f"{why}: {WAY_OUT}"


def _first_pair(results: Path) -> Path | None:
    """The first pair's folder among results, by name."""
    return min((report.parent for report in results.glob(f"*/{REPORT}")), default=None)


def _whole(path: Path) -> "Look":
    from pst_core.looks.cube import read_cube
    from pst_core.pipeline.look import Look

    return Look.of_whole(read_cube(path))


def _read(path: Path) -> "Look":
    from pst_core.pipeline.artifacts import CPU
    from pst_core.pipeline.artifacts import LOOK as KIND

    try:
        return KIND.unpack(read_steadily(path), CPU)
    except OSError as error:
        raise LookError(f"{path} cannot be read ({error.strerror}): {WAY_OUT}.") from error
    except LookError as error:
        raise LookError(f"{path}: {error}") from error
    except PstError as error:
        raise LookError(f"{path} is damaged: write the look anew with pst look.") from error


def _keep(look: "Look") -> Reference:
    from pst_core.pipeline.artifacts import LOOK as KIND

    return KIND.keep(look)


def _parts_of_result(folder: Path, report: Mapping[str, Any]) -> dict[str, Any]:
    """What a finished pair's look is fitted to: its steps' results, and its photographs as they were."""
    try:
        made = Made.model_validate_json(open_store().read_receipt(report["key"]).content)
    except (StoreMiss, ValueError) as error:
        raise LookError(
            f"The steps of {folder} are no longer in the store: write its look with "
            f"pst look {folder / report['output']} -o DIR, and apply that."
        ) from error
    files = {role: _as_it_was(folder, role, report["inputs"][role]) for role in PHOTOGRAPHS}
    network = Network.of(made.config, has_maps=has_maps(report["inputs"]))
    return inputs_of_fit(made.rendered.picture, made.segmented[0].regions, files, made.config, network)


def _as_it_was(folder: Path, role: str, told: Mapping[str, str]) -> InputFile:
    places = [Path(told["given"]), *([folder / told["beside"]] if "beside" in told else [])]
    path = next((place for place in places if place.is_file()), places[0])
    if not path.is_file():
        raise LookError(f"The {role} of {folder} is not found at {path}: put it back, or name its look.")
    file = probe(path)
    if file.sha256 != told["sha256"]:
        raise LookError(f"The {role} of {folder} has changed: put {path} back as it was, or name its look.")
    return file


def finding_of(look: Reference) -> tuple[Config | None, str]:
    """The settings by which a look's regions are found, and what found them; None where none are found."""
    from pst_core.pipeline.artifacts import LOOK as KIND

    known = KIND.load(look)
    if known.finding is None or len(known.regions) < 2:
        return None, ""
    return Config.make(**known.finding.settings), known.finding.finder


def network_of(config: Config, finder: str) -> Network:
    """What finds regions as a look's were, if it is at hand.

    Raises
    ------
    PstError
        Something else would find them here.
    """
    from pst_core.pipeline.look import told_of

    network = Network.of(config, has_maps=False)
    if (here := told_of(network)) != finder:
        raise LookError(
            f"The look's regions were found by {finder}, and here there is {here}: name the same model or "
            "weights in the environment, give maps, or apply the look as a whole (--whole)."
        )
    return network
