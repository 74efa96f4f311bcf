"""Manifests: tables (CSV, JSON Lines, Parquet) with one pair of photographs a row."""

import csv
import io
import json
import math
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows.pairs.find import (
    RESERVED,
    Pair,
    PairingError,
    fold,
    give_maps,
    photograph_problem,
    refuse_collisions,
    show,
    unprintable,
)
from pst_core.errors import ConfigError

__all__ = ["COLUMNS", "read_manifest"]

COLUMNS = ("content", "style", "content_map", "style_map", "name", "preset")
"""Columns with a meaning of their own; every other one is a setting."""

_REQUIRED = ("content", "style")
_MOST_ROWS = 1_000_000  # a Parquet file of a few bytes can claim billions
_MOST_BYTES = 1 << 30
_LONGEST_NAME = 200
_LONGEST_PART = 255  # bytes, on most file systems
_MENTIONED = 10
_SHOWN = 80


@dataclass(frozen=True)
class _Row:
    """One row: where it stands, and its cells that are not empty."""

    place: str
    cells: Mapping[str, Any]


@dataclass(frozen=True)
class _Table:
    """A manifest as read, whatever its format."""

    columns: Sequence[str]
    rows: Sequence[_Row]


@dataclass(frozen=True)
class _Paths:
    """Paths of one manifest: relative to its folder, and inside it unless that is waived."""

    folder: Path
    allow_outside: bool
    root: Path
    judged: dict[Path, bool] = field(default_factory=dict)

    def resolve(self, row: _Row, column: str) -> Path:
        """Return the path in a cell, or refuse it."""
        value = row.cells[column]
        if not isinstance(value, str):
            raise PairingError(f"The {column} {_cut(value)} ({row.place}) is no text: write a path.")
        fault = self._fault(value)
        if fault:
            raise PairingError(f"The {column} {_cut(value)} ({row.place}) {fault}.")
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
        folder = path.parent
        if folder not in self.judged:
            self.judged[folder] = self._leads_inside(folder)
        return self._leads_inside(path) if _may_be_link(path) or not self.judged[folder] else True

    def _leads_inside(self, path: Path) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(self.root)


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
    table = _read(path)
    _check_columns(table.columns, path)
    if not table.rows:
        raise PairingError(f"The manifest {show(path)} has no rows: add one for each pair.")
    _require_cells(table.rows)
    paths = _Paths(path.parent, allow_outside, Path(os.path.realpath(path.parent)))
    names = _names(table.rows, paths)
    origins = [f"{show(str(row.cells['content']))} ({row.place})" for row in table.rows]
    way_out = "give them names of their own in a column 'name'"
    refuse_collisions([*zip(names, origins, strict=True)], way_out)
    return tuple(_pair(row, name, paths) for row, name in zip(table.rows, names, strict=True))


# --- from a file to rows


