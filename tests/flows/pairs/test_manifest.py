"""Manifests: what a row says, what it must not say, and that every format says the same."""

import csv
import io
import json
import os
import re
import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pair_files import csv_file, empty_photographs, lines_file, pairs_of, parquet_file, row
from pair_files import refusal_naming as refusal
from pyarrow import parquet

from flows.pairs.find import find_pairs
from flows.pairs.manifest import read_manifest
from flows.pairs.names import fold
from flows.pairs.pair import PairingError
from pst_core.settings.config import Config


@pytest.fixture
def folder(tmp_path):
    return empty_photographs(tmp_path)


# --- what a row says


def test_a_csv_names_photographs_maps_names_and_settings(folder):
    text = (
        "content,style,content_map,style_map,name,preset,size,style_layers,color-match\r\n"
        'a.jpg,look.png,am.png,sm.png,set/one,fast,48,"conv1_1=0.5,conv2_1=1",auto\r\n'
        "sub/a.jpg,other.jpg,,,,,none,,0.5\r\n"
    )
    one, two = pairs_of(csv_file(folder, text))[::-1]
    assert (one.name, one.content, one.style) == ("set/one", folder / "a.jpg", folder / "look.png")
    assert (one.content_map, one.style_map) == (folder / "am.png", folder / "sm.png")
    assert one.given == {
        "preset": "fast", "size": 48, "style_layers": {"conv1_1": 0.5, "conv2_1": 1.0}, "color_match": "auto",
    }  # fmt: skip
    assert one.problem is two.problem is None
    assert (two.name, two.content_map, two.style_map) == ("a", None, None)
    assert two.given == {"size": None, "color_match": 0.5}
    assert Config.make(**two.given).size is None


def test_the_manifests_own_order_is_kept_but_pairs_come_in_natural_order(folder):
    path = csv_file(folder, "content,style,name\n" + "".join(f"a.jpg,look.png,n{n}\n" for n in (10, 2, 1)))
    assert [pair.name for pair in read_manifest(path)[0]] == ["n10", "n2", "n1"]
    assert [pair.name for pair in pairs_of(path)] == ["n1", "n2", "n10"]


def test_a_byte_order_mark_blank_lines_and_missing_cells_are_taken(folder):
    text = b"\xef\xbb\xbfcontent, style ,name\r\n\r\na.jpg,look.png\r\n,,\r\n"
    assert [pair.name for pair in pairs_of(csv_file(folder, text, "PAIRS.CSV"))] == ["a"]
    lines = lines_file(folder, "\ufeff" + json.dumps(row()), "", name="pairs.ndjson")
    assert [pair.name for pair in pairs_of(lines)] == ["a"]


@pytest.mark.parametrize("empty", [None, "", "  ", float("nan")])
def test_empty_cells_mean_not_given(folder, empty):
    path = lines_file(folder, row(name=empty, size=empty, preset=empty, content_map=empty, style_map=empty))
    (pair,) = pairs_of(path)
    assert (pair.name, pair.given, pair.content_map, pair.problem) == ("a", {}, None, None)


def test_whole_numbers_that_a_table_made_floats_are_whole_again(folder):
    path = parquet_file(folder, [row(bit_depth=16.0, size=64.0, name=7.0), row(bit_depth=None)])
    seven, other = pairs_of(path)
    assert seven.given == {"bit_depth": 16, "size": 64}
    assert (seven.name, other.name, other.given) == ("7", "a", {})


def test_layers_may_be_structures_or_maps_in_parquet(folder):
    layers = pa.array([[("conv1_1", 1.0)]], pa.map_(pa.string(), pa.float64()))
    weights = pa.array([{"conv4_2": 2.0, "conv3_2": None}])
    table = pa.table(
        {"content": ["a.jpg"], "style": ["look.png"], "style_layers": layers, "content_layers": weights}
    )
    parquet.write_table(table, folder / "pairs.parquet")
    (pair,) = pairs_of(folder / "pairs.parquet")
    assert pair.given == {"style_layers": {"conv1_1": 1.0}, "content_layers": {"conv4_2": 2.0}}


def test_a_folder_called_key_value_adds_no_column(folder):
    inner = folder / "size=64"
    inner.mkdir()
    (pair,) = pairs_of(parquet_file(inner, [row()]))
    assert pair.given == {}


