"""`pst regions`: what would be used of a pair is shown before any work, and is what is used."""

import json
from pathlib import Path

import numpy as np
import pytest
from picture_runs import QUICK, everything, pixels_of, refused, save_photograph, stylize

from flows.cli.app import run

pytestmark = pytest.mark.usefixtures("own_place")


def regions(*arguments):
    return run(["regions", *map(str, arguments)])


def told(capfd):
    [line] = capfd.readouterr().out.splitlines()
    return json.loads(line)


@pytest.mark.parametrize("maps", [True, False], ids=["maps", "photographs"])
def test_what_is_shown_is_what_is_used(pair, maps, capfd):
    given = pair if maps else pair[:2]
    assert regions(*given, "-o", "shown.png", *QUICK, "--json") == 0
    event = told(capfd)
    assert (event["event"], event["output"]) == ("regions", "shown.png")
    assert stylize(*given, "-o", "result.png", *QUICK, "--quiet") == 0
    report = json.loads(Path("result.json").read_text())
    assert {name: value for name, value in event["regions"].items() if value is not None} == report["regions"]
    assert event["regions"]["source"] == ("maps" if maps else "cluster")
    assert report["settings"]["segmentation"] == ("auto" if maps else "cluster")
    assert {*event["notes"]} <= {*report["notes"]}
    shown = pixels_of("shown.png")
    assert shown.shape[0] > 56 and shown.shape[1] >= 64 + 56


def test_it_says_where_the_picture_is_and_what_is_to_be_known(pair, capfd):
    assert regions("content.png", "style.png", "-o", "a/shown.jpg", *QUICK) == 0
    captured = capfd.readouterr()
    assert captured.out == "a/shown.jpg\n" and "note: Made with the untrained network" in captured.err
    assert regions(*pair, "-o", "shown.webp", "--quiet") == 0  # maps need no network
    assert capfd.readouterr() == ("", "")


def test_one_region_needs_no_network(pair, capfd, monkeypatch):
    monkeypatch.setenv("PST_VGG19_WEIGHTS", "gone.safetensors")
    assert regions("content.png", "style.png", "-o", "a.png", "--segmentation", "one", "--json") == 0
    found = told(capfd)["regions"]
    assert (found["source"], found["count"], found["matched"]) == ("one", 1, [True])
    before = everything()
    assert regions("content.png", "style.png", "-o", "b.png") == 1
    refused(capfd, before, "gone.safetensors")


@pytest.mark.parametrize(("output", "named"), [
    ("content.png", "would be lost"), ("shown.gif", "shown.gif"), ("there.png", "--overwrite"),
    (".", "."),
])  # fmt: skip
def test_nothing_is_lost(pair, output, named, capfd):
    save_photograph("there.png")
    before = everything()
    assert regions("content.png", "style.png", "-o", output, *QUICK) == 1
    refused(capfd, before, named)


def test_what_is_there_is_replaced_where_that_is_asked_for(pair, capfd):
    save_photograph("there.png")
    before = Path("there.png").read_bytes()
    assert regions(*pair, "-o", "there.png", "--overwrite", "--quiet") == 0
    assert Path("there.png").read_bytes() != before


@pytest.mark.parametrize(("settings", "named"), [
    (["--segmentation", "onnx"], "Which ONNX file"), (["--segmentation-model", "gone.onnx"], "gone.onnx"),
    (["--segmentation-model", "gone.onnx", "--onnx-mean", "0.5,0.5"], "onnx_mean"),
    (["--segmentation", "onnx", "--onnx-size", "512"], "onnx_size"),
    (["--segmentation", "deeplab", "--segmentation-merges", "gone.toml"], "gone.toml"),
])  # fmt: skip
def test_a_model_that_is_none_is_one_sentence(pair, settings, named, capfd):
    before = everything()
    assert regions("content.png", "style.png", "-o", "shown.png", *settings) == 1
    refused(capfd, before, named)


def test_a_result_is_made_again_with_the_network_that_found_its_regions(pair, capfd, tmp_path):
    pytest.importorskip("onnx")
    from onnx_networks import convolving

    weight = np.zeros((2, 3, 3, 3), np.float32)
    weight[0, :, 1, 1], weight[1, :, 1, 1] = 20, -20
    bias = np.array([0.0, 0.0], np.float32)
    convolving(tmp_path / "light.onnx", weight, bias, side=32)
    chosen = ["--segmentation-model", tmp_path / "light.onnx"]
    assert stylize("content.png", "style.png", "-o", "result.png", *QUICK, *chosen) == 0
    report = json.loads(Path("result.json").read_text())
    used = report["settings"]
    assert (used["segmentation"], used["segmentation_model"]) == ("onnx", "light.onnx")
    assert report["regions"]["model"].startswith("ONNX, sha256 ")
    assert report["regions"]["confidence"]
    assert {*report["regions"]["names"]} == {"class 0", "class 1"}
    assert stylize("--from", "result.png", "--quiet") == 0
    assert (pixels_of("result-again.png") == pixels_of("result.png")).all()
    convolving(tmp_path / "light.onnx", weight * 1.01, bias, side=32)
    before = everything()
    capfd.readouterr()
    assert stylize("--from", "result.png", "--quiet") == 1
    assert "--segmentation-model" in refused(capfd, before, "ONNX, sha256 ")
