"""Folder conventions: which photographs a folder pairs, and what is said about those it does not."""

import errno
import os
import time
import unicodedata
from pathlib import Path

import pytest
from pair_files import by_name, maps_of, one_sentence, refusal, summary

from flows.layout import RESERVED
from flows.pairs.find import find_pairs
from flows.pairs.pair import Pair

SAMPLE = Path(__file__).resolve().parents[3] / "data" / "sample"


# --- pairs: equal names in content/ and style/


def test_equal_stems_pair_whatever_the_extension_and_subfolders_are_mirrored(folder):
    root = folder("content/a/b/x.JPG", "style/a/b/x.png", "content/x.jpeg", "style/x.tiff")
    assert summary(find_pairs(root, pairing="pairs"), root) == [
        ("a/b/x", "content/a/b/x.JPG", "style/a/b/x.png"),
        ("x", "content/x.jpeg", "style/x.tiff"),
    ]


def test_partners_may_differ_in_case_and_in_unicodes_spelling(folder):
    composed = unicodedata.normalize("NFC", "Café")
    root = folder(f"content/{composed}.jpg", f"style/{unicodedata.normalize('NFD', 'café')}.jpg")
    (pair,) = find_pairs(root)
    assert (pair.name, pair.problem) == (composed, None)


def test_maps_come_from_their_folders_both_or_neither(folder):
    root = folder(
        "content/d/a.jpg", "style/d/a.jpg", "content_maps/d/a.png", "style_maps/d/a.bmp",
        "content/b.jpg", "style/b.jpg",
        "content/c.jpg", "style/c.jpg", "content_maps/c.png",
        "content/e.jpg", "style/e.jpg", "style_maps/e.png",
        "content/f.jpg", "style/f.jpg", "content_maps/f.svg", "style_maps/f.png",
    )  # fmt: skip
    pairs = by_name(find_pairs(root))
    assert maps_of(pairs["d/a"]) == ("a.png", "a.bmp")
    assert maps_of(pairs["b"]) == (None, None)
    assert pairs["d/a"].problem is pairs["b"].problem is None
    assert "content_maps/c.png but no style map" in one_sentence(pairs["c"].problem)
    assert "style_maps/e.png but no content map" in one_sentence(pairs["e"].problem)
    assert "f.svg" in pairs["f"].problem


def test_a_photograph_without_partner_is_a_pair_with_a_problem(folder):
    root = folder("content/a.jpg", "style/a.jpg", "content/d/b.jpg", "style/e/c.jpg")
    pairs = find_pairs(root)
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


def test_where_nothing_can_be_read_the_first_reason_is_given(folder):
    text = refusal(folder("content/a.pdf", "content/b.doc", "style/a.jpg"))
    assert "can be used" in text
    assert "a.pdf" in text


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
    (pair,) = find_pairs(root)
    assert (pair.name, pair.problem, maps_of(pair)) == ("a", None, ("a.png", "a.png"))


def test_other_files_among_photographs_are_problems_of_their_own(folder):
    root = folder("content/a.jpg", "style/a.jpg", "content/b.pdf", "style/b.jpg", "content/a.cr2", "style/n")
    pairs = by_name(find_pairs(root))
    assert set(pairs) == {"a", "a.cr2", "b", "n"}
    assert pairs["a"].problem is None
    assert pairs["b"].problem == (
        f"{root}/content/b.pdf is no photograph that can be read (extension .pdf): remove it or convert it."
    )
    assert "extension .cr2" in one_sentence(pairs["a.cr2"].problem)
    assert "no extension" in one_sentence(pairs["n"].problem)


def test_one_name_for_the_same_stray_file_on_both_sides(folder):
    root = folder(*[f"{side}/{name}" for side in ("content", "style") for name in ("a.jpg", "a.cr2")])
    for how in ("pairs", "every-style"):
        pairs = by_name(find_pairs(root, pairing=how))
        assert pairs["a.cr2"].content == root / "content/a.cr2"
        assert len(pairs) == 2


def test_links_are_followed_to_files_but_not_to_folders(folder):
    root = folder("content/a.jpg", "style/a.jpg", "elsewhere/b.jpg", "style/b.jpg", "style/c.jpg")
    (root / "content/b.jpg").symlink_to(root / "elsewhere/b.jpg")
    (root / "content/c.jpg").symlink_to(root / "nowhere.jpg")
    (root / "content/loop").symlink_to(root / "content")
    (root / "content/self.jpg").symlink_to(root / "content/self.jpg")
    pairs = by_name(find_pairs(root))
    assert set(pairs) == {"a", "b", "c", "self"}
    assert pairs["b"].problem is None
    assert "link to a file that does not exist" in one_sentence(pairs["c"].problem)
    assert "self.jpg cannot be looked at" in one_sentence(pairs["self"].problem)


