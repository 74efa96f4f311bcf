"""The presets as they are listed."""

from flows.cli.app import run
from pst_core.settings.config import PRESETS
from pst_core.settings.measured import COMMAND, MEASURED


def test_presets_are_listed_with_what_they_reach_and_set(capfd):
    assert run(["presets"]) == 0
    told = capfd.readouterr().out
    assert "size = none (default: 256)" in told and COMMAND in told
    lines = told.splitlines()
    for preset, reached in MEASURED.items():
        assert lines[lines.index(preset) + 1] == f"  {reached}"


def test_what_is_measured_are_presets_in_shares_of_the_defaults_time():
    assert set(MEASURED) <= set(PRESETS) and MEASURED["default"].time == 1
    assert all(0 < reached.ssim < 1 and reached.gram_distance > 0 for reached in MEASURED.values())
