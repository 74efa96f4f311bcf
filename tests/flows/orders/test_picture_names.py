"""What pictures are called that lie together, and what is no template for that."""

from pathlib import Path

import pytest

from flows.layout import RESERVED
from flows.orders.picture_names import LIKE_PAIRS, name_pictures
from flows.pairs.names import fold
from flows.pairs.pair import Pair
from pst_core.errors import ConfigError


def pair(name, content="a.jpg", style="s.jpg", **given):
    return Pair(name, Path(content), Path(style), given=given)


def names(template, *pairs):
    return name_pictures(pairs, template, "fast")


def test_pictures_are_called_as_the_template_says():
    pairs = pair("d/a"), pair("b", "d/b.c.tif", "dusk.png", preset="paper")
    assert names(LIKE_PAIRS, *pairs) == ["d/a.png", "b.png"]
    assert names("{content} by {style}, {preset}.png", *pairs) == [
        "a by s, fast.png",
        "b.c by dusk, paper.png",
    ]
    assert names("{style}/{content}{ext}", *pairs) == ["s/a.png", "dusk/b.c.png"]


def test_pictures_that_would_share_a_name_are_called_like_their_pairs_and_no_other_is():
    pairs = [pair("2023/a"), pair("2024/a"), pair("b", "b.jpg")]
    assert names("{content}{ext}", *pairs) == ["2023-a.png", "2024-a.png", "b.png"]
    assert names("{content}{ext}", *pairs[::-1]) == ["b.png", "2024-a.png", "2023-a.png"]
    assert names("{content}{ext}", *pairs, pair("2025/a"))[:2] == ["2023-a.png", "2024-a.png"]


def test_names_that_meet_again_stay_apart():
    pairs = [pair("x/a"), pair("x-a"), pair("X/A"), pair("b", "x-a.jpg")]
    found = names("{content}{ext}", *pairs)
    assert found[3] == "x-a.png"
    assert len({fold(name) for name in found}) == 4
    assert all(name.endswith(".png") for name in found)


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_no_picture_takes_the_place_of_the_batchs_own(name):
    (found,) = names("{style}/{content}{ext}", pair("p", style=f"{name}.jpg"))
    assert found == "p.png"


def test_no_picture_lies_below_another_one():
    assert names(LIKE_PAIRS, pair("a"), pair("a.png/b")) == ["a.png", "a.png-b.png"]


@pytest.mark.parametrize("letter", ["x", "日"])
def test_no_picture_has_a_longer_name_than_a_file_can_have(letter):
    long = letter * (240 // len(letter.encode()))
    pairs = [
        pair(name, f"{long}.jpg", f"{long}.png") for name in ("a", f"{long}-jpg", f"{long}-png", "b/" + long)
    ]
    found = names("{content}-{style}{ext}", *pairs)
    assert found[0] == "a.png"
    assert len({fold(name) for name in found}) == len(pairs)
    assert all(len(part.encode()) <= 255 for name in found for part in name.split("/"))
    assert names("{name}{ext}", *pairs) == ["a.png", f"{long}-jpg.png", f"{long}-png.png", f"b/{long}.png"]
    longest = [pair(f"{long}-{ending}") for ending in ("jpg-0123456789", "png-0123456789")]
    found = names("{name}{ext}", *longest)
    assert all(name.startswith(long[:70]) and name.endswith(".png") for name in found)
    assert all(len(name.encode()) <= 255 for name in found)
    assert len({*found}) == 2


def test_odd_names_of_files_make_plain_names_of_pictures():
    (found,) = names("{content}{ext}", pair("p", "new\nline \udce9\\.jpg"))
    assert found == "new_line __.png"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{name}.jpg", "are PNG"),
        ("{name}", "are PNG"),
        ("result.png", "names no pair"),
        ("{nome}{ext}", "no {nome}"),
        ("{name.__class__}{ext}", "no {name.__class__}"),
        ("{name!r}{ext}", "conversion"),
        ("{name:>9}{ext}", "format"),
        ("{name{ext}", "cannot be named"),
        ("../{name}{ext}", "leads out"),
        ("/tmp/{name}{ext}", "leads out"),
        ("a\\{name}{ext}", "backslash"),
        ("a\n{name}{ext}", "character"),
        ("Details/{name}{ext}", "own files"),
        ("{name}/{ext}", "nothing but an extension"),
        ("{content}/.png", "nothing but an extension"),
        ("", "are PNG"),
    ],
)
def test_what_is_no_template_is_refused_in_one_sentence(template, said):
    with pytest.raises(ConfigError) as caught:
        names(template, pair("a"))
    text = str(caught.value)
    assert said in text
    assert "{name}{ext}" in text
    assert text.isprintable()
    assert text.endswith(".")
