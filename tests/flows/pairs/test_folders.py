"""Folder conventions: which photographs a folder pairs, and what is said about those it does not."""

import errno
import os
import re
import time
import unicodedata
from pathlib import Path

import pytest
from pair_files import by_name, maps_of, one_sentence, pairs_of, refusal, summary

from flows.layout import PAIR_FILES, RESERVED
from flows.pairs.find import find_pairs
from flows.pairs.names import fold
from flows.pairs.pair import Pair

SAMPLE = Path(__file__).resolve().parents[3] / "data" / "sample"


# --- pairs: equal names in content/ and style/


def test_equal_stems_pair_whatever_the_extension_and_subfolders_are_mirrored(folder):
    root = folder("content/a/b/x.JPG", "style/a/b/x.png", "content/x.jpeg", "style/x.tiff")
    assert summary(pairs_of(root, pairing="pairs"), root) == [
        ("a/b/x", "content/a/b/x.JPG", "style/a/b/x.png"),
        ("x", "content/x.jpeg", "style/x.tiff"),
    ]


def test_partners_may_differ_in_case_and_in_unicodes_spelling(folder):
    composed = unicodedata.normalize("NFC", "Café")
    root = folder(f"content/{composed}.jpg", f"style/{unicodedata.normalize('NFD', 'café')}.jpg")
    (pair,) = pairs_of(root)
    assert (pair.name, pair.problem) == (composed, None)


def test_maps_come_from_their_folders_both_or_neither(folder):
    root = folder(
        "content/d/a.jpg", "style/d/a.jpg", "content_maps/d/a.png", "style_maps/d/a.bmp",
        "content/b.jpg", "style/b.jpg",
        "content/c.jpg", "style/c.jpg", "content_maps/c.png",
        "content/e.jpg", "style/e.jpg", "style_maps/e.png",
        "content/f.jpg", "style/f.jpg", "content_maps/f.png/x", "style_maps/f.png",
    )  # fmt: skip
    pairs = by_name(pairs_of(root))
    assert maps_of(pairs["d/a"]) == ("a.png", "a.bmp")
    assert maps_of(pairs["b"]) == (None, None)
    assert pairs["d/a"].problem is pairs["b"].problem is None
    assert "content_maps/c.png but no style map" in one_sentence(pairs["c"].problem)
    assert "style_maps/e.png but no content map" in one_sentence(pairs["e"].problem)
    assert "style_maps/f.png but no content map" in one_sentence(pairs["f"].problem)


def test_a_photograph_without_partner_is_a_pair_with_a_problem(folder):
    root = folder("content/a.jpg", "style/a.jpg", "content/d/b.jpg", "style/e/c.jpg")
    pairs = pairs_of(root)
    assert summary(pairs, root) == [
        ("a", "content/a.jpg", "style/a.jpg"),
        ("d/b", "content/d/b.jpg", "style/d"),
        ("e/c", "content/e", "style/e/c.jpg"),
    ]
    assert pairs[0].problem is None
    assert pairs[1].problem == (
        f"{root}/content/d/b.jpg has no style photograph of the same name in {root}/style/d: "
        "add one or remove it."
    )
    assert "style/e/c.jpg has no content photograph" in one_sentence(pairs[2].problem)


def test_no_pair_at_all_is_refused_with_names_from_both_sides(folder):
    root = folder(*[f"content/c{n}.jpg" for n in range(5)], "style/s1.jpg")
    text = refusal(root)
    for part in ("'c0'", "'c2'", "2 more", "'s1'", "every-style"):
        assert part in text
    assert "c3" not in text


@pytest.mark.parametrize("side", ["content", "style"])
def test_an_empty_side_is_refused(folder, side):
    root = folder("content/a.jpg", "style/a.jpg")
    (root / side / "a.jpg").unlink()
    assert f"no photograph in {root / side}" in refusal(root)


