"""Evaluations as flows: tables and figures from any methods and from results made elsewhere."""

import functools
import json
import os
import shutil
from pathlib import Path

import httpx
import numpy as np
import pytest
from batch_runs import QUICK, make_folder, overrides_of, settings_file
from PIL import Image
from pyarrow import parquet

from flows.cli import app as cli
from flows.evaluation import Ended, evaluate_folder, run_evaluation
from flows.orders.evaluation_order import EvaluationOrder, check_evaluation
from flows.pairs.pair import PairingError
from pst_core.errors import ConfigError, PstError
from pst_core.quality.answers import peak_signal_to_noise
from pst_core.quality.distances import structural_similarity
from pst_core.quality.models import load_quality_models
from pst_core.quality.self_reference import self_reference
from pst_core.settings.methods import ANSWERING, METHODS
from tasks import measuring, optimisation
from tasks import self_reference as self_reference_task

pytestmark = pytest.mark.usefixtures("prefect_server_for_tests", "pst_home")

QUICKEST = {
    name: value for name, value in QUICK.items() if not name.endswith("iterations") and name != "rounds"
}


@pytest.fixture
def source(tmp_path):
    return make_folder(tmp_path / "in", 2, height=66, width=96)


def noted(unit, begun):
    """A unit's work that first notes its name."""

    work = unit.fn

    @functools.wraps(work)
    def begin(**inputs):
        begun.append(unit.name)
        return work(**inputs)

    return begin


def order(source, out, **changes):
    settings = {"source": source, "out": out, "methods": ("yang", "gatys", "reinhard"), "evaluations": 3,
                "settings": QUICKEST}  # fmt: skip
    return EvaluationOrder(**settings | changes)


def evaluate(asked):
    return run_evaluation(asked, check_evaluation(asked))


def scores(out):
    return {
        (row["method"], row["pair"]): row for row in parquet.read_table(out / "scores.parquet").to_pylist()
    }


def pixels(path):
    return np.moveaxis(np.asarray(Image.open(path).convert("RGB"), np.float32) / 255, -1, 0)


def test_every_method_is_run_measured_and_tabulated(tmp_path, source):
    out = tmp_path / "out"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(source / "style" / "p0.png", elsewhere / "best0_t_1000.png")
    asked = order(source, out, external={"Theirs": elsewhere})
    parameters = dict(asked) | {"settings": overrides_of(asked.settings)}
    state = evaluate_folder(**parameters, return_state=True)
    assert state.is_failed() and state.message == "2 pairs, 4 methods, 1 result missing"
    assert state.result(raise_on_failure=False) == Ended(pairs=2, methods=4, missing=1)
    found = scores(out)
    assert {method for method, _ in found} == {"content", "yang", "gatys", "reinhard", "Theirs"}
    for method in ("yang", "gatys", "reinhard"):
        for pair in ("p0", "p1"):
            result = pixels(out / "methods" / method / pair / "result.png")
            expected = structural_similarity(result, pixels(source / "content" / f"{pair}.png"))
            assert found[method, pair]["ssim"] == pytest.approx(expected, abs=1e-6)
            report = json.loads((out / "methods" / method / pair / "report.json").read_text())
            assert report["settings"]["method"] == method
    assert found["content", "p0"]["ssim"] == pytest.approx(1)
    table = (out / "table.md").read_text()
    for words in (
        "elsewhere has no picture of it",
        "NIQE needs",
        "native",
        "project fit",
        "untrained",
        "Theirs",
    ):
        assert words in table
    assert (out / "methods" / "gatys" / "gallery.html").exists()
    with Image.open(out / "table.png") as drawn:
        assert drawn.width > 400


def test_what_is_done_is_not_done_again_and_a_method_joins(tmp_path, source, monkeypatch):
    out, begun = tmp_path / "out", []
    evaluate(order(source, out))
    first = (out / "table.md").read_bytes()
    for unit in (optimisation.optimise, measuring.measure):
        monkeypatch.setattr(unit, "fn", noted(unit, begun))
    assert not evaluate(order(source, out)).missing
    assert begun == [] and (out / "table.md").read_bytes() == first
    assert not evaluate(order(source, out, methods=("yang", "gatys", "histogram"))).missing
    assert begun == ["measure", "measure"]


