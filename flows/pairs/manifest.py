"""Manifests: tables (CSV, JSON, Parquet) with one pair of photographs a row."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flows.pairs.manifest_paths import ManifestPaths
from flows.pairs.names import clean, cut, fold, show, unprintable
from flows.pairs.own_names import can_be_folder, digest, settle, with_free_folders
from flows.pairs.pair import Pair, PairingError, photograph_problem
from flows.pairs.tables import Row, read_table
from pst_core.errors import ConfigError
from pst_core.images.roles import EVERY_ROLE, FURTHER, PHOTOGRAPHS, STYLES, is_map, map_of, styles_of
from pst_core.network.identity import UNTRAINED
from pst_core.settings.config import Config
from pst_core.settings.texts import from_text

COLUMNS = (*EVERY_ROLE, "name", "preset")
"""Columns with a meaning of their own; every other one is a setting, or somebody's own."""

_LONGEST_NAME = 200
_LONGEST_PART = 255  # bytes, on most file systems
_MENTIONED = 3


def read_manifest(path: Path, *, allow_outside: bool = False) -> tuple[tuple[Pair, ...], tuple[str, ...]]:
    """Read the pairs of a manifest, in its own order, and notes on how it was read.

    Paths in it are relative to its folder. The name of a pair, where none is given, is its content's
    stem, or content's and style's if several rows have that content; names that still meet get a few letters
    more. Files that are missing are the pair's `Pair.problem`; whatever else is wrong is refused before any
    work.

    Parameters
    ----------
    path
        See `flows.pairs.tables.read_table`.
    allow_outside
        Whether paths may be absolute, hold ``..`` or lead out of the folder by links.

    Raises
    ------
    PairingError
        One sentence that names the manifest, and the row where there is one.
    """
    table = read_table(path, required=PHOTOGRAPHS, known=[*COLUMNS, *Config.model_fields])
    paths = ManifestPaths(path.parent, allow_outside=allow_outside)
    names, changed = _names(table.rows, paths)
    pairs = tuple(_pair(row, name, paths) for row, name in zip(table.rows, names, strict=True))
    read = [*table.notes, *paths.notes]
    notes = [f"How {show(path)} is read: {'; '.join(read)}."] if read else []
    return pairs, (*notes, *changed)


# --- names


def _names(rows: Sequence[Row], paths: ManifestPaths) -> tuple[list[str], list[str]]:
    """Name the rows, as given or else after their photographs; and a note on names that had to be others."""
    given = {index: name for index, row in enumerate(rows) if (name := _given_name(row)) is not None}
    own = [f"-{digest(repr([*row.cells.items()]))}" for row in rows]
    wishes = [(free := with_free_folders(name), free + own[index]) for index, name in given.items()]
    names = dict(zip(given, settle(wishes, can_be_folder), strict=True))
    taken = {fold(name) for name in names.values()}
    others = [index for index in range(len(rows)) if index not in given]
    stems = [_found_names(rows[index], paths) for index in others]
    found = settle(
        [(stem, longer, longer + own[index]) for index, (stem, longer) in zip(others, stems, strict=True)],
        lambda name: can_be_folder(name) and fold(name) not in taken,
    )
    for index, name in zip(others, found, strict=True):
        _check_name(name, rows[index])
        names[index] = name
    return [names[index] for index in range(len(rows))], _told(given, names)


def _told(given: dict[int, str], names: dict[int, str]) -> list[str]:
    changed = [f"{name!r} is {names[index]!r}" for index, name in given.items() if names[index] != name]
    if not changed:
        return []
    more = f" and {len(changed) - _MENTIONED} more" if len(changed) > _MENTIONED else ""
    return [
        f"Names that meet, or that the results' folder needs, are others: {', '.join(changed[:3])}{more}."
    ]


def _found_names(row: Row, paths: ManifestPaths) -> tuple[str, str]:
    """Names after the content, and after content and style."""
    content, style = (clean(paths.resolve(row, role).stem) for role in PHOTOGRAPHS)
    return content, f"{content}-{style}"


def _given_name(row: Row) -> str | None:
    value = row.cells.get("name")
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise PairingError(f"The name {cut(value)} ({row.place}) is no text: write one.")
    _check_name(name := value.strip(" "), row)
    return name


