"""Tables with a pair a row, as read from CSV, JSON Lines or Parquet."""

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from flows.pairs.names import cut, show
from flows.pairs.pair import PairingError
from pst_core.steady import open_steadily

_MOST_ROWS = 1_000_000  # a Parquet file of a few bytes can claim billions
_MOST_BYTES = 1 << 30
_MENTIONED = 10
_SHOWN = 80

_Check = Callable[[list[str]], object]


@dataclass(frozen=True)
class Row:
    """One row: where it stands, and its cells that are not empty."""

    place: str
    cells: Mapping[str, Any]


def read_table(path: Path, *, required: Sequence[str], known: Sequence[str]) -> list[Row]:
    """Read a table's rows, in its own order; spaces around columns' names go, and ``-`` in them is ``_``.

    Parameters
    ----------
    path
        A ``.csv``, ``.jsonl``, ``.ndjson`` or ``.parquet`` file.
    required
        Columns that must be there, and filled in every row.
    known
        All columns that there may be.

    Raises
    ------
    PairingError
        One sentence that names the table, and the row where there is one.
    """
    readers = {".csv": _read_csv, ".jsonl": _read_lines, ".ndjson": _read_lines, ".parquet": _read_parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise PairingError(
            f"{show(path)} is no manifest that can be read: name one that ends in {', '.join(readers)}."
        )
    try:
        rows = reader(path, partial(_check_columns, path=path, required=required, known=known))
    except OSError as error:
        reason = error.strerror or _brief(error)
        raise PairingError(
            f"The manifest {show(path)} cannot be read ({reason}): name another one, or mend it."
        ) from error
    if not rows:
        raise PairingError(f"The manifest {show(path)} has no rows: add one for each pair.")
    for row in rows:
        if missing := next((column for column in required if column not in row.cells), None):
            raise PairingError(
                f"No {missing} photograph is named ({row.place}): fill the cell or remove the row."
            )
    return rows


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
            f"There is no setting {cut(unknown)} (column of {show(path)})"
            f"{_similar(unknown, known)}: rename or remove the column."
        )


def _similar(name: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, known, 1)
    return f", but {close[0]!r}" if close else ""


def _text(path: Path) -> str:
    with open_steadily(path) as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise PairingError(f"The manifest {show(path)} is larger than 1 GiB: split it.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PairingError(
            f"The manifest {show(path)} is no UTF-8 text (byte {error.start}): save it as UTF-8."
        ) from error


def _read_csv(path: Path, check: _Check) -> list[Row]:
    # Strict, as an opening quotation mark that is never closed would swallow the rows after it.
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    columns: list[str] | None = None
    rows: list[Row] = []
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
    check(columns or [])
    return rows


def _read_lines(path: Path, check: _Check) -> list[Row]:
    columns: dict[str, None] = {}
    rows: list[Row] = []
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
    check([*columns])
    return rows


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("one name stands twice")
    return made


def _read_parquet(path: Path, check: _Check) -> list[Row]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        # Not parquet.read_table: it would read columns out of folders that are called key=value.
        with open_steadily(path) as opened, parquet.ParquetFile(opened, pre_buffer=False) as file:
            columns = [_column(name) for name in file.schema_arrow.names]
            if file.metadata.num_rows > _MOST_ROWS:
                raise PairingError(f"The manifest {show(path)} has more than {_MOST_ROWS:,} rows: split it.")
            check(columns)  # before columns are read that would be refused anyway
            read = file.read(use_threads=False).rename_columns(columns).to_pylist()
    except (pa.ArrowException, ValueError, KeyError, OverflowError) as error:
        raise PairingError(
            f"The manifest {show(path)} is no Parquet that can be read ({_brief(error)}): write it anew."
        ) from error
    places = (f"row {number} of {show(path)}" for number in range(1, len(read) + 1))
    return [_row(place, cells.items()) for place, cells in zip(places, read, strict=True)]


def _brief(error: Exception) -> str:
    """Write what a library says, which may be lines long, as a part of a sentence."""
    return show(" ".join(str(error).split())[:_SHOWN])


def _column(name: str) -> str:
    return name.strip().replace("-", "_")


def _row(place: str, cells: Iterable[tuple[str, object]]) -> Row:
    return Row(place, {name: _plain(value) for name, value in cells if not _is_empty(value)})


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
