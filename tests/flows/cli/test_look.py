"""`pst look`: files that other programs read, made from a finished result alone."""

import json
from pathlib import Path

import numpy as np
import pytest
from lattices import colour
from picture_runs import QUICK, everything, pixels_of, refused, save_photograph, stylize

from flows.cli.app import run

pytestmark = pytest.mark.usefixtures("own_place")


def look(*arguments):
    return run(["look", *map(str, arguments)])


@pytest.fixture
def result(pair):
    assert stylize(*pair, "-o", "result.png", *QUICK, "--quiet") == 0
    return "result.png"


def unit(path):
    return pixels_of(path).astype(np.float64) / 255


def test_the_whole_look_brings_the_content_near_its_result(result, capfd):
    assert look(result, "-o", "looks", "--json") == 0
    event = json.loads(capfd.readouterr().out)
    assert (event["event"], event["output"]) == ("look", "looks")
    assert sorted(event["files"]) == sorted(path.name for path in Path("looks").iterdir())
    changed = colour.read_LUT("looks/look.cube").apply(unit("content.png"))
    wanted, before = unit("result.png"), unit("content.png")
    assert np.abs(changed.mean((0, 1)) - wanted.mean((0, 1))).max() < 0.02
    assert np.abs(changed - wanted).mean() < 0.5 * np.abs(before - wanted).mean()


def test_a_result_of_several_styles_has_a_look(pair, capfd):
    """It is fitted to the mixture: neither style alone gives it."""
    save_photograph("other.png", seed=5)
    line = ["content.png", "style.png", "--style", "other.png", "--regions", "1", *QUICK]
    assert stylize(*line, "--shares", "0.5,0.5", "-o", "mixed.png", "--quiet") == 0
    assert look("mixed.png", "-o", "looks", "--quiet") == 0
    changed = colour.read_LUT("looks/look.cube").apply(unit("content.png"))
    wanted, before = unit("mixed.png"), unit("content.png")
    assert np.abs(changed - wanted).mean() < 0.5 * np.abs(before - wanted).mean()
    Path("other.png").rename("moved.png")
    assert look("mixed.png", "-o", "again", "--quiet") == 1
    assert "other.png" in capfd.readouterr().err


def test_regions_have_looks_and_masks_of_their_own(result):
    assert look(result, "-o", "looks", "--quiet") == 0
    masks = [unit(path) for path in sorted(Path("looks").glob("look.*.png"))]
    assert len(masks) == 2 and all(mask.shape == (48, 64) for mask in masks)
    assert np.abs(sum(masks) - 1).max() < 0.01
    assert [path.name for path in sorted(Path("looks").glob("*.cube"))] == [
        "look.0000ff.cube", "look.cube", "look.ff0000.cube",
    ]  # fmt: skip


def test_what_moved_is_named(result, tmp_path):
    Path("elsewhere").mkdir()
    Path("content.png").rename("elsewhere/c.png")
    assert look(result, "-o", "looks") == 1
    assert look(result, "elsewhere/c.png", "-o", "looks", "--quiet") == 0
    assert Path("looks/look.cube").exists()


def test_a_look_is_written_beside_a_picture_when_asked_for(pair, result):
    assert stylize(*pair, "-o", "other.png", "--look", *QUICK, "--quiet") == 0
    assert look(result, "-o", "looks", "--quiet") == 0
    beside = {path.name.removeprefix("other."): path for path in Path().glob("other.look.*")}
    assert beside.keys() == {path.name for path in Path("looks").iterdir()}
    assert (
        np.abs(colour.read_LUT("other.look.cube").table - colour.read_LUT("looks/look.cube").table).max()
        < 0.05
    )


def test_a_look_that_is_in_the_way_is_known_before_the_work(pair, capfd):
    Path("result.look.cube").write_text("mine")
    before = everything()
    assert stylize(*pair, "-o", "result.png", "--look", *QUICK) == 1
    refused(capfd, before, "result.look.cube exists already")


@pytest.mark.parametrize(("arguments", "named"), [
    (["content.png", "-o", "looks"], "carries no recipe"), (["result.png", "-o", "content.png"], "is a file"),
    (["result.png", "-o", "full"], "look.cube exists already"), (["gone.png", "-o", "looks"], "gone.png"),
    (["result.json", "-o", "looks"], "result.json"),
])  # fmt: skip
def test_bad_input_is_refused_and_nothing_is_lost(result, arguments, named, capfd):
    Path("full").mkdir()
    Path("full/look.cube").write_text("mine")
    capfd.readouterr()
    before = everything()
    assert look(*arguments) == 1
    refused(capfd, before, named)


@pytest.mark.parametrize("name", ["look.cube", "look.ff0000.png"])
def test_what_is_in_the_way_is_known_before_the_work(result, name, capfd, monkeypatch):
    from pst_core.pipeline import look as engine

    monkeypatch.setattr(engine, "fit_look", lambda *_: pytest.fail("worked for nothing"))
    Path("full").mkdir()
    Path("full", name).write_text("mine")
    capfd.readouterr()
    before = everything()
    assert look(result, "-o", "full") == 1
    refused(capfd, before, f"{name} exists already")


def test_what_is_there_is_replaced_where_that_is_asked_for(result):
    Path("full").mkdir()
    Path("full/look.cube").write_text("mine")
    assert look(result, "-o", "full", "--overwrite", "--quiet") == 0
    assert Path("full/look.cube").read_text().startswith("TITLE")
