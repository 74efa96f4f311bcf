"""A finished pair's folder: the picture, what explains it, and a report that knows the others' hashes.

The report is written last and says under which key the result was made: a folder whose report has today's key
and whose files have the report's hashes is done, whatever else happened.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from flows.layout import CURVE, LOSSES, REGIONS, REPORT, RESULT
from flows.orders.planning import Plan
from pst_core.errors import ImageError, OutputError
from pst_core.files import write_bytes_atomically
from pst_core.images.embedding import read_recipe
from pst_core.images.writing import embed_recipe
from pst_core.pipeline.notes import notes_of
from pst_core.report import PROGRAM, Run, read_own
from pst_core.steady import open_steadily, read_steadily
from pst_core.store import open_store
from tasks.pair import Made


@dataclass(frozen=True)
class _Place:
    """A folder when it was looked at: whether it held a result, and that one's report, if it is ours."""

    folder: Path
    taken: bool
    report: Mapping[str, Any]


def choose_folder(plan: Plan) -> Path | None:
    """Where the result goes by the order's policy on conflicts; None if what is there is to be left.

    Raises
    ------
    OutputError
        Something is in the way that is not this program's, or is not to be replaced.
    """
    place = _choose(plan)
    return None if place is None else place.folder


def publish(plan: Plan, made: Made, key: str) -> Path | None:
    """Bring a finished pair's folder up to date, and return it; None if what is there is to be left.

    What came there while the pair was computed is held to the order's policy like anything that was there
    before, down to the moment in which the result gets its name.

    Parameters
    ----------
    key
        Under which the result was made: the plan's, or that of a cheaper plan.

    Raises
    ------
    StoreMiss
        An artifact is gone from the store.
    OutputError
        As for `choose_folder`, or the folder cannot be written.
    """
    while (place := _choose(plan)) is not None:
        if _write(place, _files(plan, made, key, place.folder)):
            return place.folder
    return None


def is_published(folder: Path, key: str) -> bool:
    """Whether a folder holds the result of this key, whole and unaltered."""
    report = read_report(folder)
    files = report.get("files")
    if report.get("key") != key or not isinstance(files, dict):
        return False
    return all(_sha256(folder / str(name)) == sha256 for name, sha256 in files.items())


def notes_on(plan: Plan, made: Made) -> tuple[str, ...]:
    """What a person should know about a finished pair, first what had to be given up for want of memory."""
    given_up = [
        f"{name} {getattr(made.config, name)} in place of {getattr(plan.config, name)}"
        for name in ("size", "device", "precision")
        if getattr(made.config, name) != getattr(plan.config, name)
    ]
    spared = [f"The memory was not enough: made with {', '.join(given_up)}."] if given_up else []
    trained = bool(made.precomputed.weights["trained"])
    unmatched = made.segmented.unmatched
    return (*spared, *notes_of(made.segmented.notes, made.config, unmatched=unmatched, trained=trained))


def read_report(folder: Path) -> dict[str, Any]:
    """The report of a folder; empty if it has none of this program's."""
    return read_own(folder / REPORT)


def _choose(plan: Plan) -> _Place | None:
    place = _place(plan.order.folder)
    if not place.taken or place.report.get("key") == plan.key:
        return place
    match plan.order.on_conflict:
        case "skip":
            return None
        case "overwrite":
            return place
        case "unique":
            return _free_place(plan)
        case "changed" if place.report:
            return place
        case "changed":
            raise OutputError(
                f"{place.folder} holds a result that is not this program's: choose another --out folder, "
                "or --on-conflict overwrite."
            )
        case "fail":
            raise OutputError(
                f"{place.folder} holds a result of other inputs or settings: choose another --out folder, "
                "or another --on-conflict."
            )


def _write(place: _Place, files: Mapping[str, bytes]) -> bool:
    """Write what is not there yet; False if another's result was quicker to take a place that was free."""
    for name, data in files.items():
        path = place.folder / name
        claims = name == RESULT and not place.taken
        if _has(path, data):
            continue
        try:
            write_bytes_atomically(path, data, overwrite=not claims)
        except OutputError:
            if claims and os.path.lexists(path):
                return False
            raise
    return True


def _files(plan: Plan, made: Made, key: str, folder: Path) -> dict[str, bytes]:
    """Every file of a result's folder, in the order in which they are written: the report last."""
    store, run = open_store(), _run(plan, made, folder / RESULT)
    recipe = run.recipe().model_dump(mode="json")
    files = {
        RESULT: embed_recipe(store.read(made.rendered.picture), recipe),
        LOSSES: store.read(made.explained.losses),
        CURVE: store.read(made.explained.curve),
        REGIONS: store.read(made.explained.region_map),
    }
    report = run.report(
        pair=plan.order.name, key=key,
        scores=made.scored.scores | {"models": made.scored.models},
        files={name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    )  # fmt: skip
    return files | {REPORT: report.to_json()}


def _run(plan: Plan, made: Made, output: Path) -> Run:
    return Run(
        output, plan.order.paths, {role: file.sha256 for role, file in plan.files.given.items()},
        plan.order.preset, made.config, made.precomputed.weights, made.segmented.description,
        made.rendered.color_match, made.precomputed.device, made.precomputed.dtype, made.explained.stages,
        notes_on(plan, made),
    )  # fmt: skip


def _place(folder: Path) -> _Place:
    """A folder by its report, or by the recipe in its picture where the report is lost or damaged."""
    taken = any(os.path.lexists(folder / name) for name in (RESULT, REPORT))
    return _Place(folder, taken, read_report(folder) or _recipe_in(folder / RESULT))


def _recipe_in(picture: Path) -> dict[str, Any]:
    try:
        recipe = read_recipe(picture) if picture.is_file() else None
    except ImageError:
        recipe = None
    return recipe if recipe and recipe.get("program") == PROGRAM else {}


def _free_place(plan: Plan) -> _Place:
    """The first of name-2, name-3 and so on that is free, or holds this very result."""
    for number in count(2):
        place = _place(plan.order.folder.with_name(f"{plan.order.folder.name}-{number}"))
        if not place.taken or place.report.get("key") == plan.key:
            break
    return place


def _has(path: Path, data: bytes) -> bool:
    try:
        return path.stat().st_size == len(data) and read_steadily(path) == data
    except OSError:
        return False


def _sha256(path: Path) -> str:
    try:
        with open_steadily(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
