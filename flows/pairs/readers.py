"""What is written in a table's file: text with any separator, JSON, or Parquet."""

import codecs
import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows.pairs.names import show
from flows.pairs.pair import PairingError
from pst_core.steady import open_steadily

_MOST_ROWS = 1_000_000  # a Parquet file of a few bytes can claim billions
_MOST_BYTES = 1 << 30
_SHOWN = 80
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
_UNNAMED = re.compile(r"(unnamed:_?[0-9]+|__index_level_[0-9]+__)?")  # how pandas calls an index, or does not
OWN = "x_"
"""What the names of columns begin with that are somebody's own: they are left aside."""

Check = Callable[[list[str]], object]
"""Refuses columns that there cannot be."""


@dataclass
class Sheet:
    """A table as it stands in its file.

    Attributes
    ----------
    columns : list of str
        Those that count.
    rows : sequence of (str, mapping)
        Each row's place, for people, and its cells by column.
    notes : list of str
        How it was read, as parts of a sentence.
    """

    columns: list[str]
    rows: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_csv(path: Path, check: Check, required: Sequence[str]) -> Sheet:
    """Read text with a row a line, whichever separator makes the columns of it that are needed."""
    text, notes = _text(path)
    text, separator = _separator(text, required)
    # Strict, as an opening quotation mark that is never closed would swallow the rows after it.
    reader = csv.reader(
        io.StringIO(text, newline=""), strict=True, delimiter=separator, skipinitialspace=True
    )
    if separator != ",":
        notes.append(f"{_SEPARATORS[separator]} stand between its cells")
    sheet, columns = Sheet([], notes=notes), None
    try:
        for cells in reader:
            place = f"line {reader.line_num} of {show(path)}"
            if not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                columns = _Columns(cells)
                continue
            sheet.rows.append((place, columns.of(_fitted(cells, columns, place, separator))))
    except csv.Error as error:
        place = f"line {reader.line_num} of {show(path)}"
        raise PairingError(f"The CSV is broken ({error}; {place}): mend that line.") from error
    if columns is not None:
        sheet.columns, sheet.notes = columns.kept, notes + columns.notes
    check(sheet.columns)
    return sheet


def read_json(path: Path, check: Check, required: Sequence[str]) -> Sheet:  # noqa: ARG001 - one of three
    """Read JSON: an object a line, or one list of objects."""
    text, notes = _text(path)
    is_list = text.lstrip().startswith("[")
    found = _listed(path, text) if is_list else _lines(path, text)
    sheet, names = Sheet([], notes=notes), dict[str, None]()
    for place, cells in found:
        if not isinstance(cells, dict):
            way_out = "write one object with its pair a line"
            raise PairingError(f"There is no JSON object ({place}): {way_out}.")
        columns = _Columns([*cells])
        if len(set(columns.kept)) < len(columns.kept):
            raise PairingError(f"One name stands twice ({place}): remove one.")
        names |= dict.fromkeys(columns.kept)
        sheet.rows.append((place, columns.of([*cells.values()])))
        sheet.notes += [note for note in columns.notes if note not in sheet.notes]
    sheet.columns = [*names]
    check(sheet.columns)
    return sheet


