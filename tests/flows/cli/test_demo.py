"""The demo, for whoever has just installed the program."""

import pytest

from flows.cli.app import run
from pst_core.errors import WeightsError

pytestmark = pytest.mark.usefixtures("prefect_server_for_tests", "pst_home")


def test_the_demo_runs_the_samples_without_weights(tmp_path, capfd, monkeypatch):
    from pst_core.network.weights import load_weights

    def offline(choice, *rest):
        if choice is None:
            raise WeightsError("VGG-19's weights could not be downloaded (offline).")
        return load_weights(choice, *rest)

    monkeypatch.setattr("pst_core.network.encoder.load_weights", offline)
    monkeypatch.chdir(tmp_path)
    quick = ["--size", "40", "--rounds", "1", "--global-iterations", "2", "--regional-iterations", "2"]
    for state in ("done", "cached"):
        assert run(["demo", "--out", "demo", *quick]) == 0
        captured = capfd.readouterr()
        assert f"2 pairs: 2 {state}. Results in demo." in captured.out
        assert "goes on with the untrained network" in captured.err
    assert (tmp_path / "demo" / "pagoda" / "result.png").exists()