def test_where_there_is_no_photograph_what_lies_there_is_told(folder):
    root = folder("content/a.pdf", "content/b.doc", "content/c.mov", "style/a.jpg")
    text = refusal(root)
    assert (
        f"no photograph in {root}/content (only 1 video, 2 files that are no pictures (a.pdf, b.doc))" in text
    )
    (root / "content/a.jpg").symlink_to(root / "nowhere")
    text = refusal(root)
    assert "can be used" in text
    assert "a.jpg" in text


@pytest.mark.parametrize("missing", ["content", "style"])
def test_a_missing_side_is_named(folder, missing):
    root = folder("content/a.jpg", "style/a.jpg")
    (root / missing / "a.jpg").unlink()
    (root / missing).rmdir()
    for how in ("pairs", "every-style"):
        assert f"has no folder {missing}" in refusal(root, pairing=how)


# --- what lies among photographs


def test_hidden_files_litter_and_sidecars_are_passed_over(folder):
    litter = [".hidden.jpg", "._a.jpg", ".DS_Store", "Thumbs.db", "desktop.ini", "a.xmp", "a.json", "a.txt"]
    root = folder(
        "content/a.jpg", "style/a.jpg", "content_maps/a.png", "style_maps/a.png",
        *[f"{side}/{name}" for name in [*litter, "README.md", "A.XMP"] for side in ("content", "style_maps")],
        "content/.git/x.jpg", "content/@eaDir/a.jpg/thumb.jpg",
    )  # fmt: skip
    found = find_pairs(root)
    (pair,) = found.pairs
    assert (pair.name, pair.problem, maps_of(pair)) == ("a", None, ("a.png", "a.png"))
    assert found.notes == (
        f"Passed over in {root}: 10 sidecars, 7 hidden files or folders, "
        "5 files or folders of other programs.",
    )


LIBRARY = [
    ".DS_Store", "._IMG_0001.jpg", "IMG_0001.AAE", "IMG_0001.CR3", "IMG_0001.DNG", "IMG_0001.MOV",
    "IMG_0001.NEF", "IMG_0001.THM", "IMG_0001.jpg", "IMG_0001.jpg.dop", "IMG_0001.jpg.pp3",
    "IMG_0001.jpg.supplemental-metadata.json", "IMG_0001.jpg.xmp", "IMG_0001.jpg_original", "IMG_0002.jpg",
    "IMG_0002.jpg:Zone.Identifier", "IMG_0004.HEIC", "IMG_0005.jpg.part", "IMG_0006.jpg~", "Icon",
    "Thumbs.db", "VID_0003.MP4", "catalog.lrcat", "ehthumbs.db", "index.html", "notes.pdf", "picasa.ini",
    "sync.ffs_db", "~$notes.docx", "@eaDir/IMG_0001.jpg/SYNOPHOTO_THUMB_M.jpg", "#recycle/IMG_9.jpg",
]  # fmt: skip


def test_a_photo_library_is_its_photographs_and_one_line_on_everything_else(folder):
    root = folder("style.png", *[f"photos/{name}" for name in LIBRARY])
    for path in (root / "photos").iterdir():
        if path.is_file() and path.suffix != ".jpg":
            path.write_bytes(b"x" * 64)
    found = find_pairs(root / "photos", style=root / "style.png")
    assert [(pair.name, pair.problem) for pair in found.pairs] == [("IMG_0001", None), ("IMG_0002", None)]
    assert found.notes == (
        f"Passed over in {root}/photos: 3 raw files or other versions beside their photograph, 2 videos, "
        "6 sidecars, 1 half-copied file, 2 backup copies, 2 hidden files or folders, "
        "9 files or folders of other programs, 3 files that are no pictures (Icon, index.html, notes.pdf), "
        "1 file called like a photograph that holds none (IMG_0004.HEIC).",
    )


