"""A look applied to a folder through Prefect: what is computed, kept, left, named; and what pictures hold."""

import functools
import json
import re
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from batch_runs import QUICK, overrides_of
from lattices import bent
from outcome_tables import read_outcomes
from picture_runs import save_map, save_photograph
from PIL import Image

from flows.apply import apply_folder
from flows.batch import stylize_folder
from flows.results.looks import find_look
from flows.results.under_look import UnderLook
from pst_core.errors import LookError
from pst_core.images.input_files import InputFile
from pst_core.images.reading import read_photograph
from pst_core.images.writing import to_levels, write_image
from pst_core.looks.cube import cube_of
from tasks import looks

pytestmark = pytest.mark.usefixtures("prefect_server_for_tests", "pst_home")


@pytest.fixture
def cube(tmp_path):
    path = tmp_path / "look.cube"
    path.write_bytes(cube_of(bent(), "a look"))
    return path


@pytest.fixture
def shoot(tmp_path):
    folder = tmp_path / "shoot"
    (folder / "day").mkdir(parents=True)
    save_photograph(folder / "a.jpg", seed=1)
    save_photograph(folder / "day" / "b.png", seed=2)
    return folder


@pytest.fixture
def computed(monkeypatch):
    """What is computed: names of the tasks, and of the photographs that they are given."""
    begun = []

    def noted(unit, work):
        @functools.wraps(work)
        def begin(*given, **inputs):
            files = [each for each in (*given, *inputs.values()) if isinstance(each, InputFile)]
            begun.append((unit.name, files[0].path.name))
            return work(*given, **inputs)

        return begin

    for unit in (looks.apply, looks.fit):
        monkeypatch.setattr(unit, "fn", noted(unit, unit.fn))
    return begun


def applied(look, source, out, **order):
    state = apply_folder(look, source, out, return_state=True, **order)
    return state, state.result(raise_on_failure=False)


def states(summary):
    return {outcome.name: outcome.state for outcome in summary.outcomes}


def test_every_photograph_takes_the_look(cube, shoot, tmp_path):
    state, summary = applied(cube, shoot, tmp_path / "out")
    assert state.is_completed() and states(summary) == {"a": "done", "day/b": "done"}
    for name, source in (("a.png", "a.jpg"), ("day/b.png", "day/b.png")):
        wanted = to_levels(bent().apply(read_photograph(shoot / source).filled))
        with Image.open(tmp_path / "out" / name) as picture:
            assert np.abs(np.asarray(picture).astype(int) - wanted).max() <= 1
    assert [outcome.state for outcome in read_outcomes(tmp_path / "out")] == ["done", "done"]