def test_photographs_are_shrunk_first_where_a_side_is_given(tmp_path, source):
    out = tmp_path / "out"
    evaluate(order(source, out, methods=("reinhard",), pairs=("p1",), side=80))
    with Image.open(out / "inputs" / "content" / "p1.png") as content:
        assert content.size == (80, 55)
    with Image.open(out / "inputs" / "content_maps" / "p1.png") as semantic:
        assert semantic.size == (80, 55)
        assert {color for _, color in semantic.convert("RGB").getcolors()} == {(0, 0, 255), (0, 255, 0)}
    with Image.open(out / "methods" / "reinhard" / "p1" / "result.png") as result:
        assert result.size == (80, 55)
    assert {pair for _, pair in scores(out)} == {"p1"}


def test_a_photograph_is_its_own_reference(tmp_path, source, monkeypatch):
    out, begun = tmp_path / "out", []
    photographs = tmp_path / "photographs"
    shutil.copytree(source / "content", photographs / "below")
    (photographs / "broken.jpg").write_bytes(b"no picture")
    asked = order(
        photographs, out, protocol="self-reference", grades=7, methods=("linear",), settings=QUICKEST
    )
    assert evaluate(asked).missing == 2  # the broken one, as it is and by the method
    found = scores(out)
    for place, name in enumerate(("below/p0", "below/p1")):
        whole = np.asarray(Image.open(photographs / f"{name}.png").convert("RGB"))
        made = {
            role: pixels(out / "inputs" / role / f"{name}.png") for role in ("content", "style", "answer")
        }
        for role, part in self_reference(whole, 7 + place)._asdict().items():
            assert np.array_equal(np.moveaxis(made[role], 0, -1) * 255, part)
        result = pixels(out / "methods" / "linear" / name / "result.png")
        row = found["linear", name]
        assert row["answer_psnr"] == pytest.approx(peak_signal_to_noise(result, made["answer"]))
        assert row["answer_ciede2000"] < found["content", name]["answer_ciede2000"]
        assert "ssim" not in row and row["largest_slope"] > 0
    assert found["linear", "broken"]["answer_psnr"] is None
    table = (out / "table.md").read_text()
    for words in ("SSIM to the answer ↑", "seeds of the grades from 7", "broken.jpg is a text"):
        assert words in table
    assert "BRISQUE" not in table and "not changed" not in table
    for unit in (self_reference_task.split, measuring.measure):
        monkeypatch.setattr(unit, "fn", noted(unit, begun))
    evaluate(asked)
    assert begun == []
    evaluate(asked.model_copy(update={"pairs": ("below/p1",), "side": 80, "drawing": "comparison"}))
    assert begun == ["split", "measure", "measure"]  # alone it is the first, and has another grade
    with Image.open(out / "inputs" / "answer" / "below" / "p1.png") as answer:
        assert answer.size == (52, 55)  # 65 % of 80
    assert (out / "comparison.png").exists()


def test_a_broken_photograph_leaves_a_reason_and_the_others_numbers(tmp_path, source):
    (source / "style" / "p0.png").write_bytes(b"no picture")
    for number, side in enumerate((None, 80)):
        out = tmp_path / f"out{number}"
        assert evaluate(order(source, out, methods=("reinhard",), side=side)).missing == 1 + number
        found = scores(out)
        assert found["reinhard", "p0"]["ssim"] is None and found["reinhard", "p1"]["ssim"] is not None
        assert "p0.png is a text" in (out / "table.md").read_text()


@pytest.mark.parametrize("drawing", ["comparison", "ablation"])
def test_figures_are_drawn_for_chosen_pairs(tmp_path, source, drawing):
    out = tmp_path / "out"
    ended = evaluate(
        order(source, out, drawing=drawing, pairs=("p0",), methods=("reinhard", "histogram"),
              crops=("5,5,20,15",) if drawing == "comparison" else ())
    )  # fmt: skip
    assert not ended.missing
    with Image.open(out / f"{drawing}.png") as figure:
        assert figure.width > 1000


def test_results_of_another_view_are_refused_with_a_reason(tmp_path, source):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    Image.new("RGB", (50, 90)).save(theirs / "p0.png")
    Image.new("RGB", (96, 66), (9, 90, 190)).save(theirs / "p1.png")
    evaluate(order(source, tmp_path / "out", methods=(), external={"Theirs": theirs}))
    table = (tmp_path / "out" / "table.md").read_text()
    assert "50x90 pixels does not fit a content of 96x66" in table
    assert "one gray level everywhere" in table  # BRISQUE of a plain picture
    found = scores(tmp_path / "out")
    assert found["Theirs", "p1"]["brisque"] is None and found["Theirs", "p1"]["ssim"] is not None


