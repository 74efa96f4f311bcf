"""Manifests: tables (CSV, JSON Lines, Parquet) with one pair of photographs a row."""

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows.layout import RESERVED
from flows.pairs.names import cut, fold, show, unprintable
from flows.pairs.pair import Pair, PairingError, photograph_problem, refuse_collisions
from flows.pairs.tables import Row, read_table
from pst_core.errors import ConfigError
from pst_core.images.roles import PHOTOGRAPHS, ROLES, is_map
from pst_core.network.identity import UNTRAINED
from pst_core.settings.config import Config
from pst_core.settings.texts import from_text

COLUMNS = (*ROLES, "name", "preset")
"""Columns with a meaning of their own; every other one is a setting."""

_LONGEST_NAME = 200
_LONGEST_PART = 255  # bytes, on most file systems


@dataclass(frozen=True)
class _Paths:
    """Paths of one manifest: relative to its folder, and inside it unless that is waived."""

    folder: Path
    allow_outside: bool
    root: Path
    judged: dict[Path, bool] = field(default_factory=dict)

    def resolve(self, row: Row, column: str) -> Path:
        """Return the path in a cell, or refuse it."""
        value = row.cells[column]
        if not isinstance(value, str):
            raise PairingError(f"The {column} {cut(value)} ({row.place}) is no text: write a path.")
        fault = self._fault(value)
        if fault:
            raise PairingError(f"The {column} {cut(value)} ({row.place}) {fault}.")
        return self.folder / value

    def _fault(self, value: str) -> str:
        if unprintable(value):
            return "holds a control character or one that is not valid: correct the path"
        if self.allow_outside:
            return ""
        way_out = "write it relative to the manifest's folder, or use --allow-outside"
        path = Path(value)
        if path.anchor:
            return f"is an absolute path: {way_out}"
        if ".." in path.parts:
            return f"holds '..': {way_out}"
        if not self._is_inside(self.root / path):
            return (
                "is or passes a link that leads out of the manifest's folder: use --allow-outside to allow it"
            )
        return ""

    def _is_inside(self, path: Path) -> bool:
        # Most rows share a few folders, and resolving a path costs a look at each of its parts.
        place = path if _may_be_link(path) else path.parent
        if place not in self.judged:
            self.judged[place] = Path(os.path.realpath(place)).is_relative_to(self.root)
        return self.judged[place]


def _may_be_link(path: Path) -> bool:
    try:
        return path.is_symlink()
    except OSError:  # too long a name, a folder that may not be searched
        return True


def read_manifest(path: Path, *, allow_outside: bool = False) -> tuple[Pair, ...]:
    """Read the pairs of a manifest, in its own order.

    Paths in it are relative to its folder. The name of a pair, where none is given, is its content's
    stem, or content's and style's if several rows have that content. Files that are missing are the
    pair's `Pair.problem`; whatever else is wrong is refused before any work.

    Parameters
    ----------
    path
        A ``.csv``, ``.jsonl``, ``.ndjson`` or ``.parquet`` file.
    allow_outside
        Whether paths may be absolute, hold ``..`` or lead out of the folder by links.

    Raises
    ------
    PairingError
        One sentence that names the manifest, and the row where there is one.
    """
    rows = read_table(path, required=PHOTOGRAPHS, known=[*COLUMNS, *Config.model_fields])
    paths = _Paths(path.parent, allow_outside, Path(os.path.realpath(path.parent)))
    names = _names(rows, paths)
    origins = [f"{show(str(row.cells['content']))} ({row.place})" for row in rows]
    way_out = "give them names of their own in a column 'name'"
    refuse_collisions([*zip(names, origins, strict=True)], way_out)
    return tuple(_pair(row, name, paths) for row, name in zip(rows, names, strict=True))


# --- names


def _names(rows: Sequence[Row], paths: _Paths) -> list[str]:
    """Name the rows: as given, else after the content, else after content and style."""
    given = [_given_name(row) for row in rows]
    stems = [_stem(paths.resolve(row, "content")) for row in rows]
    counts = Counter(fold(name or stem) for name, stem in zip(given, stems, strict=True))
    names = []
    for row, name, stem in zip(rows, given, stems, strict=True):
        own = stem if counts[fold(stem)] == 1 else f"{stem}-{_stem(paths.resolve(row, 'style'))}"
        names.append(name or own)
        if fault := _name_fault(names[-1]):
            raise PairingError(
                f"The name {cut(names[-1])} ({row.place}) {fault}: write another one in the column 'name'."
            )
    return names


def _given_name(row: Row) -> str | None:
    value = row.cells.get("name")
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise PairingError(f"The name {cut(value)} ({row.place}) is no text: write one.")
    return value.strip(" ")


def _stem(path: Path) -> str:
    return path.stem.replace("\\", "_")


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
        "is one of the batch's own files": fold(parts[0]) in RESERVED,
    }
    return next((fault for fault, holds in faults.items() if holds), "")


# --- from a row to a pair


def _pair(row: Row, name: str, paths: _Paths) -> Pair:
    found = {role: paths.resolve(row, role) for role in ROLES if role in row.cells}
    problems = {role: photograph_problem(path) for role, path in found.items()}
    pair = Pair(
        name, found["content"], found["style"], given=_given(row, paths),
        problem=problems["content"] or problems["style"],
    )  # fmt: skip
    of_maps = next((problem for role, problem in problems.items() if problem and is_map(role)), None)
    return pair.with_maps(found.get("content_map"), found.get("style_map"), of_maps)


def _given(row: Row, paths: _Paths) -> dict[str, Any]:
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


def _weights(row: Row, paths: _Paths) -> object:
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
