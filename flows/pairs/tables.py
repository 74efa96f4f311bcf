"""Tables with a pair a row, as read from CSV, JSON or Parquet."""

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from flows.pairs.names import cut, show
from flows.pairs.pair import PairingError
from flows.pairs.readers import OWN, brief, read_csv, read_json, read_parquet
from pst_core.images.kinds import HEAD, TEXTS, kind_of
from pst_core.steady import open_steadily

_MENTIONED = 10
_READERS = {
    ".csv": read_csv, ".tsv": read_csv, ".txt": read_csv,
    ".jsonl": read_json, ".ndjson": read_json, ".json": read_json,
    ".parquet": read_parquet,
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One row: where it stands, and its cells that are not empty."""

    place: str
    cells: Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """A table's rows in its own order, and how it was read where that had to be found out."""

    rows: Sequence[Row]
    notes: Sequence[str]


def read_table(path: Path, *, required: Sequence[str], known: Sequence[str]) -> Table:
    """Read a table; columns' names may have capitals, spaces around, and ``-`` in place of ``_``.

    Parameters
    ----------
    path
        A ``.csv``, ``.tsv``, ``.txt``, ``.jsonl``, ``.ndjson``, ``.json`` or ``.parquet`` file; of texts the
        separator and the encoding are found out.
    required
        Columns that must be there, and filled in every row.
    known
        All columns that there may be, besides those that begin with ``x_``.

    Raises
    ------
    PairingError
        One sentence that names the table, and the row where there is one.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise PairingError(
            f"{show(path)} is no manifest that can be read: name one that ends in {', '.join(_READERS)}."
        )
    check = partial(_check_columns, path=path, required=required, known=known)
    try:
        _require_table(path)
        sheet = reader(path, check, required)
    except OSError as error:
        reason = error.strerror or brief(error)
        raise PairingError(
            f"The manifest {show(path)} cannot be read ({reason}): name another one, or mend it."
        ) from error
    rows = [row for row in (_row(place, cells) for place, cells in sheet.rows) if row.cells]
    if not rows:
        raise PairingError(f"The manifest {show(path)} has no rows: add one for each pair.")
    for row in rows:
        if missing := next((column for column in required if column not in row.cells), None):
            raise PairingError(
                f"No {missing} photograph is named ({row.place}): fill the cell or remove the row."
            )
    return Table(rows, sheet.notes)


def _require_table(path: Path) -> None:
    """Refuse what only is called like a table: a workbook, a picture, a page."""
    if path.suffix.lower() == ".parquet":
        return
    with open_steadily(path) as file:
        head = file.read(HEAD)
    kind = kind_of(head)
    if head and kind is not None and kind not in TEXTS:
        raise PairingError(
            f"The manifest {show(path)} is {kind.name}: save the table as CSV, in UTF-8, and name that."
        )


def _check_columns(columns: list[str], path: Path, required: Sequence[str], known: Sequence[str]) -> None:
    repeated = next((name for name, count in Counter(columns).items() if count > 1), None)
    if repeated is not None:
        raise PairingError(f"The manifest {show(path)} has two columns {repeated!r}: remove one.")
    missing = next((name for name in required if name not in columns), None)
    if missing is not None and columns:
        found = ", ".join(cut(name) for name in columns[:_MENTIONED])
        more = ", ..." if len(columns) > _MENTIONED else ""
        raise PairingError(
            f"The manifest {show(path)} has no column {missing!r}, only {found}{more}: "
            "name the columns content and style (in a CSV: on the first line, with a comma between)."
        )
    unknown = next((name for name in columns if name not in known), None)
    if unknown is not None:
        raise PairingError(
            f"There is no setting {cut(unknown)} (column of {show(path)}){_similar(unknown, known)}: "
            f"rename the column, remove it, or call it {cut(OWN + unknown)} to have it left aside."
        )


def _similar(name: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, known, 1)
    return f", but {close[0]!r}" if close else ""


def _row(place: str, cells: Mapping[str, object]) -> Row:
    plain = ((name, _plain(value)) for name, value in cells.items())
    return Row(place, {name: value for name, value in plain if not _is_empty(value)})


def _is_empty(value: object) -> bool:
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, float) and math.isnan(value))


def _plain(value: object) -> object:
    """Undo what tables do to values: texts as bytes, whole numbers as floats, maps as lists, unset fields."""
    if isinstance(value, bytes):
        return os.fsdecode(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, list) and value and all(isinstance(part, tuple) for part in value):
        value = dict(value)
    if isinstance(value, dict):
        return {key: part for key, part in value.items() if not _is_empty(part)}
    return value
