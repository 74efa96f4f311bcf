"""Tables of pairs: broken ones, of every format, are refused in one sentence that names the place."""

import json
import os

import pyarrow as pa
import pytest
from pair_files import csv_file, empty_photographs, lines_file, pairs_of, parquet_file, row
from pair_files import refusal_naming as refusal
from pyarrow import parquet

from flows.pairs.find import find_pairs


@pytest.fixture
def folder(tmp_path):
    return empty_photographs(tmp_path)


def test_unknown_columns_are_named(folder):
    text = refusal(csv_file(folder, "content,style,sise\na.jpg,look.png,48\n"))
    assert text.startswith("There is no setting 'sise' (column of ")
    assert "'size'" in text
    assert "'x_sise' to have it left aside" in text
    assert "'sise'" in refusal(lines_file(folder, row(), row(sise=1)))
    assert "'sise'" in refusal(parquet_file(folder, [row(sise=1)]))


def test_missing_columns_are_named_with_those_found(folder):
    text = refusal(csv_file(folder, "content:style\na.jpg:look.png\n"))
    assert "no column 'content'" in text
    assert "content:style" in text
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
        assert "UTF-16" in refusal(csv_file(folder, b"\xff\xfea", name))


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
    monkeypatch.setattr("flows.pairs.readers._MOST_ROWS", 1)
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


# --- one table in many hands


PLAIN = "content,style\na.jpg,look.png\nb.jpg,look.png\nsub/a.jpg,other.jpg\n"
ROWS = [line.split(",") for line in PLAIN.splitlines()[1:]]


def as_object(cells, content="content"):
    return {content: cells[0], "style": cells[1]}


def written(separator=",", header="content,style", begin="", end=""):
    lines = [header.split(","), *ROWS]
    return "".join(f"{begin}{separator.join(cells)}{end}\n" for cells in lines)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("p.csv", PLAIN, None),
        ("p.csv", written(", "), None),
        ("p.csv", written(" , ").replace("jpg \n", "jpg\n"), "spaces around"),
        ("p.csv", written(header="content,style", end=" "), "spaces around"),
        ("p.csv", written(end=","), "without a name"),
        ("p.csv", written(end=",,"), "without a name"),
        (
            "p.csv",
            PLAIN.replace("\n", "\n7,").replace("content", ",content").removesuffix("7,"),
            "without a name",
        ),
        (
            "p.csv",
            PLAIN.replace("\n", "\n7,").replace("content", "Unnamed: 0,content").removesuffix("7,"),
            "name",
        ),
        ("p.csv", PLAIN.replace(",", ";"), "semicolons"),
        ("p.csv", "sep=;\r\n" + PLAIN.replace(",", ";").replace("\n", "\r\n"), "semicolons"),
        ("p.csv", PLAIN.replace(",", "|"), "bars"),
        ("p.tsv", PLAIN.replace(",", "\t"), "tabs"),
        ("p.txt", PLAIN.replace(",", "\t"), "tabs"),
        ("p.csv", PLAIN.replace("content,style", "Content,STYLE"), None),
        ("p.csv", PLAIN + " , \n\n;\n".replace(";", ","), None),
        ("p.csv", PLAIN.replace("\n", "\r"), None),
        ("p.csv", PLAIN.encode("utf-8-sig"), None),
        ("p.csv", PLAIN.encode("utf-16"), "UTF-16"),
        ("p.csv", PLAIN.replace(",", "\t").encode("utf-16"), "tabs"),
        ("p.csv", b"\xff\xfe\0\0" + PLAIN.encode("utf-32-le"), "UTF-32"),
        (
            "p.csv",
            written().replace("sub/a", '"sub/a').replace("a.jpg,o", 'a.jpg", "o').replace("r.jpg", 'r.jpg"'),
            None,
        ),
        ("p.csv", PLAIN.replace("\n", ",x\n").replace("style,x", "style,X-Note"), "x_note"),
        ("p.json", json.dumps([as_object(cells) for cells in ROWS]), None),
        ("p.jsonl", json.dumps([as_object(cells, "Content") for cells in ROWS], indent=1), None),
        (
            "p.json",
            "".join(json.dumps(as_object(cells)) + "\n" for cells in ROWS),
            None,
        ),
    ],
)
def test_the_same_pairs_are_read_however_a_table_was_saved(folder, name, text, told):
    expected = pairs_of(csv_file(folder, PLAIN, "control.csv"))
    found = find_pairs(csv_file(folder, text, name))
    assert found.pairs == expected
    if told is None:
        assert found.notes == ()
    else:
        assert len(found.notes) == 1
        assert found.notes[0].startswith(f"How {folder / name} is read: ")
        assert told in found.notes[0]


def test_texts_stored_as_bytes_and_an_index_are_taken_in_parquet(folder):
    expected = pairs_of(csv_file(folder, PLAIN, "control.csv"))
    columns = [*zip(*ROWS, strict=True)]
    table = pa.table({
        "content": pa.array([cell.encode() for cell in columns[0]], pa.binary()),
        "style": pa.array([cell.encode() for cell in columns[1]], pa.large_binary()),
        "__index_level_0__": [4, 7, 9],
    })  # fmt: skip
    parquet.write_table(table, folder / "p.parquet")
    assert pairs_of(folder / "p.parquet") == expected


@pytest.mark.parametrize("column", ["id", "comment"])
def test_own_columns_are_left_aside_by_their_prefix_alone(folder, column):
    text = f"content,style,{column}\na.jpg,look.png,7\n"
    assert f"'x_{column}' to have it left aside" in refusal(csv_file(folder, text))
    (pair,) = pairs_of(csv_file(folder, text.replace(column, f"x_{column}")))
    assert pair.given == {}


def test_a_workbook_called_csv_says_what_it_is(folder):
    text = refusal(csv_file(folder, b"PK\x03\x04\x14\0\x06\0" + bytes(50)))
    assert "is a ZIP archive or an office document: save the table as CSV" in text
