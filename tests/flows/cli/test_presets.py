"""The presets as they are listed."""

from flows.cli.app import run


def test_presets_are_listed(capfd):
    assert run(["presets"]) == 0
    assert "size = none (default: 256)" in capfd.readouterr().out