def test_what_is_no_regular_file_is_a_problem(folder):
    root = folder("content/a.jpg", "style/a.jpg", "style/pipe.jpg")
    os.mkfifo(root / "content/pipe.jpg")
    assert "no regular file" in by_name(find_pairs(root))["pipe"].problem


@pytest.mark.parametrize(
    "stem", ["new\nline", "back\\slash", "tab\t", os.fsdecode(b"\xff\xfe"), "line\u2028"]
)
def test_names_that_cannot_be_used_are_a_problem_and_never_a_name(folder, stem):
    root = folder("content/a.jpg", "style/a.jpg", f"content/{stem}.jpg", f"style/{stem}.jpg")
    pairs = find_pairs(root)
    (bad,) = [pair for pair in pairs if pair.problem]
    assert "rename it" in one_sentence(bad.problem)
    (bad.name + bad.problem).encode()
    assert not set(bad.name) & set("\n\t\\\u2028")


# --- names that would share a folder


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a.jpg", "a.png"),
        ("a.jpg", "A.png"),
        ("ß.jpg", "SS.jpg"),
        (f"{unicodedata.normalize('NFC', 'é')}.jpg", f"{unicodedata.normalize('NFD', 'é')}.jpg"),
    ],
)
@pytest.mark.parametrize("side", ["content", "style", "content_maps"])
def test_files_that_would_share_a_folder_are_refused_both_named(folder, one, other, side):
    root = folder("content/z.jpg", "style/z.jpg", f"{side}/{one}", f"{side}/{other}")
    text = refusal(root)
    assert f"{root}/{side}/{one}" in text
    assert f"{root}/{side}/{other}" in text
    assert "rename" in text


@pytest.mark.parametrize("part", ["result", "Report.final", "losses", "regions-2"])
def test_a_name_may_not_lie_among_another_pairs_files(folder, part):
    root = folder(*[f"{side}/{name}.jpg" for side in ("content", "style") for name in ("a", f"a/{part}")])
    text = refusal(root)
    assert "content/a.jpg" in text
    assert f"content/a/{part}.jpg" in text


def test_a_name_may_lie_below_another_otherwise(folder):
    root = folder(*[f"{side}/{name}.jpg" for side in ("content", "style") for name in ("a", "a/b", "result")])
    assert [pair.name for pair in find_pairs(root)] == ["a", "a/b", "result"]


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_the_batchs_own_names_are_refused_at_the_top_only(folder, name):
    root = folder(*[f"{side}/sub/{name}.jpg" for side in ("content", "style")])
    assert find_pairs(root)[0].name == f"sub/{name}"
    for side in ("content", "style"):
        (root / side / f"{name.upper()}.jpg").touch()
    assert f"content/{name.upper()}.jpg" in refusal(root)


# --- one-style


def test_one_style_goes_with_every_photograph_of_the_folder(folder):
    root = folder("b.jpg", "a/img10.jpg", "a/img2.png", "look.jpg", "style_maps/x.png", "content_maps/x.png")
    pairs = find_pairs(root, style=root / "look.jpg")
    assert summary(pairs, root) == [
        ("a/img2", "a/img2.png", "look.jpg"),
        ("a/img10", "a/img10.jpg", "look.jpg"),
        ("b", "b.jpg", "look.jpg"),
    ]


def test_one_style_takes_the_folder_content_where_there_is_one(folder):
    root = folder("content/a.jpg", "content/look.jpg", "other.jpg", "style/s.jpg")
    assert summary(find_pairs(root, style=root / "style/s.jpg"), root) == [
        ("a", "content/a.jpg", "style/s.jpg"),
        ("look", "content/look.jpg", "style/s.jpg"),
    ]
    (root / "link").symlink_to(root / "content")
    assert [pair.name for pair in find_pairs(root, style=root / "link/look.jpg")] == ["a"]


def test_results_inside_the_folder_are_no_inputs(folder):
    root = folder("a.jpg", "look.png", "out/a/result.png", "out/contact.png")
    assert [pair.name for pair in find_pairs(root, style=root / "look.png", out=root / "out")] == ["a"]
    assert [pair.name for pair in find_pairs(root, style=root / "look.png", out=root / "new")] != ["a"]
    assert "results cannot go into" in refusal(root, style=root / "look.png", out=root)


def test_results_inside_content_are_no_inputs(folder):
    root = folder("content/a.jpg", "style/a.jpg", "content/out/a/result.png")
    for how in ("pairs", "every-style"):
        assert len(find_pairs(root, pairing=how, out=root / "content/out")) == 1
        assert "results cannot go into" in refusal(root, pairing=how, out=root / "style")


