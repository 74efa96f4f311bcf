"""Orders that are taken up again."""

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