def _read(path: Path) -> _Table:
    readers = {".csv": _read_csv, ".jsonl": _read_lines, ".ndjson": _read_lines, ".parquet": _read_parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise PairingError(
            f"{show(path)} is no manifest that can be read: name one that ends in {', '.join(readers)}."
        )
    try:
        return reader(path)
    except OSError as error:
        reason = error.strerror or _brief(error)
        raise PairingError(
            f"The manifest {show(path)} cannot be read ({reason}): name another one, or mend it."
        ) from error


def _text(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise PairingError(f"The manifest {show(path)} is larger than 1 GiB: split it.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PairingError(
            f"The manifest {show(path)} is no UTF-8 text (byte {error.start}): save it as UTF-8."
        ) from error


def _read_csv(path: Path) -> _Table:
    # Strict, as an opening quotation mark that is never closed would swallow the rows after it.
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    columns: list[str] | None = None
    rows: list[_Row] = []
    try:
        for cells in reader:
            place = f"line {reader.line_num} of {show(path)}"
            if not any(cells):
                continue
            if columns is None:
                columns = [_column(cell) for cell in cells]
                continue
            if len(cells) > len(columns):
                raise PairingError(
                    f"There are {len(cells)} cells but {len(columns)} columns ({place}): "
                    "put quotation marks around cells that hold a comma."
                )
            rows.append(_row(place, zip(columns, cells, strict=False)))
    except csv.Error as error:
        place = f"line {reader.line_num} of {show(path)}"
        raise PairingError(f"The CSV is broken ({error}; {place}): mend that line.") from error
    return _Table(columns or [], rows)


def _read_lines(path: Path) -> _Table:
    columns: dict[str, None] = {}
    rows: list[_Row] = []
    for number, line in enumerate(_text(path).split("\n"), 1):
        if not line.strip():
            continue
        place = f"line {number} of {show(path)}"
        try:
            cells = json.loads(line, object_pairs_hook=_object)
        except (ValueError, RecursionError) as error:
            reason = getattr(error, "msg", str(error))
            raise PairingError(f"There is no valid JSON ({reason}; {place}): mend that line.") from error
        if not isinstance(cells, dict):
            raise PairingError(f"There is no JSON object ({place}): write one object with its pair a line.")
        named = [(_column(name), value) for name, value in cells.items()]
        if len({name for name, _ in named}) < len(named):
            raise PairingError(f"One name stands twice ({place}): remove one.")
        columns |= dict.fromkeys(name for name, _ in named)
        rows.append(_row(place, named))
    return _Table([*columns], rows)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("one name stands twice")
    return made


def _read_parquet(path: Path) -> _Table:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        # Not parquet.read_table: it would read columns out of folders that are called key=value.
        with path.open("rb") as opened, parquet.ParquetFile(opened) as file:
            columns = [_column(name) for name in file.schema_arrow.names]
            if file.metadata.num_rows > _MOST_ROWS:
                raise PairingError(f"The manifest {show(path)} has more than {_MOST_ROWS:,} rows: split it.")
            _check_columns(columns, path)  # before columns are read that would be refused anyway
            read = file.read().rename_columns(columns).to_pylist()
    except (pa.ArrowException, ValueError, KeyError, OverflowError) as error:
        raise PairingError(
            f"The manifest {show(path)} is no Parquet that can be read ({_brief(error)}): write it anew."
        ) from error
    places = (f"row {number} of {show(path)}" for number in range(1, len(read) + 1))
    return _Table(columns, [_row(place, cells.items()) for place, cells in zip(places, read, strict=True)])


def _brief(error: Exception) -> str:
    """Write what a library says, which may be lines long, as a part of a sentence."""
    return show(" ".join(str(error).split())[:_SHOWN])


def _column(name: str) -> str:
    return name.strip().replace("-", "_")


def _row(place: str, cells: Any) -> _Row:  # noqa: ANN401
    return _Row(place, {name: _plain(value) for name, value in cells if not _is_empty(value)})


def _is_empty(value: object) -> bool:
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, float) and math.isnan(value))


