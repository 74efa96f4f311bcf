"""A series through Prefect: its anchor is a pair, the others take its look; kept, resumed, told of."""

import functools
import json
from hashlib import sha256

import numpy as np
import pytest
from batch_runs import QUICK, overrides_of
from outcome_tables import read_outcomes
from picture_runs import save_map, save_photograph
from PIL import Image

from flows.batch import stylize_folder
from flows.cli.app import run
from flows.orders.batch_order import BatchOrder, find_orders
from flows.orders.photograph_order import find_anchor
from flows.pairs.pair import PairingError
from flows.results.standing import find_standings
from pst_core.images.embedding import read_recipe
from pst_core.images.light import decode_srgb, encode_srgb
from pst_core.images.reading import read_photograph
from tasks import looks

pytestmark = pytest.mark.usefixtures("prefect_server_for_tests", "pst_home")

# Regions found by the untrained network would say nothing of photographs like these.
ONE_REGION = QUICK | {"regions": 1, "rounds": 0}


@pytest.fixture
def shoot(tmp_path):
    """Three photographs of one scene, one of them with half the light, and a style."""
    folder = tmp_path / "shoot"
    folder.mkdir()
    save_photograph(folder / "a.png", seed=1)
    save_photograph(folder / "b.jpg", seed=2)
    pixels = read_photograph(folder / "a.png").pixels
    dark = np.rint(255 * encode_srgb(decode_srgb(pixels) / 2)).astype(np.uint8)
    Image.fromarray(np.moveaxis(dark, 0, -1)).save(folder / "dark.png")
    save_photograph(tmp_path / "style.png", seed=7)
    return folder


def order_of(shoot, tmp_path, **changes):
    order = {"pairing": "one-style", "style": tmp_path / "style.png", "settings": ONE_REGION, "anchor": "a"}
    return BatchOrder(source=shoot, out=tmp_path / "out", **(order | changes))


def restyled(shoot, tmp_path, **changes):
    order = dict(order_of(shoot, tmp_path, **changes))
    order["settings"] = overrides_of(order["settings"])
    del order["preset"]
    state = stylize_folder(**order, return_state=True)
    return state, state.result(raise_on_failure=False)


def states(summary):
    return {outcome.name: outcome.state for outcome in summary.outcomes}


def standings(shoot, tmp_path, **changes):
    order = order_of(shoot, tmp_path, **changes)
    return {each.name: each for each in find_standings(order, find_orders(order))}


@pytest.fixture
def computed(monkeypatch):
    """Names of the tasks that are computed."""
    begun = []

    def noted(unit, work):
        @functools.wraps(work)
        def begin(*given, **inputs):
            begun.append(unit.name)
            return work(*given, **inputs)

        return begin

    for unit in (looks.apply, looks.fit):
        monkeypatch.setattr(unit, "fn", noted(unit, unit.fn))
    return begun


def test_one_is_restyled_and_the_others_take_its_look(shoot, tmp_path, computed):
    state, summary = restyled(shoot, tmp_path)
    assert state.is_completed() and states(summary) == {"a": "done", "b": "done", "dark": "done"}
    assert computed == ["fit-look", "apply-look", "apply-look"]
    out = tmp_path / "out"
    assert {path.parent.name for path in out.rglob("result.png")} == {"a", "b", "dark"}
    assert (out / "a" / "look.cube").exists() and not (out / "b" / "report.json").exists()
    assert [outcome.name for outcome in read_outcomes(out)] == ["a", "b", "dark"]
    page = (out / "gallery.html").read_text()
    told = json.loads(page.split('id="data">', 1)[1].split("</script>", 1)[0])
    assert [pair["pictures"].keys() for pair in told["pairs"]] == 3 * [{"content", "style", "result"}]
    with Image.open(out / "contact.png") as sheet:
        assert sheet.height > 2 * 48  # two lines: all three are on it


def test_light_that_one_has_less_comes_back_as_far_as_asked_for(shoot, tmp_path):
    """With none of it back the dark one becomes what the anchor's look makes of the anchor."""
    missed = {}
    for share in (0.0, 0.5, 1.0):
        summary = restyled(shoot, tmp_path, settings=ONE_REGION | {"exposure_share": share})[1]
        assert not summary.failed
        results = [read_photograph(tmp_path / "out" / name / "result.png").pixels for name in ("a", "dark")]
        missed[share] = np.abs(results[0] - results[1]).mean()
        assert "It has 1.0 stops less light than the anchor." in summary.outcomes[2].notes
    assert missed[0.0] < 0.03 < missed[0.5] < missed[1.0]


def test_what_is_done_is_not_done_again(shoot, tmp_path, computed):
    assert {each.state for each in standings(shoot, tmp_path).values()} == {"new"}
    assert standings(shoot, tmp_path)["b"].why == "its anchor a comes first"
    restyled(shoot, tmp_path)
    assert {each.state for each in standings(shoot, tmp_path).values()} == {"done"}
    (tmp_path / "out" / "b" / "result.png").unlink()
    save_photograph(shoot / "c.png", seed=3)
    assert {name: each.state for name, each in standings(shoot, tmp_path).items()} == {
        "a": "done", "b": "kept", "c": "new", "dark": "done",
    }  # fmt: skip
    computed.clear()
    summary = restyled(shoot, tmp_path)[1]
    assert states(summary) == {"a": "cached", "b": "cached", "c": "done", "dark": "cached"}
    assert computed == ["apply-look"]


