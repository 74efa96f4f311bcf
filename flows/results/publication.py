"""A finished pair's folder: the picture, what explains it, and a report that knows the others' hashes.

The report is written last and says under which key the result was made: a folder whose report has today's key
and whose files have the report's hashes is done, whatever else happened.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.orders.planning import Plan
from pst_core.errors import ImageError, OutputError
from pst_core.files import write_bytes_atomically
from pst_core.images.embedding import read_recipe
from pst_core.images.writing import embed_recipe
from pst_core.pipeline.notes import notes_of
from pst_core.report import PROGRAM, Facts, Order, build_recipe, build_report
from pst_core.store.store import open_store
from tasks.pair import Made

__all__ = ["REPORT", "RESULT", "choose_folder", "is_published", "notes_on", "publish", "read_report"]

RESULT, REPORT = "result.png", "report.json"


@dataclass(frozen=True)
class _Place:
    """A folder and what its report says; an empty report for none of ours."""

    folder: Path
    report: Mapping[str, Any]

    @property
    def taken(self) -> bool:
        return os.path.lexists(self.folder / RESULT) or os.path.lexists(self.folder / REPORT)


def choose_folder(plan: Plan) -> Path | None:
    """Where the result goes by the order's policy on conflicts; None if what is there is to be left.

    Raises
    ------
    OutputError
        Something is in the way that is not this program's, or is not to be replaced.
    """
    place = _place(plan.order.folder)
    if not place.taken or place.report.get("key") == plan.key:
        return place.folder
    match plan.order.on_conflict:
        case "skip":
            return None
        case "overwrite":
            return place.folder
        case "unique":
            return _free_folder(plan)
        case "changed" if place.report:
            return place.folder
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


def publish(plan: Plan, made: Made, key: str, folder: Path) -> bool:
    """Bring a finished pair's folder to what it should be; False if it was that already.

    Parameters
    ----------
    key
        Under which the result was made: the plan's, or that of a cheaper plan.
    folder
        As `choose_folder` chose it.

    Raises
    ------
    StoreMiss
        An artifact is gone from the store.
    OutputError
        The folder cannot be written.
    """
    files = _files(plan, made, key, folder)
    changed = False
    for name, data in files.items():
        path = folder / name
        if not _has(path, data):
            write_bytes_atomically(path, data, overwrite=True)
            changed = True
    return changed


def is_published(folder: Path, key: str) -> bool:
    """Whether a folder holds the result of this key, whole and unaltered."""
    report = read_report(folder)
    files = report.get("files")
    if report.get("key") != key or not isinstance(files, dict):
        return False
    return all(_sha256(folder / str(name)) == sha256 for name, sha256 in files.items())


def notes_on(plan: Plan, made: Made) -> tuple[str, ...]:
    """What a person should know about a finished pair."""
    trained = bool(made.precomputed.weights["trained"])
    unmatched = made.segmented.unmatched
    notes = notes_of(made.segmented.notes, made.config, unmatched=unmatched, trained=trained)
    return (*_plan_notes(plan, made), *notes)


def read_report(folder: Path) -> dict[str, Any]:
    """The report of a folder; empty if it has none of this program's."""
    try:
        report = json.loads((folder / REPORT).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return report if isinstance(report, dict) and report.get("program") == PROGRAM else {}


def _plan_notes(plan: Plan, made: Made) -> tuple[str, ...]:
    """What had to be given up where the memory was not enough."""
    differing = [
        f"{name} {getattr(made.config, name)} in place of {getattr(plan.config, name)}"
        for name in ("size", "device", "precision")
        if getattr(made.config, name) != getattr(plan.config, name)
    ]
    return (f"The memory was not enough: made with {', '.join(differing)}.",) if differing else ()


def _files(plan: Plan, made: Made, key: str, folder: Path) -> dict[str, bytes]:
    """Every file of a result's folder, the report last."""
    store, order = open_store(), plan.order
    facts, asked = _facts(plan, made), Order(folder / RESULT, order.preset, order.paths)
    picture = embed_recipe(store.read(made.rendered.picture), build_recipe(facts, asked))
    files = {
        RESULT: picture,
        "losses.parquet": store.read(made.explained.losses),
        "losses.png": store.read(made.explained.curve),
        "regions.png": store.read(made.explained.region_map),
    }
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    report = build_report(facts, asked) | {
        "pair": order.name,
        "key": key,
        "scores": made.scored.scores.model_dump(),
        "files": hashes,
    }
    return files | {REPORT: (json.dumps(report, indent=2, allow_nan=False) + "\n").encode()}


def _facts(plan: Plan, made: Made) -> Facts:
    return Facts(
        config=made.config,
        hashes={role: file.sha256 for role, file in plan.files.given.items()},
        weights=made.precomputed.weights,
        regions=made.segmented.description,
        color_match=made.rendered.color_match,
        device=made.precomputed.device,
        dtype=made.precomputed.dtype,
        losses=made.explained.stages,
        notes=notes_on(plan, made),
    )


def _place(folder: Path) -> _Place:
    """A folder by its report, or by the recipe in its picture where the report is lost or damaged."""
    return _Place(folder, read_report(folder) or _recipe_in(folder / RESULT))


def _recipe_in(picture: Path) -> dict[str, Any]:
    try:
        recipe = read_recipe(picture) if picture.is_file() else None
    except ImageError:
        recipe = None
    return recipe if recipe and recipe.get("program") == PROGRAM else {}


def _free_folder(plan: Plan) -> Path:
    """The first of name-2, name-3 and so on that is free, or holds this very result."""
    number = 2
    while True:
        place = _place(plan.order.folder.with_name(f"{plan.order.folder.name}-{number}"))
        if not place.taken or place.report.get("key") == plan.key:
            return place.folder
        number += 1


def _has(path: Path, data: bytes) -> bool:
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