def test_content_decides_where_a_name_does_not_say_photograph(folder, photograph):
    root = folder("style/x.jpg", "content/x.jpg")
    names = ["a.jfif", "b.jpe", "c.JPG", "e.jpg_large", "f.jpg.jpg", "g", "h.heic", "i.jpg?width=8", "j.2024"]
    for name in names:
        (root / "content" / name).write_bytes(photograph("JPEG"))
    found = find_pairs(root, pairing="every-style")
    assert [pair.name for pair in found.pairs] == [
        f"{name}/x" for name in ("a", "b", "c", "e", "f.jpg", "g", "h", "i", "j.2024", "x")
    ]
    assert not any(pair.problem for pair in found.pairs)
    assert found.notes == ()


def test_a_picture_that_is_not_read_is_told_alone_and_passed_over_beside_its_photograph(folder, photograph):
    root = folder("content/a.jpg", "style/a.jpg", "style/b.jpg")
    for name in ("a.gif", "b.gif"):
        (root / "content" / name).write_bytes(photograph("GIF"))
    found = find_pairs(root)
    pairs = by_name(found.pairs)
    assert set(pairs) == {"a", "b"}
    assert pairs["a"].problem is None
    assert pairs["b"].problem == (f"{root}/content/b.gif is a GIF picture: export it as JPEG, PNG or TIFF.")
    assert "1 raw file or other version beside its photograph" in found.notes[0]


HEIC = (24).to_bytes(4, "big") + b"ftypheic" + bytes(4) + b"mif1heic"
RAW = b"II\x2a\0\x10\0\0\0CR\x02\0"


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        (["a.heic"], "a.heic"),
        (["a.cr2"], "a.cr2"),
        (["a.cr2", "a.heic"], "a.heic"),
        (["a.cr2", "a.heic", "a.jpg"], "a.jpg"),
        (["a.gif", "a.cr2"], "a.cr2"),
    ],
)
def test_of_one_photographs_versions_the_one_that_most_programs_read_counts(folder, photograph, names, kept):
    root = folder("look.jpg")
    bytes_of = {".heic": HEIC, ".cr2": RAW, ".jpg": b"", ".gif": photograph("GIF")}
    (root / "photos").mkdir()
    for name in names:
        (root / "photos" / name).write_bytes(bytes_of[Path(name).suffix])
    (pair,) = pairs_of(root / "photos", style=root / "look.jpg")
    assert (pair.name, pair.content.name, pair.problem) == ("a", kept, None)


def test_no_more_than_the_head_of_a_file_is_read_and_no_pipe_is_waited_for(folder):
    root = folder("content/a.jpg", "style/a.jpg")
    os.mkfifo(root / "content/pipe")
    with (root / "content/large.iso").open("wb") as file:
        file.truncate(1 << 40)
    found = find_pairs(root)
    assert [pair.name for pair in found.pairs] == ["a"]
    assert "2 files that are no pictures (large.iso, pipe)" in found.notes[0]


def test_links_are_followed_to_files_but_not_to_folders(folder):
    root = folder("content/a.jpg", "style/a.jpg", "elsewhere/b.jpg", "style/b.jpg", "style/c.jpg")
    (root / "content/b.jpg").symlink_to(root / "elsewhere/b.jpg")
    (root / "content/c.jpg").symlink_to(root / "nowhere.jpg")
    (root / "content/loop").symlink_to(root / "content")
    (root / "content/self.jpg").symlink_to(root / "content/self.jpg")
    pairs = by_name(pairs_of(root))
    assert set(pairs) == {"a", "b", "c", "self"}
    assert pairs["b"].problem is None
    assert "link to a file that does not exist" in one_sentence(pairs["c"].problem)
    assert "self.jpg cannot be looked at" in one_sentence(pairs["self"].problem)


def test_what_is_no_regular_file_is_a_problem(folder):
    root = folder("content/a.jpg", "style/a.jpg", "style/pipe.jpg")
    os.mkfifo(root / "content/pipe.jpg")
    assert "no regular file" in by_name(pairs_of(root))["pipe"].problem


