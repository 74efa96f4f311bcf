"""What is printed of a batch: tables that come in parts."""

import pytest

from flows.display import batch
from flows.display.batch import PART_ROWS, LiveWatcher, describe, print_summary, print_table
from flows.results.outcomes import Outcomes, PairOutcome, Summary

pytestmark = pytest.mark.usefixtures("pst_home")


def test_a_table_of_some_rows_has_one_header(capsys):
    print_table(("pair", "state"), [(f"p{place}", "done") for place in range(PART_ROWS)])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["pair", "state"], *([f"p{place}", "done"] for place in range(PART_ROWS)),
    ]  # fmt: skip


def test_a_table_without_rows_is_none(capsys):
    print_table(("pair", "state"), ())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("number", [3, 4, 10])
def test_many_rows_are_printed_in_parts_as_they_come(capsys, monkeypatch, number):
    monkeypatch.setattr(batch, "PART_ROWS", 3)
    printed = []

    def rows():
        for place in range(number):
            printed.append(capsys.readouterr().out)
            yield (f"p{place}", "done")

    print_table(("pair", "state"), rows())
    printed.append(capsys.readouterr().out)
    words = [line.split() for line in "".join(printed).splitlines()]
    assert [row for row in words if row != ["pair", "state"]] == [
        [f"p{place}", "done"] for place in range(number)
    ]
    assert words.count(["pair", "state"]) == -(-number // 3)
    if number > 3:
        assert "p2" in "".join(printed[:4]) and "p3" not in "".join(printed[:4])


def test_the_end_of_a_long_batch_lists_what_failed(tmp_path, capsys):
    outcomes = (
        PairOutcome(
            name=f"p{place}", state="failed" if place == 40 else "done", error="No." if place == 40 else ""
        )
        for place in range(50)
    )
    print_summary(Summary(out=tmp_path, outcomes=Outcomes.of(outcomes), total=50))
    said = capsys.readouterr().out
    assert "p40" in said and "No." in said and "p41" not in said
    assert f"50 pairs: 49 done, 1 failed. Results in {tmp_path}." in said


def test_a_step_of_a_sequence_has_a_bar_until_its_last_frame():
    watcher = LiveWatcher("frame")
    shown = []
    for done in (1, 2, 3):
        watcher.frames_gone_through("film.mp4", done, 3)
        bar = watcher.bar.tasks[1]
        shown.append((bar.description, bar.completed, bar.total, bar.fields["left"], bar.visible))
    assert shown == [
        ("film.mp4", 1, 3, "1 of 3 frames", True), ("film.mp4", 2, 3, "2 of 3 frames", True),
        ("film.mp4", 3, 3, "3 of 3 frames", False),
    ]  # fmt: skip


def test_how_long_a_frame_took_is_not_told_where_it_is_not_known():
    assert describe(PairOutcome(name="f", state="done", steps=1)) == "done"
    assert describe(PairOutcome(name="p", state="done", seconds=65.2)) == "done in 1:05"