@pytest.mark.parametrize(("changes", "kind", "words"), [
    ({"pairs": ("p7",)}, PairingError, "There is no pair 'p7': choose from p0, p1"),
    ({"external": {"luan": Path()}}, ConfigError, "cannot be called 'luan'"),
    ({"external": {"Theirs": Path("nowhere")}}, PairingError, "nowhere"),
    ({"crops": ("1,2,3",)}, ConfigError, "left,top,width,height"),
    ({"methods": ()}, ConfigError, "Name at least one method"),
    ({"quality_models": Path("nowhere")}, PstError, "nowhere"),
    ({"protocol": "self-reference", "pairing": "luan"}, ConfigError, "leave out --pairing luan"),
])  # fmt: skip
def test_wrong_orders_are_refused_before_anything_is_done(tmp_path, source, changes, kind, words):
    with pytest.raises(kind, match=words):
        check_evaluation(order(source, tmp_path / "out", **changes))
    assert not (tmp_path / "out" / "methods").exists()


def test_the_command_line_runs_resumes_and_explains(tmp_path, source, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    settings = str(settings_file(tmp_path))
    command = ["evaluate", "in", "--out", "ev", "--methods", "reinhard,histogram", "--settings", settings]
    assert cli.run(command) == 0
    captured = capfd.readouterr()
    assert "| Method |" in captured.out and "Drawn: ev/table.png" in captured.out
    assert "Reinhard et al.:" in captured.err
    (tmp_path / "ev" / "table.md").unlink()
    assert cli.run(["resume", "ev", "--json"]) == 0
    last = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert last["event"] == "evaluation" and (tmp_path / "ev" / "table.md").exists()
    assert cli.run(["compare", "in", "--out", "ev", "--methods", "reinhard", "--pairs", "p1", "--settings",
                    settings, "--quiet"]) == 0  # fmt: skip
    assert (tmp_path / "ev" / "comparison.png").exists()
    asked = ["evaluate", "in/content", "--out", "own", "--protocol", "self-reference", "--grades", "3"]
    assert cli.run([*asked, "--side", "64", "--settings", settings]) == 0
    captured = capfd.readouterr()
    assert all(METHODS[name].title in captured.out for name in ANSWERING) and "PSNR" in captured.out
    saved = json.loads((tmp_path / "own" / "evaluation.json").read_text())
    assert (saved["protocol"], saved["grades"]) == ("self-reference", 3)
    for wrong, words in (
        (["evaluate", "in", "--out", "ev", "--grades", "-1"], "grades"),
        (["evaluate", "in"], "pst evaluate FOLDER --out DIR"),
        (["evaluate", "in", "--out", "ev", "--methods", "picasso"], "There is no method 'picasso'"),
        (["evaluate", "in", "--out", "ev", "--external", "x"], "NAME=FOLDER"),
        (["compare", "in", "--out", "ev", "--crop", "1,2"], "left,top,width,height"),
        (["status", "ev"], "ev holds an evaluation: pst resume ev"),
        (["ablate", "in", "--out", "ev", "--side", "3"], "side"),
    ):
        assert cli.run(wrong) == 1
        assert words in capfd.readouterr().err


def test_what_is_passed_over_is_told_once(tmp_path, source, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    (source / "content" / "p1.MOV").write_bytes(b"\0\0\0\x14ftypqt  ")
    command = ["evaluate", str(source), "--out", "ev", "--methods", "reinhard,histogram", "--side", "80",
               "--settings", str(settings_file(tmp_path))]  # fmt: skip
    assert cli.run(command) == 0
    captured = capfd.readouterr()
    assert captured.err.count(f"Passed over in {source}") == 1 and "1 video" in captured.err


def test_methods_are_listed_and_chosen_everywhere(tmp_path, source, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert cli.run(["methods"]) == 0
    listed = capfd.readouterr().out
    assert all(f"{name}: " in listed for name in METHODS)
    files = [str(source / role / "p0.png") for role in ("content", "style")]
    quick = ["--weights", "untrained", "--method", "reinhard", "--quiet"]
    assert cli.run(["stylize", *files, "-o", "one.png", *quick]) == 0
    assert json.loads(Path("one.json").read_text())["settings"]["method"] == "reinhard"
    assert cli.run(["stylize", "--from", "one.png", "--method", "luan"]) == 1
    assert "leave the preset and the method out" in capfd.readouterr().err
    Path("pairs.csv").write_text("content,style,method\nin/content/p0.png,in/style/p0.png,histogram\n")
    assert cli.run(["run", "pairs.csv", "--out", "out", "--weights", "untrained", "--quiet"]) == 0
    reports = [json.loads(path.read_text()) for path in Path("out").glob("*/report.json")]
    assert [report["settings"]["init"] for report in reports] == ["histogram"]


def test_an_interrupted_evaluation_goes_on(tmp_path, source, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    settings, work, calls = str(settings_file(tmp_path)), optimisation.optimise.fn, []

    @functools.wraps(work)
    def interrupted(**inputs):
        calls.append(inputs["stage"].name)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return work(**inputs)

    monkeypatch.setattr(optimisation.optimise, "fn", interrupted)
    command = ["evaluate", "in", "--out", "ev", "--methods", "yang", "--settings", settings, "--quiet"]
    assert cli.run(command) == 130
    assert "to go on: pst resume ev" in capfd.readouterr().err
    assert cli.run(["resume", "ev", "--quiet"]) == 0
    assert len(calls) == 9  # of two pairs with four stages each, one was begun twice
    assert scores(tmp_path / "ev")["yang", "p1"]["ssim"] is not None


def test_a_lost_server_is_replaced(tmp_path, source, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    settings, work, calls = str(settings_file(tmp_path)), measuring.measure.fn, []

    @functools.wraps(work)
    def cut_off(**inputs):
        calls.append(inputs)
        if len(calls) == 2:
            raise httpx.ConnectError("All connection attempts failed")
        return work(**inputs)

    ended = []
    monkeypatch.setattr(measuring.measure, "fn", cut_off)
    monkeypatch.setattr(os, "_exit", ended.append)
    command = ["evaluate", "in", "--out", "ev", "--methods", "reinhard", "--settings", settings, "--quiet"]
    assert cli.run(command) == 0 and ended == [0]
    assert "Prefect's server went away" in capfd.readouterr().err
    assert len(calls) == 5  # of four measures one was cut off


ROLES = {"content": "content", "style": "style", "content_map": "content_maps", "style_map": "style_maps"}


def manifest(source, **settings):
    row = {"name": "p0"} | {role: f"{folder}/p0.png" for role, folder in ROLES.items()}
    path = source / "pairs.jsonl"
    path.write_text(json.dumps(row | settings) + "\n")
    return path


def test_a_manifest_cannot_name_methods_for_an_evaluation(tmp_path, source):
    with pytest.raises(
        PairingError, match=r"'p0' of the manifest names the method 'luan'.*leave that column out"
    ):
        check_evaluation(order(manifest(source, method="luan"), tmp_path / "out"))


def test_a_manifest_cannot_name_several_styles_for_an_evaluation(tmp_path, source):
    further = {"style_2": "style/p1.png", "style_2_map": "style_maps/p1.png"}
    with pytest.raises(PairingError, match=r"'p0' of the manifest has the columns style_2, style_2_map, but"):
        check_evaluation(order(manifest(source, **further), tmp_path / "out"))


def test_a_result_is_measured_over_its_pairs_own_regions(tmp_path, source):
    found = {}
    for regions in (1, 2):
        out = tmp_path / str(regions)
        evaluate(order(manifest(source, regions=regions), out, methods=("reinhard",)))
        found[regions] = scores(out)["content", "p0"]["color_distance"]
    assert abs(found[1] - found[2]) > 1e-3  # the colours of one region are not those of two


def test_every_row_of_scores_names_its_models(tmp_path, source):
    evaluate(order(source, tmp_path / "out", methods=("reinhard",)))
    models = load_quality_models()
    for row in scores(tmp_path / "out").values():
        named = dict(row["models"])
        assert (named["brisque"], named["niqe"]) == (models.brisque.name, models.niqe.name)
        assert "untrained" in named["gram_distance"]


def test_an_evaluation_can_be_resumed_from_another_folder(tmp_path, source, monkeypatch, capfd):
    (tmp_path / "here" / "models").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    settings = str(settings_file(tmp_path))
    chosen = ["--methods", "reinhard", "--quality-models", "models", "--settings", settings]
    command = ["evaluate", str(source), "--out", str(tmp_path / "ev"), *chosen, "--quiet"]
    shutil.copy(Path(__file__).parents[2] / "data" / "models" / "niqe.json", "models")
    assert cli.run(command) == 0
    monkeypatch.chdir(tmp_path)
    assert cli.run(["resume", str(tmp_path / "ev"), "--quiet"]) == 0


def test_an_evaluation_that_was_moved_goes_on_where_it_is(tmp_path, source, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = str(settings_file(tmp_path))
    assert cli.run(["evaluate", "in", "--out", "ev", "--methods", "reinhard", "--settings", settings,
                    "--quiet"]) == 0  # fmt: skip
    (tmp_path / "ev" / "table.md").unlink()
    (tmp_path / "ev").rename(tmp_path / "moved")
    assert cli.run(["resume", "moved", "--quiet"]) == 0
    assert (tmp_path / "moved" / "table.md").exists() and not (tmp_path / "ev").exists()