def _plain(value: object) -> object:
    """Undo what tables do to values: whole numbers as floats, maps as lists, fields that are not set."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, list) and value and all(isinstance(part, tuple) for part in value):
        value = dict(value)
    if isinstance(value, dict):
        return {key: part for key, part in value.items() if not _is_empty(part)}
    return value


# --- what may stand in it


def _check_columns(columns: Sequence[str], path: Path) -> None:
    from pst_core.settings.config import Config

    repeated = next((name for name, count in Counter(columns).items() if count > 1), None)
    if repeated is not None:
        raise PairingError(f"The manifest {show(path)} has two columns {repeated!r}: remove one.")
    missing = next((name for name in _REQUIRED if name not in columns), None)
    if missing is not None and columns:
        found = ", ".join(_cut(name) for name in columns[:_MENTIONED])
        more = ", ..." if len(columns) > _MENTIONED else ""
        raise PairingError(
            f"The manifest {show(path)} has no column {missing!r}, only {found}{more}: "
            "name the columns content and style (in a CSV: on the first line, with a comma between)."
        )
    unknown = next((name for name in columns if name not in (*COLUMNS, *Config.model_fields)), None)
    if unknown is not None:
        raise PairingError(
            f"There is no setting {_cut(unknown)} (column of {show(path)})"
            f"{_similar(unknown, [*COLUMNS, *Config.model_fields])}: rename or remove the column."
        )


def _similar(name: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, known, 1)
    return f", but {close[0]!r}" if close else ""


def _require_cells(rows: Sequence[_Row]) -> None:
    for row in rows:
        for column in _REQUIRED:
            if column not in row.cells:
                raise PairingError(
                    f"No {column} photograph is named ({row.place}): fill the cell or remove the row."
                )


def _cut(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


# --- names


def _names(rows: Sequence[_Row], paths: _Paths) -> list[str]:
    """Name the rows: as given, else after the content, else after content and style."""
    given = [_given_name(row) for row in rows]
    stems = [_stem(paths.resolve(row, "content")) for row in rows]
    first = [name if name is not None else stem for name, stem in zip(given, stems, strict=True)]
    counts = Counter(map(fold, first))
    names = []
    for row, name, stem in zip(rows, given, stems, strict=True):
        chosen = name
        if chosen is None:
            is_unique = counts[fold(stem)] == 1
            chosen = stem if is_unique else f"{stem}-{_stem(paths.resolve(row, 'style'))}"
        fault = _name_fault(chosen)
        if fault:
            raise PairingError(
                f"The name {_cut(chosen)} ({row.place}) {fault}: write another one in the column 'name'."
            )
        names.append(chosen)
    return names


def _given_name(row: _Row) -> str | None:
    value = row.cells.get("name")
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise PairingError(f"The name {_cut(value)} ({row.place}) is no text: write one.")
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


def _pair(row: _Row, name: str, paths: _Paths) -> Pair:
    found = {column: paths.resolve(row, column) for column in COLUMNS[:4] if column in row.cells}
    problems = {column: photograph_problem(path) for column, path in found.items()}
    pair = Pair(
        name,
        found["content"],
        found["style"],
        settings=_settings(row, paths),
        problem=problems["content"] or problems["style"],
    )
    of_maps = next((problem for column, problem in problems.items() if problem and "map" in column), None)
    return give_maps(pair, found.get("content_map"), found.get("style_map"), of_maps)


def _settings(row: _Row, paths: _Paths) -> dict[str, Any]:
    """Convert and check a row's settings, as those of the environment are."""
    from pst_core.settings.config import Config
    from pst_core.settings.texts import from_text

    cells = {name: value for name, value in row.cells.items() if name == "preset" or name not in COLUMNS}
    if not cells:
        return {}
    if "weights" in cells:
        cells["weights"] = _weights(row, paths)
    preset = cells.pop("preset", None)
    try:
        texts = {name: value.strip() if isinstance(value, str) else value for name, value in cells.items()}
        given = {name: from_text(name, value) for name, value in texts.items()}
        config = Config.make(_preset(preset, row), **given)
    except ConfigError as error:
        raise PairingError(f"{str(error).rstrip('.')} ({row.place}).") from error
    checked = {name: getattr(config, name) for name in given}
    return checked if preset is None else {"preset": _preset(preset, row), **checked}


def _preset(value: object, row: _Row) -> str:
    if value is not None and not isinstance(value, str):
        raise PairingError(f"The preset {_cut(value)} ({row.place}) is no text: write a preset's name.")
    return "default" if value is None else value.strip()


def _weights(row: _Row, paths: _Paths) -> object:
    """Resolve the weights' file as the other paths are; a row must not open any file there is."""
    value = row.cells["weights"]
    if not isinstance(value, str) or value.strip().lower() in ("untrained", "none"):
        return value
    stripped = value.strip()  # before it is judged: as text of a setting it would lose its spaces later
    path = paths.resolve(_Row(row.place, {"weights": stripped}), "weights")
    if not str(Path(stripped)).startswith("~"):
        return str(path)
    if not paths.allow_outside:
        raise PairingError(
            f"The weights {_cut(value)} ({row.place}) begin with '~', a home folder: "
            "write them relative to the manifest's folder, or use --allow-outside."
        )
    return stripped  # expanded where weights are loaded
