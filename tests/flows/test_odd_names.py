"""Batches of files whose names are no text: they are done like others, and what is told of them is text."""

import os
import shutil
import subprocess
import sys

import pytest
from batch_runs import QUICK, ROOT, make_folder
from outcome_tables import read_outcomes

from flows.batch import run_batch
from flows.orders.batch_order import BatchOrder, check_order

pytestmark = pytest.mark.usefixtures("prefect_server_for_tests", "pst_home")


def run(source, out, **order):
    order = BatchOrder(source=source, out=out, settings=QUICK | {"rounds": 0}, **order)
    return run_batch(order, check_order(order))


@pytest.fixture
def odd(tmp_path):
    """A folder of one style, and photographs with all kinds of names, one of which cannot be read."""
    made = make_folder(tmp_path / "made", 2)
    photos = tmp_path / os.fsdecode(b"f\xfcr\nuns")
    photos.mkdir()
    for name in (b"caf\xe9.png", b"new\nline.png", "Café.png".encode()):
        shutil.copy(made / "content/p0.png", photos / os.fsdecode(name))
    (photos / os.fsdecode(b"bad\xe8.png")).write_bytes(b"<html>404")
    return photos, made / "style/p1.png"


def test_only_what_cannot_be_read_fails_and_everything_about_it_is_text(odd, tmp_path):
    photos, style = odd
    out = tmp_path / os.fsdecode(b"r\xe9sults")
    summary = run(photos, out, style=style)
    states = {outcome.name: outcome.state for outcome in summary.outcomes}
    assert states.pop("bad_") == "failed"
    assert set(states) == {"caf_", "new_line", "Café"}
    assert set(states.values()) == {"done", "cached"}
    for name in states:
        assert (out / name / "result.png").is_file()
    rows = {outcome.name: outcome for outcome in read_outcomes(out)}
    assert rows["caf_"].files["content"].endswith("caf\\udce9.png")
    assert rows["bad_"].error.isprintable()
    assert (out / "contact.png").is_file()
    assert "bad\\\\udce8.png" in (out / "gallery.html").read_text()
    assert run(photos, out, style=style).counts == {"cached": 3, "failed": 1}


def test_the_list_of_failures_can_be_run_again(odd, tmp_path):
    photos, style = odd
    out = tmp_path / "out"
    run(photos, out, style=style)
    shutil.copy(photos / "Café.png", photos / os.fsdecode(b"bad\xe8.png"))
    again = run(out / "failed.jsonl", tmp_path / "again", allow_outside=True)
    assert [(outcome.name, outcome.state) for outcome in again.outcomes] == [("bad_", "cached")]


def test_a_second_photograph_of_one_stem_costs_the_others_nothing(tmp_path):
    made = make_folder(tmp_path / "made", 3)
    photos, style = tmp_path / "photos", made / "style/p0.png"
    photos.mkdir()
    shutil.copy(made / "content/p0.png", photos / "a.png")
    shutil.copy(made / "content/p1.png", photos / "gallery.html.png")
    assert run(photos, tmp_path / "out", style=style).counts == {"done": 2}
    shutil.copy(made / "content/p2.png", photos / "A.PNG")
    summary = run(photos, tmp_path / "out", style=style)
    states = {outcome.files["content"].rpartition("/")[2]: outcome.state for outcome in summary.outcomes}
    assert states == {"a.png": "cached", "gallery.html.png": "cached", "A.PNG": "done"}
    assert len({outcome.folder.lower() for outcome in summary.outcomes}) == 3
    assert (tmp_path / "out/gallery.html").is_file()
    assert (tmp_path / "out/gallery.html-png/result.png").is_file()


def test_where_the_system_speaks_ascii_other_names_are_found_and_told(odd, tmp_path):
    photos, style = odd
    arguments = ["run", photos, "--style", style, "--weights", "untrained", "--dry-run", "-o", tmp_path / "o"]
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", "from flows.cli.app import main; main()", *arguments],
        env=os.environ | plain,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    told = done.stdout.decode("ascii")
    assert "Caf__" in told
    assert "4 pairs: 1 failed, 3 new." in told
