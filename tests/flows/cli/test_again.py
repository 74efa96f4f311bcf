"""Results that are made again, from their recipe."""

import json
from pathlib import Path

import pytest
from picture_runs import QUICK, everything, pixels_of, refused, save_photograph, stylize

pytestmark = pytest.mark.usefixtures("own_place")


@pytest.mark.parametrize("source", ["result.png", "result.json"])
def test_result_is_made_again_to_the_bit(pair, source, capfd):
    assert stylize(*pair, "-o", "result.png", *QUICK, "--init", "random", "--seed", "7") == 0
    capfd.readouterr()
    assert stylize("--from", source) == 0
    assert capfd.readouterr().out == "result-again.png\n"
    assert (pixels_of("result-again.png") == pixels_of("result.png")).all()
    assert stylize("--from", source, "--quiet") == 0
    assert Path("result-again-2.png").exists()


def test_jpeg_is_made_again_from_its_own_recipe(pair):
    assert stylize(*pair, "-o", "result.jpg", *QUICK, "--no-report") == 0
    assert stylize("--from", "result.jpg", "--no-report") == 0
    assert Path("result-again.jpg").read_bytes() == Path("result.jpg").read_bytes()


def test_made_again_with_other_settings_from_another_folder(pair, tmp_path, monkeypatch):
    assert stylize(*pair, "-o", "result.png", *QUICK) == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("PST_SIZE", "32")  # today's environment has no part in yesterday's result
    assert stylize("--from", "../result.png", "--seed", "3", "-o", "other.png") == 0
    settings = json.loads(Path("other.json").read_text())["settings"]
    assert (settings["seed"], settings["size"]) == (3, 48)


def test_made_again_refuses_an_input_that_changed(pair, capfd):
    assert stylize(*pair, "-o", "result.png", *QUICK, "--quiet") == 0
    kept = Path("style.png").read_bytes()
    save_photograph(Path("style.png"), 56, 56, seed=9)
    before = everything()
    assert stylize("--from", "result.png") == 1
    assert "sha256" in refused(capfd, before, "style.png")
    Path("style.png").unlink()
    before = everything()
    assert stylize("--from", "result.png") == 1
    assert "CONTENT and STYLE" in refused(capfd, before, "style.png")
    Path("moved.png").write_bytes(kept)
    assert stylize("--from", "result.png", "content.png", "moved.png", "--quiet") == 0
    before = everything()
    assert stylize("--from", "result.png", "content.png", "content_map.png") == 1
    refused(capfd, before, "content_map.png")


def test_made_again_refuses_other_weights_and_a_picture_without_recipe(pair, capfd):
    assert stylize(*pair, "-o", "result.png", *QUICK, "--quiet") == 0
    for part in ("result.json",):
        recipe = json.loads(Path(part).read_text())
        recipe["weights"]["sha256"] = "0" * 64
        Path("forged.json").write_text(json.dumps(recipe))
    before = everything()
    assert stylize("--from", "forged.json") == 1
    assert "--weights" in refused(capfd, before, "0" * 64)
    assert stylize("--from", "content.png") == 1
    refused(capfd, before, "content.png")


@pytest.mark.parametrize(
    "change", [{"format": 99}, {"inputs": {}}, {"program": "x"}, {"weights": {"name": 3}}]
)
def test_made_again_refuses_a_damaged_recipe(pair, capfd, change):
    assert stylize(*pair, "-o", "result.png", *QUICK, "--quiet") == 0
    recipe = json.loads(Path("result.json").read_text()) | change
    Path("forged.json").write_text(json.dumps(recipe))
    before = everything()
    assert stylize("--from", "forged.json", "-o", "new.png") == 1
    refused(capfd, before, "forged.json")