@pytest.mark.parametrize(
    "stem", ["new\nline", "back\\slash", "tab\t", os.fsdecode(b"\xff\xfe"), "line\u2028"]
)
def test_names_that_no_folder_should_have_are_photographs_and_never_a_name(folder, stem):
    root = folder("content/a.jpg", "style/a.jpg", f"content/{stem}.jpg", f"style/{stem}.jpg")
    (odd,) = [pair for pair in pairs_of(root) if pair.name != "a"]
    assert odd.problem is None
    assert (odd.content, odd.style) == (root / f"content/{stem}.jpg", root / f"style/{stem}.jpg")
    odd.name.encode()
    assert not set(odd.name) & set("\n\t\\\u2028")


def test_names_that_are_alike_once_they_can_be_printed_stay_apart(folder):
    names = [os.fsdecode(name) for name in (b"caf\xe8.jpg", b"caf\xe9.jpg")]
    root = folder(*[f"{side}/{name}" for side in ("content", "style") for name in names])
    one, two = pairs_of(root)
    assert one.name != two.name
    for pair in (one, two):
        assert pair.content.name == pair.style.name
        assert pair.name.startswith("caf_-jpg-")


# --- names that would share a folder


ALIKE = [
    ("a.jpg", "a.png"),
    ("a.jpg", "A.png"),
    ("a.jpg", "A.JPG"),
    ("ß.jpg", "SS.jpg"),
    (f"{unicodedata.normalize('NFC', 'é')}.jpg", f"{unicodedata.normalize('NFD', 'é')}.jpg"),
]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_files_of_one_stem_get_names_of_their_own_and_the_others_keep_theirs(folder, one, other):
    root = folder("z.jpg", "look.png", f"photos/{one}", f"photos/{other}", "photos/b.jpg")
    before = {pair.content.name: pair.name for pair in pairs_of(root / "photos", style=root / "look.png")}
    assert set(before) == {"b.jpg", one, other}
    assert before["b.jpg"] == "b"
    assert len(set(map(fold, before.values()))) == 3
    folder(f"photos/{Path(one).stem}.bmp")
    after = {pair.content.name: pair.name for pair in pairs_of(root / "photos", style=root / "look.png")}
    assert {name: after[name] for name in before} == before


def test_files_of_one_stem_are_called_after_their_extensions(folder):
    root = folder("look.png", "photos/d/IMG_1.jpg", "photos/d/IMG_1.png", "photos/d/IMG_2.jpg")
    assert [pair.name for pair in pairs_of(root / "photos", style=root / "look.png")] == [
        "d/IMG_1-jpg", "d/IMG_1-png", "d/IMG_2",
    ]  # fmt: skip


def test_a_name_that_somebody_else_has_already_stays_theirs(folder):
    root = folder("look.png", *[f"photos/{name}" for name in ("a.jpg", "a.png", "a-jpg.jpg")])
    names = {pair.content.name: pair.name for pair in pairs_of(root / "photos", style=root / "look.png")}
    assert (names["a-jpg.jpg"], names["a.png"]) == ("a-jpg", "a-png")
    assert re.fullmatch("a-jpg-[0-9a-f]{6}", names["a.jpg"])


@pytest.mark.parametrize(
    ("contents", "styles", "expected"),
    [
        (["a.jpg", "a.png"], ["a.jpg"], [("a-jpg", "a.jpg", "a.jpg"), ("a-png", "a.png", "a.jpg")]),
        (["a.jpg"], ["a.jpg", "a.png"], [("a-jpg", "a.jpg", "a.jpg"), ("a-png", "a.jpg", "a.png")]),
        (["a.jpg", "a.png"], ["a.jpg", "a.png"], [("a-jpg", "a.jpg", "a.jpg"), ("a-png", "a.png", "a.png")]),
        (["a.jpg", "A.bmp"], ["a.tif", "A.tif"], [("A-bmp", "A.bmp", "A.tif"), ("a-jpg", "a.jpg", "a.tif")]),
    ],
)
def test_partners_of_one_stem_are_those_called_most_alike(folder, contents, styles, expected):
    root = folder(*[f"content/{name}" for name in contents], *[f"style/{name}" for name in styles])
    found = [(pair.name, pair.content.name, pair.style.name) for pair in pairs_of(root)]
    assert sorted(found) == sorted(expected)