def test_names_follow_the_content_and_the_style_where_that_is_not_enough(folder):
    rows = [row(), row(style="other.jpg"), row(content="b.jpg"), row(content="sub/a.jpg", name="own")]
    names = [pair.name for pair in read_manifest(lines_file(folder, *rows))[0]]
    assert names == ["a-look", "a-other", "b", "own"]
    rows = [row(name="B"), row(content="b.jpg")]
    assert [pair.name for pair in read_manifest(lines_file(folder, *rows))[0]] == ["B", "b-look"]


def test_what_is_wrong_with_one_pair_is_its_problem(folder):
    (folder / "doc.pdf").write_bytes(b"%PDF-1.7\n")
    rows = [
        row(content="none.jpg"), row(style="sub", name="folder"), row(content="doc.pdf"),
        row(name="map", content_map="am.png"), row(name="no map", content_map="am.png", style_map="x.png"),
        row(name="long", style=f"{'x' * 300}.jpg"), row(name="fine"),
    ]  # fmt: skip
    problems = {pair.name: pair.problem for pair in pairs_of(lines_file(folder, *rows))}
    assert problems.pop("fine") is None
    assert "none.jpg does not exist" in problems["none"]
    assert "sub is a folder" in problems["folder"]
    assert "doc.pdf is a PDF document: export it" in problems["doc"]
    assert "am.png but no style map" in problems["map"]
    assert "x.png does not exist" in problems["no map"]
    assert "cannot be looked at" in problems["long"]


# --- the same in every format

VALUES = {
    "size": st.integers(32, 500),
    "seed": st.integers(0, 2**63 - 1),
    "style_weight": st.floats(0, 1e12),
    "filter": st.sampled_from(["guided", "tv", "none"]),
    "bit_depth": st.sampled_from(["auto"]),
    "color_match": st.sampled_from([0.25, 0.5]),
    "preset": st.sampled_from(["fast", "paper", "default"]),
    "content_map": st.just("maps/m 1.png"),
    "style_map": st.just("maps/ü.png"),
}
FILES = st.text(alphabet="abc019 äß\"',;#=é", min_size=1, max_size=6).map(lambda name: f"x/{name}.jpg")
ROWS = st.fixed_dictionaries(
    {"content": FILES, "style": FILES},
    optional={key: st.one_of(st.none(), value) for key, value in VALUES.items()},
)


def write_all(folder, rows):
    columns = list(dict.fromkeys(name for cells in rows for name in cells))
    full = [{name: cells.get(name) for name in columns} for cells in rows]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(full)
    csv_file(folder, text.getvalue())
    lines_file(folder, *rows)
    parquet.write_table(
        pa.table({name: [cells[name] for cells in full] for name in columns}), folder / "p.parquet"
    )
    return [folder / "pairs.csv", folder / "pairs.jsonl", folder / "p.parquet"]


@given(st.lists(ROWS, min_size=1, max_size=5))
@hypothesis_settings(max_examples=60)
def test_every_format_gives_the_same_pairs(rows):
    rows = [cells | {"name": f"{number} of all/ü"} for number, cells in enumerate(rows)]
    with tempfile.TemporaryDirectory() as folder:
        found = [pairs_of(path) for path in write_all(Path(folder), rows)]
        assert found[0] == found[1] == found[2]
        for cells, pair in zip(rows, found[0], strict=True):
            assert pair.content == Path(folder) / cells["content"]
            settings = {name: value for name, value in cells.items() if value is not None}
            for name in ("content", "style", "name", "content_map", "style_map"):
                settings.pop(name, None)
            assert pair.given == settings


# --- paths that lead out


HOSTILE = [
    "/etc/passwd", "../secret.jpg", "sub/../../secret.jpg", "out.jpg", "away/secret.jpg", "sub/up/secret.jpg",
]  # fmt: skip