def test_the_next_one_is_begun_while_one_is_published(cube, shoot, tmp_path, monkeypatch):
    """And they end in their order, with the bits that they have one after another."""
    begun, work, publish = Event(), looks.apply.fn, UnderLook.publish

    def noted(photograph, *given, **inputs):
        if photograph.path.name == "b.png":
            begun.set()
        return work(photograph, *given, **inputs)

    def waiting(planned, made):
        assert begun.wait(60)
        return publish(planned, made)

    monkeypatch.setenv("PST_PAIRS_BEHIND", "0")
    applied(cube, shoot, tmp_path / "one")
    monkeypatch.setenv("PST_PAIRS_BEHIND", "1")
    monkeypatch.setenv("PST_HOME", str(tmp_path / "another"))
    monkeypatch.setattr(looks.apply, "fn", functools.wraps(work)(noted))
    monkeypatch.setattr(UnderLook, "publish", waiting)
    assert list(states(applied(cube, shoot, tmp_path / "out")[1])) == ["a", "day/b"]
    for name in ("a.png", "day/b.png"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()


def test_what_is_done_is_not_done_again(cube, shoot, tmp_path, computed):
    applied(cube, shoot, tmp_path / "out")
    (tmp_path / "out" / "a.png").unlink()
    save_photograph(shoot / "c.png", seed=3)
    (shoot / "day" / "b.png").rename(shoot / "renamed.png")
    summary = applied(cube, shoot, tmp_path / "out")[1]
    assert states(summary) == {"a": "cached", "c": "done", "renamed": "cached"}
    assert computed == [("apply-look", name) for name in ("a.jpg", "b.png", "c.png")]
    assert (tmp_path / "out" / "a.png").exists()


def test_one_that_cannot_be_done_stops_no_other(cube, shoot, tmp_path):
    (shoot / "broken.png").write_bytes((shoot / "day" / "b.png").read_bytes()[:2000])
    state, summary = applied(cube, shoot, tmp_path / "out")
    assert state.is_failed() and state.message == "3 photographs: 2 done, 1 failed"
    assert [outcome.name for outcome in summary.failed] == ["broken"]
    assert "broken.png" in summary.failed[0].error


def test_sixteen_bits_and_transparency_stay(cube, tmp_path):
    (tmp_path / "in").mkdir()
    pixels = np.linspace(0, 1, 3 * 40 * 50, dtype=np.float32).reshape(3, 40, 50)
    alpha = np.ones((40, 50), np.float32)
    alpha[:8] = 0
    write_image(tmp_path / "in" / "deep.png", pixels, bit_depth=16, alpha=alpha)
    applied(cube, tmp_path / "in", tmp_path / "out")
    given, result = (read_photograph(tmp_path / folder / "deep.png") for folder in ("in", "out"))
    assert result.bit_depth == 16 and np.array_equal(result.alpha, alpha)
    assert np.abs(result.pixels[:, 8:] - bent().apply(given.pixels)[:, 8:]).max() <= 1.6e-5
    assert np.array_equal(result.pixels[:, :8], given.pixels[:, :8])  # nobody sees it


@pytest.mark.parametrize(("policy", "ends"), [
    ("changed", "failed"), ("fail", "failed"), ("skip", "skipped"), ("overwrite", "done"), ("unique", "done"),
])  # fmt: skip
def test_what_is_in_the_way_is_treated_as_in_a_batch(cube, shoot, tmp_path, policy, ends):
    (tmp_path / "out").mkdir()
    mine = save_photograph(tmp_path / "out" / "a.png", seed=9)
    before = mine.read_bytes()
    summary = applied(cube, shoot, tmp_path / "out", on_conflict=policy)[1]
    assert states(summary) == {"a": ends, "day/b": "done"}
    assert (mine.read_bytes() == before) == (policy != "overwrite")
    assert (tmp_path / "out" / "a-2.png").exists() == (policy == "unique")


def test_another_look_replaces_what_this_program_made(cube, shoot, tmp_path):
    applied(cube, shoot, tmp_path / "out")
    before = (tmp_path / "out" / "a.png").read_bytes()
    cube.write_bytes(cube_of(type(bent())(bent().values ** 2), "darker"))
    assert states(applied(cube, shoot, tmp_path / "out")[1]) == {"a": "done", "day/b": "done"}
    assert (tmp_path / "out" / "a.png").read_bytes() != before


@pytest.fixture
def results(tmp_path):
    """The results of a pair whose halves take different looks, by maps."""
    folder = tmp_path / "pair"
    for role, seed in (("content", 1), ("style", 2)):
        (folder / role).mkdir(parents=True)
        (folder / f"{role}_maps").mkdir()
        save_photograph(folder / role / "p.png", seed=seed)
        save_map(folder / f"{role}_maps" / "p.png")
    stylize_folder(folder, tmp_path / "results", settings=overrides_of(QUICK))
    return tmp_path / "results" / "p"


def test_a_pairs_result_brings_its_photograph_near_it(results, tmp_path):
    """By the photograph's own map each region takes its own look, which comes nearer than the whole one."""
    pair, out = tmp_path / "pair", tmp_path / "out"
    (pair / "shoot").mkdir()
    (pair / "content" / "p.png").rename(pair / "shoot" / "p.png")
    (pair / "content").rmdir()
    with pytest.raises(Exception, match="is not found at"):
        apply_folder(results, pair / "shoot", out)
    (pair / "content").mkdir()
    (pair / "content" / "p.png").write_bytes((pair / "shoot" / "p.png").read_bytes())
    wanted = read_photograph(results / "result.png").pixels
    missed = {}
    for way in ({"maps": pair / "content_maps"}, {"whole": True}):
        summary = applied(results, pair / "shoot", out, **way)[1]
        assert states(summary) == {"p": "done"}, summary.failed[0].error
        missed[*way] = np.abs(read_photograph(out / "p.png").pixels - wanted).mean()
    assert missed["maps",] < missed["whole",] < 0.1


def test_a_result_of_several_styles_brings_its_photograph_near_it(tmp_path):
    for seed, name in enumerate(("content", "style", "other")):
        save_photograph(tmp_path / f"{name}.png", seed=seed)
    row = "content,style,style_2,name\ncontent.png,style.png,other.png,p\n"
    (tmp_path / "pairs.csv").write_text(row)
    mixed = overrides_of(QUICK | {"regions": 1, "rounds": 0, "shares": (0.5, 0.5)})
    stylize_folder(tmp_path / "pairs.csv", tmp_path / "results", settings=mixed)
    (tmp_path / "shoot").mkdir()
    (tmp_path / "shoot" / "p.png").write_bytes((tmp_path / "content.png").read_bytes())
    summary = applied(tmp_path / "results" / "p", tmp_path / "shoot", tmp_path / "out")[1]
    assert states(summary) == {"p": "done"}, summary.failed[0].error
    wanted, given, result = (
        read_photograph(tmp_path / place).pixels
        for place in ("results/p/result.png", "content.png", "out/p.png")
    )
    assert np.abs(result - wanted).mean() < 0.5 * np.abs(given - wanted).mean()


def test_a_look_lies_beside_a_result_when_asked_for_and_is_kept(results, tmp_path, computed):
    plain = {path.name for path in results.iterdir()}
    for look, ends in ((True, "done"), (True, "cached"), (False, "cached")):
        order = {"settings": overrides_of(QUICK), "look": look, "return_state": True}
        again = stylize_folder(tmp_path / "pair", tmp_path / "results", **order)
        assert states(again.result()) == {"p": ends}
    assert computed == [("fit-look", "p.png")]
    names = {"look.cube", "look.parquet"}
    names |= {f"look.{region}.{form}" for region in ("0000ff", "ff0000") for form in ("cube", "png")}
    assert {path.name for path in results.iterdir()} - plain == names
    told = json.loads((results / "report.json").read_text())["files"]
    assert names <= told.keys()
    applied(results, tmp_path / "pair" / "content", tmp_path / "out")
    assert computed == [("fit-look", "p.png"), ("apply-look", "p.png")]


def test_regions_are_found_as_the_pairs_were_or_it_is_said_why_not(tmp_path, monkeypatch, landscape):
    """By what found them: the network is named in the environment, for a look knows no places of files."""
    pictures = {"content": ((90, 140, 220), (60, 90, 50)), "style": ((230, 140, 70), (40, 30, 30))}
    for seed, (role, colors) in enumerate(pictures.items()):
        (tmp_path / "pair" / role).mkdir(parents=True)
        Image.fromarray(landscape(96, 128, *colors, seed=seed)[0]).save(tmp_path / "pair" / role / "p.png")
    found = QUICK | {"segmentation": "cluster"}
    stylize_folder(tmp_path / "pair", tmp_path / "results", settings=overrides_of(found))
    shoot = tmp_path / "pair" / "content"
    with pytest.raises(LookError, match=r"found by cluster \(untrained\), and here there is .*--whole"):
        apply_folder(tmp_path / "results" / "p", shoot, tmp_path / "out")
    monkeypatch.setenv("PST_VGG19_WEIGHTS", "untrained")
    wanted = read_photograph(tmp_path / "results" / "p" / "result.png").pixels
    missed = []
    for whole in (False, True):
        summary = applied(tmp_path / "results" / "p", shoot, tmp_path / "out", whole=whole)[1]
        assert states(summary) == {"p": "done"}, summary.failed[0].error
        missed.append(np.abs(read_photograph(tmp_path / "out" / "p.png").pixels - wanted).mean())
    assert missed[0] < missed[1]


def test_an_order_is_taken_up_again(cube, shoot, tmp_path, monkeypatch, capsys):
    from flows.cli.app import run

    monkeypatch.chdir(tmp_path)
    applied(Path("look.cube"), Path("shoot"), Path("out"))
    assert json.loads(Path("out/apply.json").read_text())["look"] == str(cube)
    assert run(["resume", "out", "--json"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[-1] == {"event": "summary", "out": "out", "pairs": 2, "cached": 2}


@pytest.mark.parametrize(("make", "named"), [
    (lambda path: None, "does not exist"), (lambda path: path.write_text("x"), "is no look"),
    (lambda path: path.mkdir(), "holds no look"),
])  # fmt: skip
def test_what_holds_no_look_is_named_before_any_work(shoot, tmp_path, make, named):
    make(tmp_path / "none")
    with pytest.raises(Exception, match=named):
        apply_folder(tmp_path / "none", shoot, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("order", "results", "told"), [
    ("sequence.json", "made/keys", "holds a sequence, of which each key frame has a look"),
    ("batch.json", "made", "holds a batch, of which each pair has a look"),
])  # fmt: skip
def test_results_of_many_pairs_are_no_look_but_each_pairs_are(tmp_path, order, results, told):
    made, pairs = tmp_path / "made", tmp_path / results
    for name in ("f_2", "f_1"):
        (pairs / name).mkdir(parents=True)
        (pairs / name / "report.json").write_text("{}")
    (made / order).write_text("{}")
    sentence = f"{told}: name the folder of one, such as {pairs / 'f_1'}."
    with pytest.raises(LookError, match=re.escape(sentence)):
        find_look(made)


def test_a_folder_without_results_is_no_look(tmp_path):
    (tmp_path / "sequence.json").write_text("{}")
    with pytest.raises(LookError, match=r"holds no look: name a \.cube file"):
        find_look(tmp_path)