def test_two_maps_of_one_photograph_are_that_pairs_problem_unless_one_is_called_like_it(folder):
    root = folder(
        *[f"{side}/{name}.jpg" for side in ("content", "style") for name in "abc"],
        "content_maps/a.png", "content_maps/a.bmp", "style_maps/a.png",
        "content_maps/b.jpg", "content_maps/b.png", "style_maps/b.png",
    )  # fmt: skip
    pairs = by_name(pairs_of(root))
    text = one_sentence(pairs["a"].problem)
    assert f"{root}/content_maps/a.bmp and {root}/content_maps/a.png could both be the map of" in text
    assert (maps_of(pairs["b"]), pairs["b"].problem) == (("b.jpg", "b.png"), None)
    assert pairs["c"].problem is None


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_folder_of_photographs_called_like_one_of_the_results_is_no_trouble(folder, name):
    root = folder("look.png", f"photos/{name}/a.jpg", f"photos/{name}_/a.jpg", "photos/b.jpg")
    names = {
        pair.content.relative_to(root / "photos").as_posix(): pair.name
        for pair in pairs_of(root / "photos", style=root / "look.png")
    }
    assert names["b.jpg"] == "b"
    assert len(set(names.values())) == 3
    assert all(each.startswith(f"{name}_/a-jpg") for path, each in names.items() if path != "b.jpg")


@pytest.mark.parametrize("part", sorted(PAIR_FILES))
def test_a_name_never_takes_the_place_of_another_pairs_files(folder, part):
    root = folder(*[f"{side}/{name}.jpg" for side in ("content", "style") for name in ("a", f"a/{part}")])
    assert {pair.name for pair in pairs_of(root)} == {"a", f"a/{part}-jpg"}


def test_a_name_may_lie_below_another_otherwise(folder):
    root = folder(*[f"{side}/{name}.jpg" for side in ("content", "style") for name in ("a", "a/b", "result")])
    assert [pair.name for pair in pairs_of(root)] == ["a", "a/b", "result"]


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_the_batchs_own_names_are_no_pairs_at_the_top_only(folder, name):
    root = folder(*[f"{side}/sub/{name}.jpg" for side in ("content", "style")])
    assert pairs_of(root)[0].name == f"sub/{name}"
    for side in ("content", "style"):
        (root / side / f"{name.upper()}.jpg").touch()
    assert {pair.name for pair in pairs_of(root)} == {f"sub/{name}", f"{name.upper()}-jpg"}


# --- one-style


def test_one_style_goes_with_every_photograph_of_the_folder(folder):
    root = folder("b.jpg", "a/img10.jpg", "a/img2.png", "look.jpg", "style_maps/x.png", "content_maps/x.png")
    pairs = pairs_of(root, style=root / "look.jpg")
    assert summary(pairs, root) == [
        ("a/img2", "a/img2.png", "look.jpg"),
        ("a/img10", "a/img10.jpg", "look.jpg"),
        ("b", "b.jpg", "look.jpg"),
    ]


def test_one_style_takes_the_folder_content_where_there_is_one(folder):
    root = folder("content/a.jpg", "content/look.jpg", "other.jpg", "style/s.jpg")
    assert summary(pairs_of(root, style=root / "style/s.jpg"), root) == [
        ("a", "content/a.jpg", "style/s.jpg"),
        ("look", "content/look.jpg", "style/s.jpg"),
    ]
    (root / "link").symlink_to(root / "content")
    assert [pair.name for pair in pairs_of(root, style=root / "link/look.jpg")] == ["a"]


def test_results_inside_the_folder_are_no_inputs(folder):
    root = folder("a.jpg", "look.png", "out/a/result.png", "out/contact.png")
    assert [pair.name for pair in pairs_of(root, style=root / "look.png", out=root / "out")] == ["a"]
    assert [pair.name for pair in pairs_of(root, style=root / "look.png", out=root / "new")] != ["a"]
    assert "results cannot go into" in refusal(root, style=root / "look.png", out=root)