@pytest.fixture
def with_links(folder, tmp_path):
    (folder / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    (folder / "away").symlink_to(tmp_path)
    (folder / "sub" / "up").symlink_to("../..")
    (folder / "in.jpg").symlink_to("sub/a.jpg")
    (folder / "back").symlink_to("sub/up/photos")
    return folder


@pytest.mark.parametrize("column", ["content", "style", "content_map", "style_map", "weights"])
@pytest.mark.parametrize("value", HOSTILE)
def test_paths_out_of_the_folder_are_refused_unless_allowed(with_links, column, value):
    path = lines_file(with_links, row(name="ok"), row(name="p", **{column: value}))
    text = refusal(path)
    assert f"{column} {value!r} (line 2 of" in text
    assert "--allow-outside" in text
    pair = {pair.name: pair for pair in pairs_of(path, allow_outside=True)}["p"]
    if column in ("content", "style"):
        assert getattr(pair, column) == with_links / value


def test_links_that_stay_inside_are_followed(with_links):
    path = lines_file(with_links, row(content="in.jpg"), row(content="back/b.jpg"))
    assert [(pair.name, pair.problem) for pair in pairs_of(path)] == [("b", None), ("in", None)]
    (with_links.parent / "link").symlink_to(with_links)
    assert len(pairs_of(with_links.parent / "link" / path.name)) == 2


@pytest.mark.parametrize("value", ["nul\0.jpg", "new\nline.jpg", "\x1b[2J.jpg", "\udcff.jpg", "\x85.jpg"])
@pytest.mark.parametrize("allow_outside", [False, True])
def test_control_characters_are_always_refused(folder, value, allow_outside):
    text = refusal(lines_file(folder, row(style=value)), allow_outside=allow_outside)
    assert "control character" in text
    assert "line 1 of" in text
    assert text.isprintable()


@pytest.mark.parametrize("value", ["~/x.pth", " ~/x.pth", "./~/x.pth", "~root", " /etc/passwd"])
def test_weights_lead_to_no_home_folder_and_nowhere_by_spaces(folder, value, monkeypatch):
    monkeypatch.chdir(folder)
    lines_file(folder, row(weights=value))
    assert "weights" in refusal(Path("pairs.jsonl"))


def test_weights_lie_beside_the_manifest_or_are_untrained(folder):
    path = lines_file(folder, row(name="1", weights="w.pth"), row(name="2", weights=" untrained "))
    one, two = pairs_of(path)
    assert one.given == {"weights": str(folder / "w.pth")}
    assert two.given == {"weights": "untrained"}
    home = lines_file(folder, row(weights="~/w.pth"))
    assert pairs_of(home, allow_outside=True)[0].given == {"weights": "~/w.pth"}


PIECES = [
    "..",
    ".",
    "/",
    "//",
    "\\",
    "~",
    "a.jpg",
    "sub",
    "away",
    "up",
    "out.jpg",
    "in.jpg",
    "back",
    " ",
    "\0",
]
HOSTILE_PATHS = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=6).map("/".join),
    st.lists(st.sampled_from(PIECES), max_size=6).map("".join),
    st.text(max_size=12),
)


@given(HOSTILE_PATHS, HOSTILE_PATHS)
@example("back/sub/up/secret.jpg", "a.jpg")
@hypothesis_settings(max_examples=250)
def test_no_text_yields_a_path_outside_the_folder(tmp_path_factory, content, style):
    folder = tmp_path_factory.getbasetemp() / "hostile" / "photos"
    if not folder.exists():
        (folder / "sub").mkdir(parents=True)
        for name in ("a.jpg", "sub/a.jpg", "../secret.jpg"):
            (folder / name).touch()
        (folder / "out.jpg").symlink_to("../secret.jpg")
        (folder / "away").symlink_to("..")
        (folder / "sub" / "up").symlink_to("../..")
        (folder / "in.jpg").symlink_to("sub/a.jpg")
        (folder / "back").symlink_to("sub/up/photos")
    path = lines_file(folder, {"content": content, "style": style, "weights": style})
    try:
        (pair,) = pairs_of(path)
    except PairingError as error:
        assert str(error).isprintable()
        return
    for found in (pair.content, pair.style, Path(pair.given["weights"]).expanduser()):
        real = Path(os.path.realpath(found))
        assert real.is_relative_to(os.path.realpath(folder)) or str(found) == "untrained"
    out = Path("/results")
    assert Path(os.path.normpath(out / pair.name)).parent.is_relative_to(out)


# --- names


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/abs", "absolute"), ("C:\\x", "backslash"), ("C:x", "absolute"), ("../up", "'..'"),
        ("a/../b", "'..'"),
        ("a/./b", "'.'"), ("a//b", "empty"), ("a/", "empty"), ("a\\b", "backslash"), ("a\nb", "control"),
        ("a\0", "control"), ("x" * 201, "too long"), ("ü" * 150, "too long"),
    ],
)  # fmt: skip
def test_names_that_cannot_be_folders_are_refused(folder, name, reason):
    text = refusal(lines_file(folder, row(), row(name=name)))
    assert reason in text
    assert "line 2 of" in text
    assert text.isprintable()


