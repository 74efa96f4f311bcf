"""Tables of pairs: broken ones, of every format, are refused in one sentence that names the place."""

import os

import pyarrow as pa
import pytest
from pair_files import csv_file, empty_photographs, lines_file, parquet_file, row
from pair_files import refusal_naming as refusal
from pyarrow import parquet


@pytest.fixture
def folder(tmp_path):
    return empty_photographs(tmp_path)


def test_unknown_columns_are_named(folder):
    text = refusal(csv_file(folder, "content,style,sise\na.jpg,look.png,48\n"))
    assert text.startswith("There is no setting 'sise' (column of ")
    assert "'size'" in text
    assert "'sise'" in refusal(lines_file(folder, row(), row(sise=1)))
    assert "'sise'" in refusal(parquet_file(folder, [row(sise=1)]))


def test_missing_columns_are_named_with_those_found(folder):
    text = refusal(csv_file(folder, "content;style\na.jpg;look.png\n"))
    assert "no column 'content'" in text
    assert "content;style" in text
    assert "comma" in text
    assert "no column 'style'" in refusal(lines_file(folder, {"content": "a.jpg"}))
    assert "no column 'style'" in refusal(parquet_file(folder, [{"content": "a.jpg"}]))
    many = ",".join(f"column{n}" for n in range(500))
    assert len(refusal(csv_file(folder, f"{many}\n"))) < 600 + len(str(folder))


def test_columns_that_stand_twice_are_refused(folder):
    assert "two columns 'style'" in refusal(csv_file(folder, "content,style,style\na,b,c\n"))
    assert "two columns 'content_map'" in refusal(csv_file(folder, "content,style,content-map,content_map\n"))
    text = refusal(lines_file(folder, row(), '{"content": "a.jpg", "style": "b.jpg", "style": "c.jpg"}'))
    assert "twice" in text
    assert "line 2 of" in text
    assert "twice" in refusal(lines_file(folder, row(**{"content-map": "x", "content_map": "y"})))


@pytest.mark.parametrize("column", ["content", "style"])
def test_a_row_without_a_photograph_is_named(folder, column):
    text = refusal(lines_file(folder, row(), row(**{column: ""})))
    assert f"No {column} photograph is named (line 2 of" in text
    assert "row 2 of" in refusal(parquet_file(folder, [row(), row(**{column: None})]))


@pytest.mark.parametrize(
    "line", ["{", "[1]", "7", "null", "NaN", '{"content": }', "[" * 100_000, '{"seed": ' + "9" * 5000 + "}"]
)
def test_broken_json_lines_are_named(folder, line):
    assert "line 3 of" in refusal(lines_file(folder, row(), "", line))


def test_a_broken_csv_is_named_with_its_line(folder):
    assert "line 3 of" in refusal(csv_file(folder, "content,style\na.jpg,look.png\na.jpg,look.png,48\n"))
    for broken in ('"a.jpg,look.png\nb.jpg,look.png\n', '"a"b,look.png\n', f"{'x' * 140_000},b\n"):
        text = refusal(csv_file(folder, f"content,style\n{broken}"))
        assert "CSV is broken" in text
        assert "line " in text


def test_a_text_that_is_not_utf8_is_named(folder):
    for name in ("pairs.csv", "pairs.jsonl"):
        assert "UTF-8" in refusal(csv_file(folder, "content,style\nä,b\n".encode("latin-1"), name))
        assert "UTF-8" in refusal(csv_file(folder, "content,style\n".encode("utf-16"), name))


def test_a_broken_parquet_is_named(folder):
    whole = parquet_file(folder, [row()]).read_bytes()
    for data in (
        b"",
        b"PAR1",
        b"x" * 100,
        whole[:-20],
        whole[: len(whole) // 2],
        b"PAR1" + bytes(200) + whole[-8:],
    ):
        assert "no Parquet that can be read" in refusal(csv_file(folder, data, "bad.parquet"))


def test_a_manifest_without_rows_is_refused(folder):
    table = pa.table({"content": pa.array([], pa.string()), "style": pa.array([], pa.string())})
    parquet.write_table(table, folder / "none.parquet")
    empty = [csv_file(folder, "content,style\n"), csv_file(folder, "", "no.csv"), lines_file(folder)]
    for path in [*empty, folder / "none.parquet"]:
        assert "has no rows" in refusal(path)


def test_parquet_that_claims_too_many_rows_is_not_read(folder, monkeypatch):
    monkeypatch.setattr("flows.pairs.tables._MOST_ROWS", 1)
    assert "more than 1 rows" in refusal(parquet_file(folder, [row(), row(name="b")]))


def test_a_file_of_another_kind_is_no_manifest(folder):
    text = refusal(csv_file(folder, "x", "pairs.xlsx"))
    assert "is no manifest" in text
    assert ".parquet" in text


def test_a_manifest_that_cannot_be_opened_is_named(folder, monkeypatch):
    path = csv_file(folder, "content,style\n")

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    assert "Permission denied" in refusal(path)