def test_results_inside_content_are_no_inputs(folder):
    root = folder("content/a.jpg", "style/a.jpg", "content/out/a/result.png")
    for how in ("pairs", "every-style"):
        assert len(pairs_of(root, pairing=how, out=root / "content/out")) == 1
        assert "results cannot go into" in refusal(root, pairing=how, out=root / "style")


def test_one_styles_maps_count_where_the_style_has_one(folder):
    root = folder("content/d/a.jpg", "content/b.jpg", "content_maps/d/a.png", "look.jpg")
    pairs = pairs_of(root, style=root / "look.jpg")
    assert [(maps_of(pair), pair.problem) for pair in pairs] == [((None, None), None)] * 2
    folder("style_maps/look.png")
    pairs = by_name(pairs_of(root, style=root / "look.jpg"))
    assert (maps_of(pairs["d/a"]), pairs["d/a"].problem) == (("a.png", "look.png"), None)
    assert "no content map for" in one_sentence(pairs["b"].problem)
    assert "b.jpg" in pairs["b"].problem


def test_one_style_reports_a_photograph_that_is_not_there(folder):
    root = folder("a.jpg", "look.jpg")
    (root / "b.jpg").symlink_to(root / "nowhere")
    assert [(pair.name, bool(pair.problem)) for pair in pairs_of(root, style=root / "look.jpg")] == [
        ("a", False), ("b", True),
    ]  # fmt: skip


def test_a_style_that_is_no_photograph_is_refused(folder):
    root = folder("a.jpg", "look.pdf", "looks/x.jpg")
    assert "looks is a folder" in refusal(root, style=root / "looks")
    assert "look.pdf is empty" in refusal(root, style=root / "look.pdf")
    (root / "look.pdf").write_bytes(b"%PDF-1.7\n")
    assert "look.pdf is a PDF document: export it" in refusal(root, style=root / "look.pdf")
    (root / "look.pdf").write_bytes(b"\x01\x02\x03\x80")
    assert "no picture that is known" in refusal(root, style=root / "look.pdf")
    assert "none.jpg does not exist" in refusal(root, style=root / "none.jpg")
    assert "--style" in refusal(root, pairing="one-style")


# --- every-style


def test_every_content_goes_with_every_style(folder):
    root = folder("content/d/a.jpg", "content/b.jpg", "style/t/y.jpg", "style/x.png")
    assert summary(pairs_of(root, pairing="every-style"), root) == [
        ("b/t/y", "content/b.jpg", "style/t/y.jpg"),
        ("b/x", "content/b.jpg", "style/x.png"),
        ("d/a/t/y", "content/d/a.jpg", "style/t/y.jpg"),
        ("d/a/x", "content/d/a.jpg", "style/x.png"),
    ]


def test_every_styles_maps_count_where_the_style_has_one(folder):
    root = folder("content/a.jpg", "content/b.jpg", "style/x.jpg", "style/y.jpg")
    folder("content_maps/a.png", "style_maps/x.png")
    pairs = by_name(pairs_of(root, pairing="every-style"))
    assert maps_of(pairs["a/x"]) == ("a.png", "x.png")
    assert maps_of(pairs["a/y"]) == maps_of(pairs["b/y"]) == (None, None)
    assert "no content map" in one_sentence(pairs["b/x"].problem)
    assert [name for name, pair in pairs.items() if pair.problem] == ["b/x"]


def test_every_style_reports_what_cannot_be_used_once(folder):
    root = folder("content/a.jpg", "style/x.jpg", "style/y.jpg")
    for name in ("content/b.jpg", "style/b.jpg", "style/z.jpg"):
        (root / name).symlink_to(root / "nowhere")
    pairs = pairs_of(root, pairing="every-style")
    assert [(pair.name, bool(pair.problem)) for pair in pairs] == [
        ("a/x", False), ("a/y", False), ("b", True), ("z", True),
    ]  # fmt: skip


