"""What becomes of a result that is there already, by the order's policy; and files brought up to date."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from flows.layout import Place
from flows.orders.conflicts import OnConflict
from pst_core.errors import ImageError, OutputError
from pst_core.files import names_synced_together, write_bytes_atomically
from pst_core.images.embedding import read_recipe
from pst_core.report import PROGRAM, read_own
from pst_core.sequences.video import VIDEOS
from pst_core.steady import read_steadily


@dataclass(frozen=True)
class Wanted:
    """A result that is to be at a place, by its key, and what happens to another that is there."""

    place: Place
    key: str
    on_conflict: OnConflict


@dataclass(frozen=True)
class Chosen:
    """A place when it was looked at: whether it held a result, and that one's report, if it is ours."""

    place: Place
    taken: bool
    report: Mapping[str, Any]


def choose(wanted: Wanted) -> Chosen | None:
    """Where a result goes; None if what is there is to be left.

    Raises
    ------
    OutputError
        Something is in the way that is not this program's, or is not to be replaced.
    """
    found = _look_at(wanted.place)
    if not found.taken or found.report.get("key") == wanted.key:
        return found
    match wanted.on_conflict:
        case "skip":
            return None
        case "overwrite":
            return found
        case "unique":
            return _free_place(wanted)
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


def bring_up_to_date(found: Chosen, files: Mapping[Path, bytes]) -> bool:
    """Write what is not there yet; False if another's result was quicker to take a place that was free.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    with names_synced_together():
        for path, data in files.items():
            claims = path == found.place.picture and not found.taken
            if holds(path, data):
                continue
            try:
                write_bytes_atomically(path, data, overwrite=not claims)
            except OutputError:
                if claims and os.path.lexists(path):
                    return False
                raise
    return True


def _shown(place: Place) -> Path:
    """What a place is known by: the pair's folder, or its picture among others."""
    return place.folder if place.picture.parent == place.folder else place.picture


def _look_at(place: Place) -> Chosen:
    """A place by its report, or by the recipe in its picture where the report is lost or damaged."""
    taken = any(map(os.path.lexists, (place.picture, place.report)))
    return Chosen(place, taken, read_own(place.report) or _recipe_in(place.picture))


def _recipe_in(picture: Path) -> dict[str, Any]:
    try:
        recipe = _read(picture) if picture.is_file() else None
    except (ImageError, ValueError):
        recipe = None
    return recipe if recipe and recipe.get("program") == PROGRAM else {}


def _read(picture: Path) -> dict[str, Any] | None:
    if picture.suffix.lower() not in VIDEOS:
        return read_recipe(picture)
    from pst_core.sequences.video_writing import comment_of

    recipe = json.loads(comment_of(picture) or "null")
    return recipe if isinstance(recipe, dict) else None


def _free_place(wanted: Wanted) -> Chosen:
    """The first of name-2, name-3 and so on that is free, or holds this very result."""
    for number in count(2):
        found = _look_at(wanted.place.numbered(number))
        if not found.taken or found.report.get("key") == wanted.key:
            break
    return found


def holds(path: Path, data: bytes) -> bool:
    """Whether a file has these bytes."""
    try:
        return path.stat().st_size == len(data) and read_steadily(path) == data
    except OSError:
        return False
