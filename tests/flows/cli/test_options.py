"""Settings from the command line, the environment, a file and a preset."""

import json
from pathlib import Path

import pytest
from picture_runs import QUICK, stylize

from flows.cli.app import run
from pst_core.settings.config import Config

pytestmark = pytest.mark.usefixtures("own_place")


def settings_used(pair, *arguments):
    assert stylize(*pair, "-o", "s.png", "--overwrite", "--quiet", *QUICK, *arguments) == 0
    return json.loads(Path("s.json").read_text())


def test_command_line_over_environment_over_file_over_preset(pair, monkeypatch):
    Path("s.toml").write_text('preset = "quality"\nfilter-radius = 5\nhistory = 5\nstep = 0.5\nseed = 5\n')
    monkeypatch.setenv("PST_HISTORY", "6")
    monkeypatch.setenv("PST_SEED", "6")
    report = settings_used(pair, "--settings", "s.toml", "--seed", "7")
    used = report["settings"]
    assert report["preset"] == "quality"
    assert [used[name] for name in ("seed", "history", "step", "filter_radius", "scales")] == [
        7,
        6,
        0.5,
        5,
        2,
    ]
    monkeypatch.setenv("PST_PRESET", "fast")
    assert settings_used(pair, "--settings", "s.toml")["preset"] == "fast"
    assert settings_used(pair, "--settings", "s.toml", "--preset", "default")["preset"] == "default"


def test_every_field_has_an_option_with_its_own_words(capfd, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    run(["stylize", "--help"])
    text = capfd.readouterr().out
    for name in Config.model_fields:
        assert f"--{name.replace('_', '-')} " in text
    assert "Long side" in text or "long side" in text


def test_size_none_is_the_contents_and_layers_may_be_repeated(pair):
    layers = ["--no-report", "--no-recipe"]
    assert stylize(*pair, "-o", "n.png", *QUICK[:2], *QUICK[4:], "--size", "none", "--quiet", *layers) == 0
    used = settings_used(pair)["settings"]
    assert used["content_layers"] == {"conv2_1": 1.0}
