"""The store, as it is looked after."""

import json
from pathlib import Path

import pytest

from flows.cli.app import run

pytestmark = pytest.mark.usefixtures("prefect_server_for_tests", "pst_home")


def test_the_store_tells_verifies_and_is_pruned(batch, capfd):
    assert run([*batch, "--quiet"]) == 0
    assert run(["store"]) == 0
    assert "2 finished pairs" in capfd.readouterr().out
    assert run(["store", "verify"]) == 0
    assert "Everything is as it was written." in capfd.readouterr().out
    assert run(["store", "prune", "--older-than", "0", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["receipts"] == 0
    next(Path("out").rglob("report.json")).unlink()
    assert run(["store", "prune", "--older-than", "0", "--dry-run"]) == 0
    assert "1 receipts" in capfd.readouterr().out