def read_parquet(path: Path, check: Check, required: Sequence[str]) -> Sheet:  # noqa: ARG001 - one of three
    """Read Parquet; texts may be stored as bytes."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        # Not parquet.read_table: it would read columns out of folders that are called key=value.
        with open_steadily(path) as opened, parquet.ParquetFile(opened, pre_buffer=False) as file:
            columns = _Columns(file.schema_arrow.names)
            if file.metadata.num_rows > _MOST_ROWS:
                raise PairingError(f"The manifest {show(path)} has more than {_MOST_ROWS:,} rows: split it.")
            check(columns.kept)  # before columns are read that would be refused anyway
            read = file.read(use_threads=False)
            read = read.rename_columns([str(index) for index in range(len(columns.all))]).to_pylist()
    except (pa.ArrowException, ValueError, KeyError, OverflowError) as error:
        raise PairingError(
            f"The manifest {show(path)} is no Parquet that can be read ({brief(error)}): write it anew."
        ) from error
    rows = [
        (f"row {number} of {show(path)}", columns.of([*cells.values()]))
        for number, cells in enumerate(read, 1)
    ]
    return Sheet(columns.kept, rows, columns.notes)


def brief(error: Exception) -> str:
    """Write what a library says, which may be lines long, as a part of a sentence."""
    return show(" ".join(str(error).split())[:_SHOWN])


class _Columns:
    """The columns of a table, some of which are left aside: somebody's own, and an index without a name."""

    def __init__(self, header: Sequence[str]) -> None:
        self.all = [re.sub("[ -]", "_", name.strip().lower()) for name in header]
        self.places = [
            index
            for index, name in enumerate(self.all)
            if not (_UNNAMED.fullmatch(name) or name.startswith(OWN))
        ]
        self.kept = [self.all[index] for index in self.places]

    @property
    def notes(self) -> list[str]:
        """What is left aside."""
        own = [name for name in self.all if name.startswith(OWN)]
        unnamed = any(map(_UNNAMED.fullmatch, self.all))
        return [f"its own columns {', '.join(own)} are left aside"] * bool(own) + [
            "a column without a name is left aside"
        ] * unnamed

    def of(self, cells: Sequence[Any]) -> dict[str, Any]:
        """The cells of a row that count, by column."""
        return {self.all[index]: cells[index] for index in self.places if index < len(cells)}


def _fitted(cells: list[str], columns: _Columns, place: str, separator: str) -> list[str]:
    """Cells without empty ones behind the last column, which a separator at the end of a line makes."""
    count = len(columns.all)
    if any(cell.strip() for cell in cells[count:]):
        way_out = f"put quotation marks around cells that hold {_SEPARATORS[separator][:-1]}s"
        raise PairingError(f"There are {len(cells)} cells but {count} columns ({place}): {way_out}.")
    return cells[:count]


def _separator(text: str, required: Sequence[str]) -> tuple[str, str]:
    """The text without a line for spreadsheets alone, and the separator that makes the columns needed."""
    begin = re.match(r"\s*sep=(.)\r?\n", text, re.IGNORECASE)
    if begin and begin[1] in _SEPARATORS:
        return text[begin.end() :], begin[1]
    header = next((line for line in text.splitlines() if line.strip(" ,;\t|")), "")
    for separator in _SEPARATORS:
        read = next(csv.reader([header], delimiter=separator, skipinitialspace=True), [])
        if {*required} <= {*_Columns(read).kept}:
            return text, separator
    return text, ","


def _text(path: Path) -> tuple[str, list[str]]:
    """The text of a file, and a note on its encoding if that is none of the usual."""
    with open_steadily(path) as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise PairingError(f"The manifest {show(path)} is larger than 1 GiB: split it.")
    encoding = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        wanted = "UTF-8" if encoding.startswith("utf-8") else encoding.upper()
        raise PairingError(
            f"The manifest {show(path)} is no {wanted} text (byte {error.start}): save it as UTF-8."
        ) from error
    return text, [] if encoding.startswith("utf-8") else [f"it is {encoding.upper()} text"]


def _lines(path: Path, text: str) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            place = f"line {number} of {show(path)}"
            yield place, _parsed(line, place)


def _listed(path: Path, text: str) -> Iterable[tuple[str, Any]]:
    found = _parsed(text, show(path))
    return ((f"entry {number} of {show(path)}", cells) for number, cells in enumerate(found, 1))


def _parsed(text: str, place: str) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        reason = getattr(error, "msg", str(error))
        raise PairingError(f"There is no valid JSON ({reason}; {place}): mend that line.") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("one name stands twice")
    return made
