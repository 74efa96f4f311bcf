"""Orders that are taken up again."""

import shutil
from pathlib import Path

import pytest

from flows.cli.app import run

pytestmark = pytest.mark.usefixtures("prefect_server_for_tests", "pst_home")


def test_an_order_that_is_damaged_is_refused(batch, capfd):
    Path("out").mkdir()
    for text in ("{", "[]", '{"source": 3}'):
        (Path("out") / "batch.json").write_text(text)
        assert run(["resume", "out"]) == 1
        assert "batch.json cannot be used" in capfd.readouterr().err


def test_a_batch_that_was_moved_goes_on_where_it_is(batch, capfd):
    assert run([*batch, "--quiet"]) == 0
    shutil.rmtree(Path("out", "p1"))
    Path("out").rename("moved")
    assert run(["resume", "moved", "--quiet"]) == 0
    assert Path("moved", "p1", "result.png").exists() and not Path("out").exists()
    assert run(["status", "moved"]) == 0
    assert "2 pairs: 2 done." in capfd.readouterr().out