def test_one_styles_maps_count_where_the_style_has_one(folder):
    root = folder("content/d/a.jpg", "content/b.jpg", "content_maps/d/a.png", "look.jpg")
    pairs = find_pairs(root, style=root / "look.jpg")
    assert [(maps_of(pair), pair.problem) for pair in pairs] == [((None, None), None)] * 2
    folder("style_maps/look.png")
    pairs = by_name(find_pairs(root, style=root / "look.jpg"))
    assert (maps_of(pairs["d/a"]), pairs["d/a"].problem) == (("a.png", "look.png"), None)
    assert "no content map for" in one_sentence(pairs["b"].problem)
    assert "b.jpg" in pairs["b"].problem


def test_one_style_reports_what_is_no_photograph(folder):
    root = folder("a.jpg", "a.pdf", "look.jpg")
    assert [(pair.name, bool(pair.problem)) for pair in find_pairs(root, style=root / "look.jpg")] == [
        ("a", False), ("a.pdf", True),
    ]  # fmt: skip


def test_a_style_that_is_no_photograph_is_refused(folder):
    root = folder("a.jpg", "look.pdf", "looks/x.jpg")
    assert "looks is a folder" in refusal(root, style=root / "looks")
    assert "extension .pdf" in refusal(root, style=root / "look.pdf")
    assert "none.jpg does not exist" in refusal(root, style=root / "none.jpg")
    assert "--style" in refusal(root, pairing="one-style")


# --- every-style


def test_every_content_goes_with_every_style(folder):
    root = folder("content/d/a.jpg", "content/b.jpg", "style/t/y.jpg", "style/x.png")
    assert summary(find_pairs(root, pairing="every-style"), root) == [
        ("b/t/y", "content/b.jpg", "style/t/y.jpg"),
        ("b/x", "content/b.jpg", "style/x.png"),
        ("d/a/t/y", "content/d/a.jpg", "style/t/y.jpg"),
        ("d/a/x", "content/d/a.jpg", "style/x.png"),
    ]


def test_every_styles_maps_count_where_the_style_has_one(folder):
    root = folder("content/a.jpg", "content/b.jpg", "style/x.jpg", "style/y.jpg")
    folder("content_maps/a.png", "style_maps/x.png")
    pairs = by_name(find_pairs(root, pairing="every-style"))
    assert maps_of(pairs["a/x"]) == ("a.png", "x.png")
    assert maps_of(pairs["a/y"]) == maps_of(pairs["b/y"]) == (None, None)
    assert "no content map" in one_sentence(pairs["b/x"].problem)
    assert [name for name, pair in pairs.items() if pair.problem] == ["b/x"]


def test_every_style_reports_stray_files_once(folder):
    root = folder("content/a.jpg", "content/b.pdf", "style/x.jpg", "style/y.jpg", "style/z.doc")
    pairs = find_pairs(root, pairing="every-style")
    assert [(pair.name, bool(pair.problem)) for pair in pairs] == [
        ("a/x", False), ("a/y", False), ("b.pdf", True), ("z.doc", True),
    ]  # fmt: skip


def test_every_style_refuses_names_that_meet(folder):
    root = folder("content/a.jpg", "content/a/b.jpg", "style/c.jpg", "style/b/c.jpg")
    text = refusal(root, pairing="every-style")
    assert "content/a.jpg" in text
    assert "content/a/b.jpg" in text


# --- luan


def test_luans_layout_goes_by_number(folder):
    numbers = (10, 2, 1)
    root = folder(*[f"{part}{n}.png" for n in numbers for part in ("input/in", "style/tar")])
    folder("segmentation/in2.png", "segmentation/tar2.png", "segmentation/in10.png", "input/in3.png")
    pairs = find_pairs(root)
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
    pairs = by_name(find_pairs(root, pairing="luan"))
    assert set(pairs) == {"pair-1", "lake", "in2"}
    assert "not named like in1.png" in one_sentence(pairs["lake"].problem)
    assert "not named like tar1.png" in one_sentence(pairs["in2"].problem)
    folder("input/in01.jpg")
    assert "in01.jpg" in refusal(root)


def test_luans_pairs_are_all_found(luan60):
    pairs = find_pairs(luan60)
    assert len(pairs) == 36
    numbers = [int(pair.name.removeprefix("pair-")) for pair in pairs]
    assert numbers == sorted(numbers)
    for number, pair in zip(numbers, pairs, strict=True):
        assert pair == Pair(
            f"pair-{number}", luan60 / f"input/in{number}.png", luan60 / f"style/tar{number}.png",
            luan60 / f"segmentation/in{number}.png", luan60 / f"segmentation/tar{number}.png",
        )  # fmt: skip


# --- folders as a whole


def test_a_folder_that_may_not_be_read_is_named(folder, monkeypatch):
    root = folder("content/sub/a.jpg", "style/sub/a.jpg")
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "sub":
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    text = refusal(root)
    assert "content/sub cannot be read (Permission denied)" in text


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
    assert len(find_pairs(root)) == 5000
    assert time.process_time() - started < 5
