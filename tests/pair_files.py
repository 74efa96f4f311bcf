"""Manifests in every format for tests, what was found in a source, and the sentence that refuses one."""

import json

import pyarrow as pa
import pytest
from pyarrow import parquet

from flows.pairs.find import find_pairs
from flows.pairs.pair import PairingError


def csv_file(folder, text, name="pairs.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def lines_file(folder, *rows, name="pairs.jsonl"):
    path = folder / name
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path


def parquet_file(folder, rows, name="pairs.parquet"):
    path = folder / name
    parquet.write_table(pa.Table.from_pylist(rows), path)
    return path


def row(**cells):
    return {"content": "a.jpg", "style": "look.png"} | cells


def pairs_of(source, **options):
    """The pairs that are found in it."""
    return find_pairs(source, **options).pairs


def summary(pairs, root):
    """Name, content and style of each pair, as short texts."""
    return [
        (pair.name, pair.content.relative_to(root).as_posix(), pair.style.relative_to(root).as_posix())
        for pair in pairs
    ]


def maps_of(pair):
    return pair.content_map and pair.content_map.name, pair.style_map and pair.style_map.name


def by_name(pairs):
    return {pair.name: pair for pair in pairs}


def told(source, **options):
    """What it is refused with."""
    with pytest.raises(PairingError) as caught:
        find_pairs(source, **options)
    return str(caught.value)


def refusal(source, **options):
    """The one sentence with which it is refused."""
    return one_sentence(told(source, **options))


def one_sentence(text):
    assert "\n" not in text
    assert text.endswith(".")
    assert text[0].isupper() or text[0] in "/\\"
    return text


def refusal_naming(path, **options):
    """The one sentence with which a manifest is refused, which names it; it may begin with a file's name."""
    text = told(path, **options)
    assert "\n" not in text
    assert text.endswith(".")
    assert path.name in text
    return text


def empty_photographs(place):
    """A folder with a few empty photographs."""
    for name in ("a.jpg", "b.jpg", "sub/a.jpg", "look.png", "other.jpg", "am.png", "sm.png"):
        path = place / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (place / "secret.jpg").touch()
    return place / "photos"
