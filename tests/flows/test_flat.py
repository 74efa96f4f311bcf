"""Batches whose pictures lie together: what lies where, and that going on and skipping work as ever."""

import json

import pytest
from batch_runs import QUICK, make_folder

from flows.batch import run_batch
from flows.orders.batch_order import BatchOrder, check_order, find_orders, load_batch_order
from flows.pairs.elsewhere import find_pictures, list_names
from flows.results.standing import find_standings

pytestmark = pytest.mark.usefixtures("prefect_server_for_tests", "pst_home")


def run(order):
    return run_batch(order, check_order(order))


def states(order):
    return {each.name: each.state for each in find_standings(order, find_orders(order))}


@pytest.fixture
def order(tmp_path):
    source = make_folder(tmp_path / "in", 2)
    return BatchOrder(
        source=source, out=tmp_path / "out", settings=QUICK | {"rounds": 0}, picture_name="{name}{ext}"
    )


def test_pictures_lie_together_and_a_batch_of_them_goes_on_as_any_other(order):
    out = order.out
    assert run(order).counts == {"done": 2}
    assert {path.name for path in out.glob("*.png")} == {"p0.png", "p1.png"}
    assert {path.name for path in out.iterdir()} == {
        "p0.png", "p1.png", "details", "batch.json", "batch.parquet", "gallery", "gallery.html",
    }  # fmt: skip
    assert {path.name for path in (out / "details/p0").iterdir()} == {
        "report.json", "losses.parquet", "losses.png", "regions.png",
    }  # fmt: skip
    assert (out / "details/contact.png").is_file()
    page = (out / "gallery.html").read_text()
    assert "details/p0/report.json" in page
    assert "p0.png" in page
    assert states(order) == {"p0": "done", "p1": "done"}
    assert run(load_batch_order(out)).counts == {"cached": 2}
    (out / "p0.png").write_bytes(b"altered")
    assert states(order) == {"p0": "kept", "p1": "done"}
    assert run(order).counts == {"cached": 2}
    assert states(order) == {"p0": "done", "p1": "done"}
    assert sorted(list_names(out)) == ["p0", "p1"]
    assert find_pictures(out, ["p0", "p1"]) == {"p0": out / "p0.png", "p1": out / "p1.png"}


def test_what_fails_is_listed_and_what_is_there_is_held_to_the_policy(order):
    (order.source / "content/p1.png").write_bytes(b"<html>")
    order.out.mkdir()
    (order.out / "p0.png").write_bytes(b"mine")
    summary = run(order)
    assert summary.counts == {"failed": 2}
    assert "p0.png holds a result that is not this program's" in summary.outcomes[0].error
    rows = [json.loads(line) for line in (order.out / "failed.jsonl").read_text().splitlines()]
    assert [row["name"] for row in rows] == ["p0", "p1"]
    skipping = order.model_copy(update={"on_conflict": "skip"})
    assert run(skipping).counts == {"skipped": 1, "failed": 1}
    beside = order.model_copy(update={"on_conflict": "unique"})
    (outcome, _) = run(beside).outcomes
    assert outcome.picture == str(order.out / "p0-2.png")
    assert (order.out / "p0.png").read_bytes() == b"mine"