def test_names_found_are_checked_as_given_ones(folder):
    assert "no text" in refusal(lines_file(folder, row(name=["x"])))
    assert pairs_of(lines_file(folder, row(content="w\\x.jpg")))[0].name == "w_x"
    long = "/".join(["x" * 99] * 2) + "y"
    assert pairs_of(lines_file(folder, row(name=long)))[0].name == long


@pytest.mark.parametrize(
    "name", ["batch.json", "Contact.PNG", "failed.jsonl/x", "Gallery", "gallery/x", "a/result.png", "details"]
)
def test_names_that_the_results_folder_needs_are_changed_and_told(folder, name):
    found = find_pairs(lines_file(folder, row(name=name), row(name="other")))
    changed, other = found.pairs if found.pairs[1].name == "other" else found.pairs[::-1]
    assert other.name == "other"
    assert re.fullmatch(r"(failed\.jsonl|gallery)_/x|" + re.escape(name) + "-[0-9a-f]{6}", changed.name)
    assert changed.name != name
    assert f"{name!r} is {changed.name!r}" in found.notes[0]


def test_a_content_called_like_a_file_of_the_results_gets_a_name_too(folder):
    (pair,) = pairs_of(lines_file(folder, row(content="batch.json.jpg")))
    assert pair.name == "batch.json-look"


@pytest.mark.parametrize(("one", "other"), [("a", "a"), ("a", "A"), ("é", "e\u0301")])
def test_names_that_meet_are_told_apart_and_the_others_stay(folder, one, other):
    rows = [row(name=one), row(content="b.jpg", name=other), row(name="z")]
    found = find_pairs(lines_file(folder, *rows))
    names = {pair.name for pair in found.pairs}
    assert "z" in names
    assert len({fold(name) for name in names}) == 3
    assert f"{one!r} is '{one}-" in found.notes[0]
    assert {pair.name for pair in pairs_of(lines_file(folder, *rows[::-1]))} == names


def test_rows_of_the_same_photographs_get_names_by_what_they_set(folder):
    rows = [row(size=48), row(size=64), row(content="b.jpg"), row(content="b.jpg")]
    pairs = pairs_of(lines_file(folder, *rows))
    assert len({pair.name for pair in pairs}) == 4
    sizes = {pair.given["size"]: pair.name for pair in pairs if pair.given}
    more = pairs_of(lines_file(folder, row(size=32), *rows))
    assert sizes.items() <= {pair.given["size"]: pair.name for pair in more if pair.given}.items()


# --- how paths may be meant


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("sub/a.jpg", None),
        (" sub/a.jpg ", "spaces around paths"),
        ("sub\\a.jpg", "backslashes in paths"),
        (" sub\\a.jpg", "backslashes in paths"),
        ("./sub/a.jpg", None),
        ("sub/two%20words.jpg", "%20"),
        ("sub\\two%20words.jpg", "%20"),
        ("100%25.jpg", None),
    ],
)
def test_a_path_is_taken_as_it_is_plainly_meant_where_only_that_is_a_file(folder, written, told):
    for name in ("sub/two words.jpg", "100%25.jpg", "100%.jpg"):
        (folder / name).touch()
    found = find_pairs(lines_file(folder, row(style=written)))
    (pair,) = found.pairs
    assert pair.problem is None
    assert pair.style in {folder / "sub/a.jpg", folder / "sub/two words.jpg", folder / "100%25.jpg"}
    assert found.notes == () if told is None else told in found.notes[0]


def test_a_path_as_it_is_written_goes_before_what_it_may_be_meant_as(folder):
    for name in ("sub\\a.jpg", " b.jpg", "c%20d.jpg", "c d.jpg"):
        (folder / name).touch()
    for name in ("sub\\a.jpg", " b.jpg", "c%20d.jpg"):
        found = find_pairs(lines_file(folder, row(content=name)))
        assert found.pairs[0].content == folder / name
        assert found.notes == ()


def test_an_address_is_a_file_or_says_what_to_do(folder):
    place = f"file://{folder}/two%20words.jpg"
    (folder / "two words.jpg").touch()
    (pair,) = pairs_of(lines_file(folder, row(style=place)), allow_outside=True)
    assert pair.style == folder / "two words.jpg"
    assert "is an address: fetch the picture" in refusal(lines_file(folder, row(style="https://x.org/a.jpg")))


