"""A finished pair's folder: the picture, what explains it, and a report that knows the others' hashes.

The report is written last and says under which key the result was made: a folder whose report has today's key
and whose files have the report's hashes is done, whatever else happened.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from flows.layout import CURVE, LOSSES, REGIONS, Place
from flows.orders.planning import Plan
from pst_core.errors import ImageError, OutputError
from pst_core.files import names_synced_together, write_bytes_atomically
from pst_core.images.embedding import read_recipe
from pst_core.images.writing import embed
from pst_core.pipeline.notes import notes_of
from pst_core.report import PROGRAM, Run, read_own
from pst_core.steady import read_steadily
from pst_core.store.handing import bytes_of
from tasks.pair import Made


@dataclass(frozen=True)
class _Found:
    """A place when it was looked at: whether it held a result, and that one's report, if it is ours."""

    place: Place
    taken: bool
    report: Mapping[str, Any]


def choose_place(plan: Plan) -> Place | None:
    """Where the result goes by the order's policy on conflicts; None if what is there is to be left.

    Raises
    ------
    OutputError
        Something is in the way that is not this program's, or is not to be replaced.
    """
    found = _choose(plan)
    return None if found is None else found.place


def publish(plan: Plan, made: Made, key: str) -> Place | None:
    """Bring a finished pair's files up to date; where they lie, or None if what is there is to be left.

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
        As for `choose_place`, or the folder cannot be written.
    """
    while (found := _choose(plan)) is not None:
        if _write(found, _files(plan, made, key, found.place)):
            return found.place
    return None


def is_published(place: Place, key: str) -> bool:
    """Whether a place holds the result of this key, whole and unaltered."""
    report = read_report(place)
    files = report.get("files")
    if report.get("key") != key or not isinstance(files, dict):
        return False
    return all(_sha256(place.folder / str(name)) == sha256 for name, sha256 in files.items())


def notes_on(plan: Plan, made: Made) -> tuple[str, ...]:
    """What a person should know about a finished pair, first what had to be given up for want of memory."""
    given_up = [
        f"{name} {getattr(made.config, name)} in place of {getattr(plan.config, name)}"
        for name in ("size", "device", "precision")
        if getattr(made.config, name) != getattr(plan.config, name)
    ]
    spared = [f"The memory was not enough: made with {', '.join(given_up)}."] if given_up else []
    trained = bool(made.precomputed.weights["trained"])
    unmatched = any(each.unmatched for each in made.segmented)
    notes = [*(note for each in made.segmented for note in each.notes), *made.rendered.notes]
    return (*spared, *notes_of(notes, made.config, unmatched=unmatched, trained=trained))


def read_report(place: Place) -> dict[str, Any]:
    """The report of a place; empty if it has none of this program's."""
    return read_own(place.report)


def _choose(plan: Plan) -> _Found | None:
    found = _look_at(plan.order.place)
    if not found.taken or found.report.get("key") == plan.key:
        return found
    match plan.order.on_conflict:
        case "skip":
            return None
        case "overwrite":
            return found
        case "unique":
            return _free_place(plan)
        case "changed" if found.report:
            return found
        case "changed":
            raise OutputError(
                f"{_shown(found.place)} holds a result that is not this program's: "
                "choose another --out folder, or --on-conflict overwrite."
            )
        case "fail":
            raise OutputError(
                f"{_shown(found.place)} holds a result of other inputs or settings: "
                "choose another --out folder, or another --on-conflict."
            )


def _shown(place: Place) -> Path:
    """What a place is known by: the pair's folder, or its picture among others."""
    return place.folder if place.picture.parent == place.folder else place.picture


def _write(found: _Found, files: Mapping[Path, bytes]) -> bool:
    """Write what is not there yet; False if another's result was quicker to take a place that was free."""
    with names_synced_together():
        for path, data in files.items():
            claims = path == found.place.picture and not found.taken
            if _has(path, data):
                continue
            try:
                write_bytes_atomically(path, data, overwrite=not claims)
            except OutputError:
                if claims and os.path.lexists(path):
                    return False
                raise
    return True


def _files(plan: Plan, made: Made, key: str, place: Place) -> dict[Path, bytes]:
    """Every file of a result, in the order in which they are written: the report last."""
    run = _run(plan, made, place.picture)
    recipe = run.recipe().model_dump(mode="json")
    files = {
        place.picture_from_folder: embed(
            bytes_of(made.rendered.picture), bytes_of(made.rendered.described), recipe
        ),
        LOSSES: bytes_of(made.explained.losses),
        CURVE: bytes_of(made.explained.curve),
        REGIONS: bytes_of(made.explained.region_map),
    }
    # Places in a report are seen from where it lies; the picture is called the same there.
    seen = place.folder / place.picture.name
    report = (run if seen == place.picture else replace(run, output=seen)).report(
        pair=plan.order.name, key=key,
        scores=made.scored.scores | {"models": made.scored.models},
        files={name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    )  # fmt: skip
    paths = (place.picture, *(place.folder / name for name in (LOSSES, CURVE, REGIONS)), place.report)
    return dict(zip(paths, (*files.values(), report.to_json()), strict=True))


def _run(plan: Plan, made: Made, output: Path) -> Run:
    return Run(
        output, plan.order.paths, {role: file.sha256 for role, file in plan.files.given.items()},
        plan.order.preset, made.config, made.precomputed.weights, made.segmented[0].description,
        made.rendered.color_match, made.precomputed.device, made.precomputed.dtype, made.explained.stages,
        notes_on(plan, made), [each.description for each in made.segmented[1:]],
    )  # fmt: skip


def _look_at(place: Place) -> _Found:
    """A place by its report, or by the recipe in its picture where the report is lost or damaged."""
    taken = any(map(os.path.lexists, (place.picture, place.report)))
    return _Found(place, taken, read_report(place) or _recipe_in(place.picture))


def _recipe_in(picture: Path) -> dict[str, Any]:
    try:
        recipe = read_recipe(picture) if picture.is_file() else None
    except ImageError:
        recipe = None
    return recipe if recipe and recipe.get("program") == PROGRAM else {}


def _free_place(plan: Plan) -> _Found:
    """The first of name-2, name-3 and so on that is free, or holds this very result."""
    for number in count(2):
        found = _look_at(plan.order.place.numbered(number))
        if not found.taken or found.report.get("key") == plan.key:
            break
    return found


def _has(path: Path, data: bytes) -> bool:
    try:
        return path.stat().st_size == len(data) and read_steadily(path) == data
    except OSError:
        return False


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(read_steadily(path)).hexdigest()
    except OSError:
        return ""
