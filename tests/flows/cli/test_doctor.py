"""What is said of the machine."""

import json

import pytest

from flows.cli.app import run

pytestmark = pytest.mark.usefixtures("own_place")


def test_doctor_says_what_is_there_and_what_is_missing(capfd, monkeypatch):
    monkeypatch.setenv("PST_VGG19_WEIGHTS", "gone.safetensors")
    assert run(["doctor", "--json"]) == 1
    answer = json.loads(capfd.readouterr().out)
    states = {finding["name"]: finding["state"] for finding in answer["findings"]}
    assert answer["able"] is False
    assert (states["VGG-19 weights"], states["libraries"]) == ("missing", "ok")
    assert run(["doctor"]) == 1
    assert "MISSING  VGG-19 weights" in capfd.readouterr().out


def test_doctor_names_the_quality_models_or_what_is_wrong_with_them(capfd, monkeypatch, tmp_path):
    def finding():
        run(["doctor", "--json"])
        found = json.loads(capfd.readouterr().out)["findings"]
        return next(each for each in found if each["name"] == "quality models")

    assert finding()["state"] == "ok" and "NIQE by " in finding()["text"]
    (tmp_path / "niqe.json").write_text("{}")
    monkeypatch.setenv("PST_QUALITY_MODELS", str(tmp_path))
    assert finding()["state"] == "missing" and "niqe.json" in finding()["text"]