@pytest.mark.parametrize(
    "written", ["..\\secret.jpg", "%2e%2e/secret.jpg", "sub\\..\\..\\secret.jpg", "/a.jpg "]
)
def test_no_reading_of_a_path_leads_out(folder, written):
    try:
        (pair,) = pairs_of(lines_file(folder, row(style=written)))
    except PairingError:
        return
    assert "does not exist" in pair.problem


@pytest.mark.parametrize("name", [b"caf\xe9.jpg", b"new\nline.jpg", b"tab\t.jpg"])
def test_a_files_name_need_not_be_text_where_a_file_is_called_so(folder, name):
    path = folder / os.fsdecode(name)
    path.touch()
    (pair,) = pairs_of(lines_file(folder, row(content=path.name)))
    assert (pair.content, pair.problem) == (path, None)
    pair.name.encode()
    assert pair.name.isprintable()


# --- what is refused


@pytest.mark.parametrize(
    ("cells", "named"),
    [
        ({"size": "large"}, ["'size'", "'large'"]),
        ({"size": 7}, ["'size'", "7"]),
        ({"preset": "swift"}, ["'swift'", "fast"]),
        ({"preset": 3}, ["preset 3"]),
        ({"style_layers": "conv1_1"}, ["'style_layers'", "conv1_1=0.2"]),
        ({"color_match": 2}, ["olor_match"]),
        ({"seed": [1]}, ["'seed'"]),
        ({"content_layers": {"relu": 1}}, ["content_layers"]),
    ],
)
def test_settings_are_checked_and_the_row_is_named(folder, cells, named):
    text = refusal(lines_file(folder, row(name="fine", size=48), row(**cells)))
    for part in [*named, "line 2 of"]:
        assert part in text


@pytest.mark.parametrize("cells", [{"content": 3}, {"style": ["x"]}, {"content_map": {"a": 1}}])
def test_paths_must_be_text(folder, cells):
    assert "no text" in refusal(lines_file(folder, row(**cells)))


@given(st.data())
@hypothesis_settings(max_examples=60)
def test_damaged_manifests_raise_nothing_else(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp() / "damaged"
    folder.mkdir(exist_ok=True)
    path = data.draw(st.sampled_from(write_all(folder, [row(size=48, name="ü")])))
    damaged = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(damaged) - 1), min_size=1, max_size=3)):
        damaged[place] = data.draw(st.integers(0, 255))
    path.write_bytes(damaged)
    try:
        pairs_of(path)
    except PairingError as error:
        assert str(error).isprintable()


def test_reading_a_folder_needs_no_table_library():
    import subprocess
    import sys

    code = "import sys, flows.pairs.manifest; print([m for m in ('pyarrow', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# --- several styles


def test_further_styles_and_their_shares_are_columns(folder):
    text = (
        "content,style,style_2,content_map,style_map,style-2-map,shares\n"
        'a.jpg,look.png,other.jpg,am.png,sm.png,am.png,"0.7,0.3"\n'
        "b.jpg,look.png,,,,,\n"
    )
    one, two = pairs_of(csv_file(folder, text))
    assert one.further == {"style_2": folder / "other.jpg", "style_2_map": folder / "am.png"}
    assert (one.given, one.problem) == ({"shares": (0.7, 0.3)}, None)
    assert list(one.paths) == ["content", "style", "content_map", "style_map", "style_2", "style_2_map"]
    assert (two.further, two.given, two.problem) == ({}, {}, None)


@pytest.mark.parametrize(("cells", "sentence"), [
    ({"style_3": "other.jpg"}, "The style_2 is missing"),
    ({"style_2_map": "am.png"}, "The style_2 is missing"),
    ({"style_2": "other.jpg", "content_map": "am.png", "style_map": "sm.png"}, "The style_2 has no map"),
    ({"style_2": "other.jpg", "shares": [0.5, -1]}, "'shares' cannot be -1"),
    ({"style_2": "other.jpg", "shares": [0.5, "half"]}, "'shares' cannot be 'half'"),
])  # fmt: skip
def test_styles_that_do_not_go_together_are_refused(folder, cells, sentence):
    assert sentence in refusal(lines_file(folder, row(**cells)))


def test_a_further_style_that_is_missing_is_the_pairs_problem(folder):
    (pair,) = pairs_of(lines_file(folder, row(style_2="none.jpg")))
    assert "none.jpg does not exist" in pair.problem
