"""Two pairs of three methods, the study of them, and answers to it."""

import json

import pytest
from study_pages import METHODS, paint

from pst_core.study.building import build_study


@pytest.fixture
def pairs(tmp_path):
    """Two pairs, three methods."""
    return {
        name: {
            method: paint(tmp_path / method / f"{name}.png", seed=10 * row + column)
            for column, method in enumerate(METHODS)
        }
        for row, name in enumerate(("meadow", "harbour"))
    }


@pytest.fixture
def study(pairs):
    return build_study(pairs, title="Which is real?", seed=1)


@pytest.fixture
def answer(study, tmp_path):
    """Return a function that writes one respondent's file: method chosen for each pair."""

    def write(number, *methods, name=None, **changes):
        answers = []
        for pair, method in zip(study.key.pairs, methods, strict=True):
            by_method = {each: option for option, each in pair.options.items()}
            shown = sorted(pair.options)
            answers.append({"pair": pair.id, "shown": shown, "choice": by_method[method], "seconds": 4.5})
        record = {
            "format": "pst-study-answers-1", "build": study.key.build, "respondent": f"{number:016x}",
            "answers": answers,
        }  # fmt: skip
        for path, value in changes.items():
            *above, last = (int(step) if step.isdecimal() else step for step in path.split("__"))
            place = record
            for step in above:
                place = place[step]
            place[last] = value
        path = tmp_path / "answers" / (name or f"answers-{number}.json")
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(record))
        return path

    return write