def test_an_order_is_taken_up_again_and_shown_before(shoot, tmp_path, capsys):
    (tmp_path / "style.png").rename(shoot.parent / "look.png")
    settings = tmp_path / "settings.toml"
    settings.write_text("size = 40\nrounds = 0\nregions = 1\nweights = 'untrained'\n")
    line = [str(shoot), "--style", str(tmp_path / "look.png"), "--anchor", "a", "-o", str(tmp_path / "out")]
    line += ["--settings", str(settings), "--json"]
    assert run(["run", *line, "--dry-run"]) == 0
    assert run(["run", *line, "--flat"]) == 0
    assert run(["resume", str(tmp_path / "out"), "--json"]) == 0
    assert run(["status", str(tmp_path / "out"), "--json"]) == 0
    told = [json.loads(each) for each in capsys.readouterr().out.splitlines()]
    ends = [[one for one in each.items() if one[0] in ("new", "done", "cached", "pairs")]
            for each in told if each["event"] == "summary"]  # fmt: skip
    assert ends == [[("pairs", 3), (state, 3)] for state in ("new", "done", "cached", "done")]
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {"a.png", "b.png", "dark.png"}


def test_without_its_anchor_nobody_is_done_and_each_says_so(shoot, tmp_path):
    (shoot / "a.png").write_bytes((shoot / "a.png").read_bytes()[:900])
    state, summary = restyled(shoot, tmp_path)
    assert state.is_failed() and states(summary) == {"a": "failed", "b": "failed", "dark": "failed"}
    assert "a.png" in summary.failed[0].error
    for outcome in summary.failed[1:]:
        assert outcome.error.startswith("Its anchor a failed") and "--anchor" in outcome.error


def test_one_that_cannot_be_done_stops_no_other(shoot, tmp_path):
    (shoot / "b.jpg").write_bytes((shoot / "b.jpg").read_bytes()[:500])
    state, summary = restyled(shoot, tmp_path)
    assert state.is_failed() and states(summary) == {"a": "done", "b": "failed", "dark": "done"}
    assert len((tmp_path / "out" / "failed.jsonl").read_text().splitlines()) == 1


def test_maps_say_where_regions_lie_if_the_anchors_did(shoot, tmp_path):
    """By its map each half takes its own look; without the style's map nobody's map counts."""
    (tmp_path / "pairs").mkdir()
    folder = tmp_path / "pairs"
    shoot.rename(folder / "content")
    (folder / "content_maps").mkdir()
    (folder / "style_maps").mkdir()
    for name in ("a", "b", "dark"):
        save_map(folder / "content_maps" / f"{name}.png")
    recipes = {}
    for maps in (False, True):
        if maps:
            save_map(folder / "style_maps" / "style.png")
        summary = restyled(folder, tmp_path, settings=QUICK | {"rounds": 0})[1]
        assert states(summary)["b"] == "done", summary.failed[0].error
        recipes[maps] = read_recipe(tmp_path / "out" / "b" / "result.png")
    assert "semantic_map" not in recipes[False] and recipes[False]["look"] != recipes[True]["look"]
    assert (
        recipes[True]["semantic_map"] == sha256((folder / "content_maps" / "b.png").read_bytes()).hexdigest()
    )


def test_who_is_not_there_is_told_with_the_nearest_names(shoot, tmp_path):
    with pytest.raises(
        Exception, match="no photograph 'drak' for --anchor: the nearest are dark, "
    ) as caught:
        find_orders(order_of(shoot, tmp_path, anchor="drak"))
    assert str(caught.value).count(".") == 1
    assert find_orders(order_of(shoot, tmp_path, anchor="b.jpg")).anchor == 1  # as the file is called


def test_an_anchor_of_which_there_are_two_is_asked_for_by_its_whole_name(shoot, tmp_path):
    save_photograph(shoot / "a.jpg", seed=9)
    told = r"^2 photographs are called 'a' \(a\.jpg, a\.png\): give the whole file name, as --anchor a\.jpg"
    with pytest.raises(PairingError, match=told):
        find_orders(order_of(shoot, tmp_path))
    for name, pair in (("a.png", "a-png"), ("a.jpg", "a-jpg"), ("a-png", "a-png")):
        found = find_orders(order_of(shoot, tmp_path, anchor=name))
        assert found.pairs[found.anchor].name == pair
    (shoot / "more").mkdir()
    save_photograph(shoot / "more" / "b.jpg", seed=9)
    (shoot / "b.jpg").rename(shoot / "other.jpg")
    found = find_orders(order_of(shoot, tmp_path, anchor="b"))  # the only one that is called so
    assert found.pairs[found.anchor].name == "more/b"
    (shoot / "still more").mkdir()
    save_photograph(shoot / "still more" / "b.jpg", seed=10)
    with pytest.raises(PairingError, match="give a pair's name, as --anchor more/b"):
        find_orders(order_of(shoot, tmp_path, anchor="b"))


def test_what_is_not_of_one_look_is_told_in_one_sentence(shoot, tmp_path):
    manifest = tmp_path / "shoot.csv"
    save_photograph(tmp_path / "other.png", seed=8)
    rows = "content,style,size\nshoot/a.png,style.png,40\nshoot/b.jpg,{},{}\n"
    for style, size, told in (
        ("other.png", 40, "has one style, but b has .*other.png and its anchor a .*style.png: name one"),
        ("style.png", 48, "has one look, but b has size 48 and its anchor a 40"),
    ):
        manifest.write_text(rows.format(style, size))
        with pytest.raises(Exception, match=told):
            find_orders(order_of(manifest, tmp_path, pairing="auto", style=None))
    manifest.write_text(rows.format("style.png", 40))
    found = find_orders(order_of(manifest, tmp_path, pairing="auto", style=None))
    assert found.anchor == 0 and [order.look for order in found.pairs] == [True, False]
    assert find_anchor("b", found.pairs) == 1
