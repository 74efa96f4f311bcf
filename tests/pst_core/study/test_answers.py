"""How strictly answers are read."""

import json
import os

import pytest

from pst_core.study.answers import MOST_ANSWERS_BYTES, read_answers


def test_answers_are_read_and_each_respondent_counts_once(study, answer, tmp_path):
    first, second = answer(1, "ours", "luan"), answer(2, "luan", "luan")
    again = tmp_path / "pasted.json"
    again.write_text("\ufeff" + json.dumps(json.loads(first.read_text()), indent=8))  # as an editor leaves it
    read = read_answers([second, first, again], study.key)
    assert read.problems == ()
    assert [response.respondent[-1] for response in read.responses] == ["1", "2"]
    assert read == read_answers([first, second], study.key)


def test_contradicting_answers_of_one_respondent_count_for_nothing(study, answer):
    one, other, third = (
        answer(1, "ours", "luan"),
        answer(1, "ours", "ours", name="b.json"),
        answer(2, "ours", "ours"),
    )
    read = read_answers([one, other, third], study.key)
    assert [response.respondent[-1] for response in read.responses] == ["2"]
    (problem,) = read.problems
    assert str(one) in problem and str(other) in problem


@pytest.mark.parametrize("changes, told", [
    ({"build": "0" * 16}, "another study"),
    ({"format": "pst-study-answers-2"}, "format"),
    ({"respondent": "../../etc/passwd"}, "respondent"),
    ({"respondent": "0" * 16 + "\n"}, "respondent"),
    ({"person": "Jane"}, "person"),
    ({"answers": []}, "each pair once"),
    ({"answers__0__seconds": -1}, "seconds"),
    ({"answers__0__seconds": "4"}, "seconds"),
    ({"answers__0__seconds": float("nan")}, "seconds"),
    ({"answers__0__choice": "0" * 16}, "none of its pictures"),
    ({"answers__0__pair": "0" * 16}, "each pair once"),
    ({"answers__0__shown": []}, "its own pictures"),
    ({"answers__0__note": "x"}, "note"),
    ({"answers__0__choice": None}, "choice"),
])  # fmt: skip
def test_what_the_page_did_not_save_is_not_counted(study, answer, changes, told):
    bad = answer(1, "ours", "luan", **changes)
    read = read_answers([bad], study.key)
    assert read.responses == ()
    (problem,) = read.problems
    assert str(bad) in problem and told in problem and "\n" not in problem


def test_answers_for_the_same_pair_twice_or_anothers_pictures_are_not_counted(study, answer):
    record = json.loads(answer(1, "ours", "luan").read_text())
    first, second = record["answers"]
    swapped = {"answers__0__shown": second["shown"], "answers__0__choice": second["choice"]}
    for changes in ({"answers": [first, first]}, {"answers": [first, second, second]}, swapped):
        assert read_answers([answer(1, "ours", "luan", **changes)], study.key).responses == ()


def test_files_that_are_no_answers_at_all_are_each_told_of(study, tmp_path):
    contents = {
        "empty": b"", "binary": b"\xff\xd8\xff\xe0", "list": b"[]", "deep": b"[" * 100_000,
        "large": b" " * (MOST_ANSWERS_BYTES + 1),
    }  # fmt: skip
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    files = [tmp_path / name for name in (*contents, "pipe", "folder", "missing")]
    read = read_answers(files, study.key)
    assert len(read.problems) == len(files)
    assert all(str(file) in problem for file, problem in zip(files, read.problems, strict=True))
