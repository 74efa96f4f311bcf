"""Which convention a folder follows, and in which order its pairs come."""

import os
from pathlib import Path

import pytest
from pair_files import maps_of, pairs_of, refusal, summary

from flows.pairs.find import find_photographs
from flows.pairs.pair import PairingError

SAMPLE = Path(__file__).resolve().parents[3] / "data" / "sample"


def test_the_sample_folder_is_paired_with_its_maps():
    pairs = pairs_of(SAMPLE)
    assert summary(pairs, SAMPLE) == [
        ("pagoda", "content/pagoda.jpg", "style/pagoda.jpg"),
        ("still", "content/still.jpg", "style/still.png"),
    ]
    assert [maps_of(pair) for pair in pairs] == [("pagoda.png", "pagoda.png"), ("still.png", "still.png")]
    assert all(pair.problem is None and pair.given == {} for pair in pairs)


def test_pairs_come_in_natural_order(folder):
    names = ["img10", "img2", "IMG1", "b/img3", "b10/img1", "b9/img1"]
    root = folder(*[f"{side}/{name}.jpg" for name in names for side in ("content", "style")])
    assert [pair.name for pair in pairs_of(root)] == [
        "b/img3", "b9/img1", "b10/img1", "IMG1", "img2", "img10",
    ]  # fmt: skip


def test_photographs_alone_are_pairs_with_themselves(folder):
    root = folder("img10.jpg", "img2.png", "b/img1.jpg", "img2.txt", "out/img3.jpg")
    found = find_photographs(root, out=root / "out")
    assert [pair.name for pair in found.pairs] == ["b/img1", "img2", "img10"]
    assert all(pair.content == pair.style and pair.problem is None for pair in found.pairs)
    assert "1 sidecar" in found.notes[0]
    with pytest.raises(PairingError, match="is a file: name a folder"):
        find_photographs(root / "img2.png")
    with pytest.raises(PairingError, match="There is no photograph in"):
        find_photographs(folder("c/readme.txt") / "c")


def test_auto_names_the_layouts_it_looked_for(folder):
    text = refusal(folder("a.jpg", "b/c.jpg"))
    for part in ("content and style", "input and style", "--style", "manifest"):
        assert part in text


def test_what_contradicts_the_pairing_is_refused(folder):
    root = folder("content/a.jpg", "style/a.jpg", "look.jpg", "pairs.csv")
    assert "is a folder" in refusal(root, pairing="manifest")
    assert "is no folder" in refusal(root / "pairs.csv", pairing="pairs")
    assert "look.jpg does not go with pairing every-style" in refusal(
        root, pairing="every-style", style=root / "look.jpg"
    )
    assert "look.jpg does not go with" in refusal(root / "pairs.csv", style=root / "look.jpg")
    assert "no pairing 'all'" in refusal(root, pairing="all")


def test_a_source_that_cannot_be_used_is_named(folder, tmp_path):
    root = folder("a.jpg")
    assert f"no {root}/none" in refusal(root / "none")
    assert "cannot be looked at" in refusal(root / "a.jpg" / "b")
    assert "cannot be looked at" in refusal(root / "nul\0")
    os.mkfifo(tmp_path / "pipe")
    assert "neither a folder nor a file" in refusal(tmp_path / "pipe")
    assert "a.jpg is no manifest" in refusal(root / "a.jpg")