def _check_name(name: str, row: Row) -> None:
    if fault := _name_fault(name):
        raise PairingError(
            f"The name {cut(name)} ({row.place}) {fault}: write another one in the column 'name'."
        )


def _name_fault(name: str) -> str:
    parts = name.split("/")
    too_long = len(name) > _LONGEST_NAME or any(
        len(part.encode(errors="replace")) > _LONGEST_PART for part in parts
    )
    faults = {
        "holds a control character or one that is not valid": unprintable(name),
        "holds a backslash": "\\" in name,
        "is an absolute path": name.startswith("/") or re.match(r"[A-Za-z]:", name),
        "has '.' or '..' as a part": {".", ".."} & {*parts},
        "has an empty part": "" in parts,
        f"is too long (at most {_LONGEST_NAME} characters)": too_long,
    }
    return next((fault for fault, holds in faults.items() if holds), "")


# --- from a row to a pair


def _pair(row: Row, name: str, paths: ManifestPaths) -> Pair:
    found = {role: paths.resolve(row, role) for role in EVERY_ROLE if role in row.cells}
    _check_styles(row)
    problems = {role: photograph_problem(path) for role, path in found.items()}
    pair = Pair(
        name, found["content"], found["style"], given=_given(row, paths),
        problem=next((problem for role, problem in problems.items() if problem and not is_map(role)), None),
        further={role: path for role, path in found.items() if role in FURTHER},
    )  # fmt: skip
    of_maps = next((problem for role, problem in problems.items() if problem and is_map(role)), None)
    return pair.with_maps(found.get("content_map"), found.get("style_map"), of_maps)


def _check_styles(row: Row) -> None:
    """See that styles come one after another, each with its map where there are maps."""
    styles = styles_of(row.cells)
    missing = next((style for style in STYLES[: len(styles)] if style not in styles), None)
    alone = next((style for style in STYLES if map_of(style) in row.cells and style not in styles), None)
    bare = next((style for style in styles[1:] if map_of(style) not in row.cells), None)
    if missing or alone:
        raise PairingError(
            f"The {missing or alone} is missing ({row.place}), which other cells of the row go with: name it."
        )
    if bare and "content_map" in row.cells:
        raise PairingError(
            f"The {bare} has no map ({row.place}), as the content has: write one in the column "
            f"{map_of(bare)!r}, or leave all maps out."
        )


def _given(row: Row, paths: ManifestPaths) -> dict[str, Any]:
    """Convert and check what a row sets, as what the environment sets is."""
    texts = {
        name: value.strip() if isinstance(value, str) else value
        for name, value in row.cells.items()
        if name not in COLUMNS
    }
    preset = {"preset": _preset(row)} if "preset" in row.cells else {}
    if not texts and not preset:
        return {}
    if "weights" in texts:
        texts["weights"] = _weights(row, paths)
    try:
        given: dict[str, Any] = {name: from_text(name, value) for name, value in texts.items()}
        config = Config.make(**preset, **given)
    except ConfigError as error:
        raise PairingError(f"{str(error).rstrip('.')} ({row.place}).") from error
    return preset | {name: getattr(config, name) for name in given}


def _preset(row: Row) -> str:
    value = row.cells["preset"]
    if not isinstance(value, str):
        raise PairingError(f"The preset {cut(value)} ({row.place}) is no text: write a preset's name.")
    return value.strip()


def _weights(row: Row, paths: ManifestPaths) -> object:
    """Resolve the weights' file as the other paths are; a row must not open any file there is."""
    value = row.cells["weights"]
    if not isinstance(value, str):
        return value
    stripped = value.strip()  # before it is judged: as text of a setting it would lose its spaces
    if stripped.lower() in (UNTRAINED, "none"):
        return stripped
    path = paths.resolve(Row(row.place, {"weights": stripped}), "weights")
    if not str(Path(stripped)).startswith("~"):
        return str(path)
    if not paths.allow_outside:
        raise PairingError(
            f"The weights {cut(value)} ({row.place}) begin with '~', a home folder: "
            "write them relative to the manifest's folder, or use --allow-outside."
        )
    return stripped  # expanded where weights are loaded
