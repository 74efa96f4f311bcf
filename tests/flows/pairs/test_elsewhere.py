"""Results that lie in folders: which picture is found for which pair, and which names a folder has."""

import pytest

from flows.pairs.elsewhere import find_pictures, list_names
from flows.pairs.pair import PairingError


def refusal(function, *arguments):
    """The one sentence with which it is refused."""
    with pytest.raises(PairingError) as caught:
        function(*arguments)
    text = str(caught.value)
    assert "\n" not in text and text.endswith(".")
    return text


def found(folder, *names):
    return {name: path.relative_to(folder).as_posix() for name, path in find_pictures(folder, names).items()}


def test_a_result_is_found_by_folder_by_name_or_by_number(folder):
    place = folder("a/result.png", "a.png", "b.JPG", "b.txt", "trip/C.tif", "trip/d/result.png")
    assert found(place, "a", "b", "trip/c", "trip/d", "e") == {
        "a": "a/result.png", "b": "b.JPG", "trip/c": "trip/C.tif", "trip/d": "trip/d/result.png",
    }  # fmt: skip


def test_luans_results_are_found_by_number(folder):
    place = folder("best4_t_1000.png", "best40_t_1000.png", "best5_t_1000.png", "4.txt", ".4.png")
    assert found(place, "in4", "pair-40", "5", "in6", "none") == {
        "in4": "best4_t_1000.png", "pair-40": "best40_t_1000.png", "5": "best5_t_1000.png",
    }  # fmt: skip


def test_a_pair_missing_among_named_ones_gets_nobody_elses_picture(folder):
    assert found(folder("day-1-a.png", "day-1-b.png"), "day-1-a", "day-1-c") == {"day-1-a": "day-1-a.png"}


@pytest.mark.parametrize("names, files", [
    (["a"], ["a.png", "a.jpg"]),
    (["4"], ["best4_a.png", "best4_b.png"]),
    (["in4", "pair-4"], ["best4.png"]),
])  # fmt: skip
def test_what_could_be_either_is_refused(folder, names, files):
    place = folder(*files)
    sentence = refusal(find_pictures, place, names)
    assert all(str(place / file) in sentence for file in files)


def test_names_are_those_under_which_results_are_found(folder):
    place = folder(
        "a/result.png", "a/regions.png", "a/more/b.png", "c.jpg", "contact.png", "failed.jsonl", ".d.png",
        ".hidden/e.png", "notes.txt", "gallery.html", "gallery/0123.jpg", "Gallery/f.jpg", "a/gallery/g.jpg",
        "details/c/losses.png",
    )  # fmt: skip
    names = list_names(place)
    assert sorted(names) == ["a", "a/gallery/g", "a/more/b", "c"]
    assert set(found(place, *names)) == set(names)
    assert "no folder" in refusal(list_names, place / "c.jpg")
