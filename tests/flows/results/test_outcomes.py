"""How pairs ended, as data: kept as Parquet and read back equal."""

import json

import pytest
from pyarrow import parquet
from pydantic import ValidationError

from flows.results.outcomes import PairOutcome, Summary, read_outcomes, write_outcomes
from pst_core.quality.measures import REPORTED
from pst_core.store import open_store

pytestmark = pytest.mark.usefixtures("pst_home")


@pytest.fixture
def outcomes():
    previews = {role: open_store().put(role.encode(), "preview", "jpg") for role in ("content", "result")}
    scores = {measure.key: 0.5 + place for place, measure in enumerate(REPORTED)}
    return (
        PairOutcome(
            name="a/ü", state="done", folder="out/a", seconds=1.25, steps=14, steps_cached=2, notes=("One.",),
            scores=scores, models={"niqe": "LIVE's"}, files={"content": "in/a.png"}, previews=previews,
        ),
        PairOutcome(name="b", state="cached", scores={"niqe": float("nan"), "brisque": None}),
        PairOutcome(
            name="c", state="failed", error="No.", files={"content": "c.png"}, settings={"size": None}
        ),
    )  # fmt: skip


def test_a_batchs_table_is_read_back_equal(tmp_path, outcomes):
    write_outcomes(Summary(out=tmp_path, outcomes=outcomes, total=3))
    back = read_outcomes(tmp_path)
    assert back == outcomes
    assert open_store().read(back[0].previews["result"]) == b"result"
    (failed,) = (tmp_path / "failed.jsonl").read_text().splitlines()
    assert json.loads(failed)["size"] is None


def test_the_table_has_a_column_a_measure(tmp_path, outcomes):
    write_outcomes(Summary(out=tmp_path, outcomes=outcomes, total=3))
    rows = parquet.read_table(tmp_path / "batch.parquet").to_pylist()
    assert [rows[0][measure.key] for measure in REPORTED] == list(outcomes[0].scores.values())
    assert {rows[1][measure.key] for measure in REPORTED} == {None}


def test_scores_are_those_that_are_reported_and_numbers(outcomes):
    for outcome in outcomes:
        assert list(outcome.scores) == [measure.key for measure in REPORTED]
    assert PairOutcome(name="a", state="done", scores={"warmth": 3.0, "niqe": 2.0}).scores["niqe"] == 2.0
    with pytest.raises(ValidationError):
        PairOutcome(name="a", state="done", scores={"niqe": "good"})


@pytest.mark.parametrize("previews", [{"result": "../../secret.jpg"}, {"result": {"path": "/etc/passwd"}}])
def test_a_preview_is_a_reference_and_no_path(previews):
    with pytest.raises(ValidationError):
        PairOutcome(name="a", state="done", previews=previews)


def test_what_is_damaged_or_of_another_kind_is_no_table(tmp_path, outcomes):
    assert read_outcomes(tmp_path) == ()
    write_outcomes(Summary(out=tmp_path, outcomes=outcomes, total=3))
    table = parquet.read_table(tmp_path / "batch.parquet")
    for name in ("previews", "niqe", "models"):
        parquet.write_table(table.drop_columns([name]), tmp_path / "batch.parquet")
        assert read_outcomes(tmp_path) == ()
    (tmp_path / "batch.parquet").write_bytes(b"PAR1")
    assert read_outcomes(tmp_path) == ()


def test_a_summary_names_the_models_by_their_measures(tmp_path, outcomes):
    summary = Summary(out=tmp_path, outcomes=outcomes, total=4)
    assert summary.models == "NIQE by LIVE's"
    assert summary.sentence == "4 pairs: 1 cached, 1 done, 1 failed, 1 not begun"
