"""How pairs ended: packed as they come, kept as Parquet, and read back equal."""

import errno
import io
import json
import os
import random
import tracemalloc

import pyarrow as pa
import pytest
from outcome_tables import read_outcomes
from pyarrow import parquet
from pydantic import ValidationError

from flows.results.outcomes import Outcomes, PairOutcome, Summary
from flows.results.table import failures_of, mean_seconds, write_outcomes
from pst_core.errors import OutputError
from pst_core.parquet import GROUP_ROWS
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


def many(number):
    """Outcomes of so many pairs, each with texts of its own, one in seven failed."""
    rng = random.Random(number)
    for place in range(number):
        name = f"p{place:06}"
        if place % 7 == 3:
            yield PairOutcome(
                name=name, state="failed", error=f"{name} is no photograph.", files={"content": name}
            )
            continue
        hashes = [f"{rng.getrandbits(256):064x}" for _ in range(3)]
        previews = {
            role: {"kind": "preview", "path": f"objects/{sha[:2]}/{sha}.jpg", "sha256": sha, "size": 900}
            for role, sha in zip(("content", "style", "result"), hashes, strict=True)
        }
        yield PairOutcome(
            name=name, state="done" if place % 2 else "cached", folder=f"/out/{name}", seconds=place / 8,
            scores={measure.key: rng.random() for measure in REPORTED}, models={"niqe": "LIVE's"},
            files={"content": f"/in/{name}.png"}, previews=previews, notes=("One.",),
        )  # fmt: skip


def test_outcomes_are_in_the_order_of_places_whichever_come_first():
    wanted, kept = [*many(300)], Outcomes()
    places = [*range(300)]
    random.Random(1).shuffle(places)
    for place in places:
        kept.add(2 * place, wanted[place])  # not every place has ended
    assert [*kept] == wanted and len(kept) == 300
    assert kept[-1] == wanted[-1] and kept[17] == wanted[17] and [*kept[100:140:3]] == wanted[100:140:3]
    assert [*kept.failed] == [each for each in wanted if each.state == "failed"]
    assert [*kept.not_failed] == [each for each in wanted if each.state != "failed"]
    assert [*kept.pictured] == [each for each in wanted if each.previews]
    assert kept.counts == {
        state: sum(each.state == state for each in wanted) for state in ("cached", "done", "failed")
    }
    with pytest.raises(IndexError):
        kept[300]


def test_what_can_be_read_while_outcomes_come_is_what_came():
    kept, wanted = Outcomes(), [*many(130)]
    for place, outcome in enumerate(wanted):
        kept.add(place, outcome)
        assert kept[-1] == outcome and kept[place // 2] == wanted[place // 2]


def test_a_name_that_is_no_text_is_kept():
    (back,) = Outcomes.of(
        [PairOutcome(name="caf\udce9\n", state="failed", error="\ud800", files={"content": "\udce9"})]
    )
    assert (back.name, back.error, back.files) == ("caf\udce9\n", "\ud800", {"content": "\udce9"})


def peak(action):
    """Bytes that were allocated at most while it went on."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_many_outcomes_take_hardly_more_memory_than_their_names(tmp_path):
    """As objects they take some 8 KB each; what stays of their texts are hashes, numbers and names."""
    first = peak(lambda: Outcomes.of(many(500)))
    each = (peak(lambda: Outcomes.of(many(3500))) - first) / 3000
    assert each < 900, each
    few, more = (Summary(out=tmp_path, outcomes=Outcomes.of(many(size)), total=size) for size in (4096, 8192))
    write_outcomes(few)
    each = (peak(lambda: write_outcomes(more)) - peak(lambda: write_outcomes(few))) / 4096
    assert each < 1500, each
    assert len(read_outcomes(tmp_path)) == 4096


def test_a_long_table_has_its_rows_in_groups(tmp_path):
    wanted = [*many(2 * GROUP_ROWS + 5)]
    write_outcomes(Summary(out=tmp_path, outcomes=Outcomes.of(wanted), total=len(wanted)))
    assert read_outcomes(tmp_path) == wanted
    groups = parquet.read_metadata(tmp_path / "batch.parquet")
    assert [groups.row_group(index).num_rows for index in range(groups.num_row_groups)] == [
        GROUP_ROWS, GROUP_ROWS, 5,
    ]  # fmt: skip
    assert failures_of(tmp_path) == {each.name: each.error for each in wanted if each.state == "failed"}
    done = [each.seconds for each in wanted if each.state == "done"]
    assert mean_seconds(tmp_path) == pytest.approx(sum(done) / len(done))


def test_a_batchs_table_is_read_back_equal(tmp_path, outcomes):
    write_outcomes(Summary(out=tmp_path, outcomes=Outcomes.of(outcomes), total=3))
    back = read_outcomes(tmp_path)
    assert back == [*outcomes]
    assert open_store().read(back[0].previews["result"]) == b"result"
    (failed,) = (tmp_path / "failed.jsonl").read_text().splitlines()
    assert json.loads(failed)["size"] is None


def test_a_disk_that_fills_while_the_table_is_written_leaves_the_old_one(tmp_path, outcomes, monkeypatch):
    write_outcomes(Summary(out=tmp_path, outcomes=Outcomes.of(outcomes), total=3))
    before = (tmp_path / "batch.parquet").read_bytes()

    class FullFile(io.BytesIO):
        def write(self, data):
            if self.tell() > GROUP_ROWS:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(data)

    monkeypatch.setattr(os, "fdopen", lambda descriptor, _: os.close(descriptor) or FullFile())
    with pytest.raises(OutputError, match="the disk is full"):
        write_outcomes(Summary(out=tmp_path, outcomes=Outcomes.of(many(2 * GROUP_ROWS)), total=3))
    assert (tmp_path / "batch.parquet").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["batch.parquet", "failed.jsonl", "home"]


def test_the_table_has_a_column_a_measure(tmp_path, outcomes):
    write_outcomes(Summary(out=tmp_path, outcomes=Outcomes.of(outcomes), total=3))
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
    assert failures_of(tmp_path) == {} and mean_seconds(tmp_path) is None
    write_outcomes(Summary(out=tmp_path, outcomes=Outcomes.of(outcomes), total=3))
    assert failures_of(tmp_path) == {"c": "No."} and mean_seconds(tmp_path) == 1.25
    table = parquet.read_table(tmp_path / "batch.parquet")
    nulls = table.drop_columns(["seconds"]).append_column("seconds", pa.nulls(3, pa.float64()))
    for foreign in (table.drop_columns(["state"]), nulls.drop_columns(["error"])):
        parquet.write_table(foreign, tmp_path / "batch.parquet")
        assert failures_of(tmp_path) == {} and mean_seconds(tmp_path) is None
    for damaged in (b"PAR1", b"", b"name,state\nc,failed\n"):
        (tmp_path / "batch.parquet").write_bytes(damaged)
        assert failures_of(tmp_path) == {} and mean_seconds(tmp_path) is None


def test_a_summary_names_the_models_by_their_measures(tmp_path, outcomes):
    summary = Summary(out=tmp_path, outcomes=Outcomes.of(outcomes), total=4)
    assert summary.models == "NIQE by LIVE's"
    assert summary.sentence == "4 pairs: 1 cached, 1 done, 1 failed, 1 not begun"
