"""The study's key."""

import json

from study_pages import refusal

from pst_core.study.key import StudyError, read_key


def test_a_key_is_read_back_and_a_foreign_or_ambiguous_one_refused(study, tmp_path):
    path = tmp_path / "study.key.json"
    path.write_text(study.key.model_dump_json())
    assert read_key(path) == study.key
    told = study.key.model_dump(mode="json")
    first = told["pairs"][0]
    one, other, *_ = first["options"]
    for wrong in (
        {}, told | {"pairs": []}, told | {"pairs": [first, first]}, told | {"secret": 1},
        told | {"pairs": [first | {"options": {one: "ours"}}]},
        told | {"pairs": [first | {"options": {one: "ours", other: "ours"}}]},
    ):  # fmt: skip
        path.write_text(json.dumps(wrong))
        assert str(path) in refusal(StudyError, read_key, path)