def test_every_styles_names_that_meet_stay_apart(folder):
    root = folder("content/a.jpg", "content/a/b.jpg", "style/c.jpg", "style/b/c.jpg")
    names = [pair.name for pair in pairs_of(root, pairing="every-style")]
    assert len(set(names)) == 4
    assert {"a/c", "a/b/b/c"} < set(names)
    assert sum(bool(re.fullmatch("a/b/c-[0-9a-f]{6}", name)) for name in names) == 2


# --- luan


def test_luans_layout_goes_by_number(folder):
    numbers = (10, 2, 1)
    root = folder(*[f"{part}{n}.png" for n in numbers for part in ("input/in", "style/tar")])
    folder("segmentation/in2.png", "segmentation/tar2.png", "segmentation/in10.png", "input/in3.png")
    pairs = pairs_of(root)
    assert summary(pairs, root) == [
        ("pair-1", "input/in1.png", "style/tar1.png"),
        ("pair-2", "input/in2.png", "style/tar2.png"),
        ("pair-3", "input/in3.png", "style"),
        ("pair-10", "input/in10.png", "style/tar10.png"),
    ]
    assert maps_of(pairs[1]) == ("in2.png", "tar2.png")
    assert "of the same number" in one_sentence(pairs[2].problem)
    assert "no style map" in one_sentence(pairs[3].problem)


def test_luans_layout_names_files_without_a_number(folder):
    root = folder("input/in1.png", "style/tar1.png", "input/lake.png", "style/in2.png", "input/sub/in4.png")
    pairs = by_name(pairs_of(root, pairing="luan"))
    assert set(pairs) == {"pair-1", "lake", "in2"}
    assert "not named like in1.png" in one_sentence(pairs["lake"].problem)
    assert "not named like tar1.png" in one_sentence(pairs["in2"].problem)
    folder("input/in01.jpg")
    assert {pair.content.name: pair.name for pair in pairs_of(root) if not pair.problem} == {
        "in1.png": "pair-1-png", "in01.jpg": "pair-1-jpg",
    }  # fmt: skip


def test_luans_pairs_are_all_found(luan60):
    pairs = pairs_of(luan60)
    assert len(pairs) == 36
    numbers = [int(pair.name.removeprefix("pair-")) for pair in pairs]
    assert numbers == sorted(numbers)
    for number, pair in zip(numbers, pairs, strict=True):
        assert pair == Pair(
            f"pair-{number}", luan60 / f"input/in{number}.png", luan60 / f"style/tar{number}.png",
            luan60 / f"segmentation/in{number}.png", luan60 / f"segmentation/tar{number}.png",
        )  # fmt: skip


# --- folders as a whole


def test_a_folder_that_may_not_be_read_is_its_own_failure(folder, monkeypatch):
    root = folder("content/sub/a.jpg", "content/b.jpg", "style/b.jpg")
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == closed:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    closed = "sub"
    pairs = by_name(pairs_of(root))
    assert pairs["b"].problem is None
    assert "content/sub cannot be read (Permission denied)" in one_sentence(pairs["sub"].problem)
    closed = "content"
    assert "content cannot be read (Permission denied)" in refusal(root)


def test_a_side_that_is_a_file_is_named(folder):
    root = folder("content", "style/a.jpg")
    assert "content cannot be read" in refusal(root, pairing="pairs")


def test_ten_thousand_files_take_little_time(folder, monkeypatch):
    root = folder(*[f"{side}/{n}/.keep" for side in ("content", "style") for n in range(10)])
    for side in ("content", "style"):
        for n in range(5000):
            os.close(os.open(f"{root}/{side}/{n % 10}/img{n}.jpg", os.O_CREAT | os.O_WRONLY))
    monkeypatch.setattr(Path, "open", None)  # nothing is read
    started = time.process_time()
    assert len(pairs_of(root)) == 5000
    assert time.process_time() - started < 5
