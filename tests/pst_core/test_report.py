"""Recipes and reports: what they hold, and what is told of those that this version cannot read."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from write_schemas import FOLDER, schemas

from pst_core.errors import ConfigError
from pst_core.images.roles import EVERY_ROLE, START
from pst_core.report import Inputs, Recipe, Report, Run, _indented, check_recipe, package_version, read_own
from pst_core.settings.config import Config

ROOT = Path(__file__).resolve().parents[2]
LOSSES = {"total": 2.0, "content": 1.5, "style": 0.5}
SOURCE = Path("result.json")


@pytest.fixture
def run(tmp_path):
    return Run(
        output=tmp_path / "out" / "result.png",
        paths={
            "content": tmp_path / "content.png", "style": Path("caf\udce9.png"), "start": tmp_path / "s.png",
        },
        preset="fast",
        config=Config(size=64, weights="/home/somebody/vgg.pth"),
        hashes={"content": "c" * 64, "style": "5" * 64, "start": "a" * 64},
        weights={"name": "vgg.pth", "sha256": "e" * 64, "convention": "caffe", "trained": True},
        regions={"source": "maps", "count": 1, "colors": ["#ff0000"], "content_shares": [1.0],
                 "style_shares": [1.0], "matched": [True]},
        color_match=1, device="cpu", dtype="float32",
        losses=[{"stage": "round 1 global", "size": 64, "evaluations": 8, "first": LOSSES, "last": LOSSES},
                {"stage": "round 1 regional", "size": 64, "evaluations": 0}],
        notes=("A note.",),
    )  # fmt: skip


@pytest.fixture
def written(run):
    """A report as it lies in its file."""
    scores = {"ssim_quick": 0.5, "niqe": None, "models": {"brisque": "LIVE's"}}
    return json.loads(run.report(pair="p0", key="f" * 64, scores=scores).to_json())


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)


@given(
    st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=30)
)
def test_json_is_indented_as_python_does_it(value):
    assert _indented(value, "\n") == json.dumps(value, indent=2)


@pytest.mark.parametrize("value", [float("nan"), [float("inf")], {"a": [1, {"b": float("-inf")}]}])
def test_json_holds_nothing_but_numbers_there_are(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        _indented(value, "\n")


def refusal(found):
    with pytest.raises(ConfigError) as caught:
        check_recipe(SOURCE, found)
    return str(caught.value)


def test_what_is_written_is_read_back(run):
    recipe = run.recipe()
    report = run.report(seconds={"read": 0.5}, peak_memory_bytes=9)
    for each, kind in ((recipe, Recipe), (report, Report)):
        text = each.to_json()
        assert text.endswith(b"}\n") and text.isascii()
        again = check_recipe(SOURCE, json.loads(text))
        assert type(again) is kind and again == each and again.to_json() == text


def test_a_report_is_its_recipe_and_more(run, written):
    recipe = json.loads(run.recipe().to_json())
    assert list(written)[: len(recipe)] == list(recipe)
    assert {name: written[name] for name in recipe if name not in ("inputs", "weights")} == {
        name: recipe[name] for name in recipe if name not in ("inputs", "weights")
    }
    assert (written["output"], written["losses"][1]) == (
        "result.png", {"stage": "round 1 regional", "size": 64, "evaluations": 0},
    )  # fmt: skip
    assert written["scores"] == {"models": {"brisque": "LIVE's"}, "ssim_quick": 0.5, "niqe": None}


def test_a_recipe_names_no_place_of_this_machine_and_a_report_every_place(run, written, tmp_path):
    recipe = json.loads(run.recipe().to_json())
    assert str(tmp_path) not in json.dumps(recipe) and "/home" not in json.dumps(recipe)
    assert recipe["settings"]["weights"] == "vgg.pth" and set(recipe["settings"]) == set(Config.model_fields)
    assert recipe["inputs"]["content"] == {
        "name": "content.png", "sha256": "c" * 64, "beside": "../content.png",
    }  # fmt: skip
    assert written["inputs"]["content"]["given"] == str(tmp_path / "content.png")
    assert written["weights"]["given"] == "/home/somebody/vgg.pth"
    assert written["inputs"]["style"]["name"] == "caf\udce9.png"  # a name that is no text, as bytes may be


def test_what_is_not_known_is_left_out(run, written):
    report = json.loads(run.report().to_json())
    assert not {"pair", "key", "scores", "files", "seconds", "peak_memory_bytes"} & set(report)
    assert not {"content_map", "style_map"} & set(report["inputs"])
    assert "seconds" not in written and written["pair"] == "p0"


def test_inputs_have_the_roles():
    assert tuple(Inputs.model_fields) == (*EVERY_ROLE, START)


def test_recipe_and_report_are_light():
    heavy = "{'torch', 'numpy', 'PIL', 'pyarrow'} & set(sys.modules)"
    code = f"import sys, pst_core.report; assert not {heavy}, {heavy}"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


@pytest.mark.parametrize("place", [(), ("inputs", "style"), ("weights",), ("settings",), ("regions",)])
def test_an_unknown_field_of_another_version_is_told_as_that(written, place):
    part = written
    for name in place:
        part = part[name]
    part["warmth"] = 3
    field = ".".join([*place, "warmth"])
    for version in ("9.1.0", "0.0.1", "9.2.dev1+g12ab"):
        assert refusal(written | {"version": version}) == (
            f"result.json has the field '{field}', which version {version} of this program wrote and this "
            f"one, version {package_version()}, does not know: install version {version}."
        )
    if place != ("settings",):
        assert "damaged" in refusal(written)  # no other version has written it


def test_an_unknown_role_of_another_version_is_told_too(written):
    written["inputs"]["depth"] = written["inputs"]["content"]
    assert "has the field 'inputs.depth', which version 9" in refusal(written | {"version": "9"})


def test_measures_of_another_version_are_no_hindrance(written):
    written["scores"] |= {"warmth": 0.5, "ssim": None}
    assert check_recipe(SOURCE, written | {"version": "9"}).version == "9"


@pytest.mark.parametrize(("change", "told"), [
    ({"program": "another"}, "result.json holds no recipe of this program: name a result or its report."),
    ({"format": 2}, "result.json holds a recipe of another version of this program: install that one."),
    ({"version": "9", "dtype": 3}, "result.json holds a recipe of another version of this program: install "
                                   "that one."),
    ({"version": "9", "settings": {"init": "warm"}}, "result.json holds a recipe of another version of this "
                                                     "program: install that one."),
    ({"settings": {"init": "warm"}}, "Setting 'init' cannot be 'warm': "),
    ({"settings": {"warmth": 3}}, "There is no setting 'warmth': `pst stylize --help` lists them all."),
    *[(change, "result.json holds a recipe that is damaged: use the picture's report, or the picture's own.")
      for change in (
          {"dtype": 3}, {"dtype": None}, {"inputs": {}}, {"weights": {"name": 3}}, {"settings": 3},
          {"settings": {"cls": 3}}, {"version": "9\n: run rm", "warmth": 1}, {"version": 9, "warmth": 1},
          {"losses": [{"stage": 3}]}, {"color_match_strength": float("nan")},
      )],
])  # fmt: skip
def test_what_cannot_be_used_is_refused_in_a_sentence(written, change, told):
    sentence = refusal(written | change)
    assert sentence.startswith(told) and "\n" not in sentence


@pytest.mark.parametrize("found", [None, [], 3, "text", {}])
def test_what_is_no_recipe_is_refused(found):
    assert "holds no recipe of this program" in refusal(found)


def test_only_our_own_is_read(tmp_path, written):
    texts = {
        "ours": json.dumps(written),
        "theirs": '{"name": "x"}',
        "none": "[]",
        "cut": "{",
        "deep": "[" * 10**5,
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    assert [name for name in (*texts, "gone") if read_own(tmp_path / name)] == ["ours"]
    assert read_own(tmp_path / "ours") == written


def skeleton(schema):
    """Names, what is required and what may be chosen: what pydantic's versions agree on."""
    if not isinstance(schema, dict):
        return schema
    kept = {key: schema[key] for key in ("enum", "const") if key in schema}
    kept |= {"required": sorted(schema["required"])} if "required" in schema else {}
    for holder in ("properties", "$defs"):
        kept |= {holder: {name: skeleton(part) for name, part in schema.get(holder, {}).items()}}
    return kept


@pytest.mark.parametrize("name", schemas())
def test_the_schemas_are_what_the_models_say(name):
    written, said = (json.loads(text) for text in ((FOLDER / name).read_text(), schemas()[name]))
    assert skeleton(written) == skeleton(said), "run: python tests/write_schemas.py"
