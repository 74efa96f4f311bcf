"""Pairs of a batch that overlap: the same bits as one after another, and each one's trouble is its own."""

import errno
import threading
from pathlib import Path

import pytest
from batch_runs import QUICK, finals, make_folder, overrides_of
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run
from prefect.states import Cancelling

from flows import pair, shard
from flows.batch import stylize_folder
from flows.display import pages
from flows.display.watching import Watcher, watched_by
from flows.results.outcomes import PairOutcome
from flows.runtime import cancellation
from flows.runtime.lanes import BEHIND, leave_lane, take_lane
from pst_core.errors import OutputError
from pst_core.images import writing
from pst_core.store import open_store
from tasks import filtering, rendering, scoring, starting

pytestmark = pytest.mark.usefixtures("prefect_server_for_tests", "pst_home")
SETTINGS = QUICK | {"rounds": 1, "global_iterations": 2, "regional_iterations": 2}
SECONDS = 60.0  # after which a test gives up waiting


@pytest.fixture(autouse=True)
def _overlapping(monkeypatch):
    monkeypatch.setenv(BEHIND, "1")


class Noted(Watcher):
    """Notes what displays hear of pairs, and does what it is told when one has ended."""

    def __init__(self, then=lambda outcome: None):
        self.events, self.then = [], then

    def pair_started(self, name, stages):
        self.events.append(("start", name))

    def evaluated(self, stage, evaluation):
        if self.events[-1][0] != "evaluation":
            self.events.append(("evaluation", self.events[-1][1]))

    def pair_ended(self, outcome):
        self.events.append((outcome.state, outcome.name))
        self.then(outcome)


def run_folder(source, out, watcher=None):
    with watched_by(watcher or Watcher()):
        state = stylize_folder(source, out, settings=overrides_of(SETTINGS), return_state=True)
    return state, state.result(raise_on_failure=False)


def instead(monkeypatch, unit, before):
    """Have something done before a unit's own work."""
    work = unit.fn

    def late(**inputs):
        before(inputs)
        return work(**inputs)

    late.__wrapped__ = work
    monkeypatch.setattr(unit, "fn", late)


def test_pairs_overlap_with_the_same_bits_and_are_told_of_one_by_one(tmp_path, pst_home, monkeypatch):
    source, out = make_folder(tmp_path / "in", 3), tmp_path / "out"
    computing, lock = threading.Event(), threading.Lock()
    starts = []

    def begin(_):
        with lock:
            starts.append(threading.get_ident())
            if len(starts) == 2:
                computing.set()

    instead(monkeypatch, starting.start, begin)
    # The first pair is measured while the second one is computed.
    instead(monkeypatch, scoring.score, lambda _: computing.wait(SECONDS))
    told = Noted()
    _, summary = run_folder(source, out, told)
    assert summary.counts == {"done": 3} and len({*starts}) == 3
    marks = [event for event in told.events if event[0] != "evaluation"]
    assert marks == [(what, name) for name in ("p0", "p1", "p2") for what in ("start", "done")]
    overlapped = finals(out)
    out.rename(tmp_path / "overlapped")
    monkeypatch.setenv("PST_HOME", str(tmp_path / "other"))
    monkeypatch.setenv(BEHIND, "0")
    starts.clear()
    run_folder(source, out)
    assert finals(out) == overlapped and {*starts} == {threading.get_ident()}


def test_a_picture_is_encoded_while_the_next_pair_is_computed(tmp_path, monkeypatch):
    computing, waits = threading.Event(), []
    encode = writing.encode_png

    def late(*pixels, **how):
        if not waits:
            waits.append(computing.wait(SECONDS))
        return encode(*pixels, **how)

    starts = []

    def begin(_):
        starts.append(None)
        if len(starts) == 2:
            computing.set()

    monkeypatch.setattr(writing, "encode_png", late)
    instead(monkeypatch, starting.start, begin)
    _, summary = run_folder(make_folder(tmp_path / "in", 2), tmp_path / "out")
    assert summary.counts == {"done": 2} and waits == [True]


def test_a_disk_that_fills_up_behind_fails_its_pair_alone(tmp_path, monkeypatch):
    source, out = make_folder(tmp_path / "in", 2), tmp_path / "out"
    keep = pair.keep

    def fill(plan, *made):
        if plan.order.name == "p0":
            raise OutputError("the disk is full; free some space") from OSError(errno.ENOSPC, "full")
        return keep(plan, *made)

    monkeypatch.setattr(pair, "keep", fill)
    told = Noted()
    _, summary = run_folder(source, out, told)
    (failed,) = summary.failed
    assert (failed.name, failed.error) == ("p0", "the disk is full; free some space")
    assert [event[1] for event in told.events if event[0] in {"done", "failed"}] == ["p0", "p1"]
    monkeypatch.setattr(pair, "keep", keep)
    _, summary = run_folder(source, out)
    assert summary.counts == {"cached": 2}


def test_cancelling_while_a_pair_is_behind_keeps_what_is_finished(tmp_path, monkeypatch):
    monkeypatch.setattr(cancellation, "ASK_SECONDS", 0.0)
    source, out = make_folder(tmp_path / "in", 3), tmp_path / "out"
    behind, runs = threading.Event(), []

    def wait(inputs):
        runs.append(flow_run.id)
        if len(runs) == 2:
            behind.set()

    def cancel(outcome):
        assert behind.wait(SECONDS)
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(flow_run.id, Cancelling())

    instead(monkeypatch, rendering.render, wait)
    state, _ = run_folder(source, out, Noted(cancel))
    assert state.is_cancelled()
    whole = [path.parent.name for path in sorted(out.glob("*/report.json"))]
    assert whole[0] == "p0" and len(whole) < 3
    with get_client(sync_client=True) as client:
        ended = [client.read_flow_run(run).state for run in runs]
    assert all(each.is_completed() or each.is_cancelled() for each in ended)
    _, summary = run_folder(source, out)
    assert summary.counts["cached"] >= len(whole) and len(summary.outcomes) == 3


def test_an_artifact_that_is_damaged_in_between_is_made_anew_the_next_time(tmp_path, monkeypatch):
    source, out = make_folder(tmp_path / "in", 1), tmp_path / "out"
    damaged, filtered = [], []

    def damage(inputs):
        path = open_store().path_of(inputs["image"])
        if not damaged:
            damaged.append(path)
            path.write_bytes(b"something else")

    instead(monkeypatch, rendering.render, damage)
    instead(monkeypatch, filtering.filter_image, filtered.append)
    _, summary = run_folder(source, out)
    assert summary.counts == {"done": 1} and damaged[0].read_bytes() == b"something else"
    wanted, before = finals(out), len(filtered)
    _, summary = run_folder(source, out)
    assert len(filtered) == before + 1 and finals(out) == wanted
    assert damaged[0].read_bytes() != b"something else"


def test_no_server_that_hangs_keeps_a_pair_from_being_computed(tmp_path, monkeypatch):
    source, out = make_folder(tmp_path / "in", 1), tmp_path / "out"
    rendered = threading.Event()
    shown = []

    def hang(**fields):
        assert rendered.wait(SECONDS)  # that is: until all is computed
        return "page"

    monkeypatch.setattr("prefect.artifacts.create_progress_artifact", hang)
    monkeypatch.setattr("prefect.artifacts.update_progress_artifact", lambda **fields: shown.append(fields))
    instead(monkeypatch, scoring.score, lambda _: rendered.set())
    _, summary = run_folder(source, out)
    assert summary.counts == {"done": 1}
    assert shown == [{"artifact_id": "page", "progress": 100.0}]


def test_progress_is_sent_as_it_is_newest_and_trouble_is_raised_at_the_end(monkeypatch):
    shown, first = [], threading.Event()

    def show(artifact_id, progress):
        shown.append(progress)
        first.set()
        if progress == 100.0:
            raise ConnectionError("away")

    monkeypatch.setattr(pages, "PROGRESS_SECONDS", 0.01)
    monkeypatch.setattr("prefect.artifacts.create_progress_artifact", lambda **fields: "page")
    monkeypatch.setattr("prefect.artifacts.update_progress_artifact", show)
    page = pages.ProgressPage("p0", Path("out"), ())
    monkeypatch.setattr(page.meter, "done_at", lambda stage, evaluation: evaluation)
    page.update(None, 0.25)
    assert first.wait(SECONDS)
    with pytest.raises(ConnectionError):
        page.end()
    assert shown == [25.0, 100.0]
    left = pages.ProgressPage("p0", Path("out"), ())
    left.leave()
    left._sender.join(SECONDS)
    assert shown == [25.0, 100.0]


def test_shards_begin_at_most_one_pair_ahead(monkeypatch):
    began, computed = [], []

    def begin(index):
        began.append(index)
        return index != 2  # taken back meanwhile

    def run(_, prober, index, **how):
        take_lane()
        leave_lane()
        computed.append((index, [*began]))
        return PairOutcome(name=f"p{index}", state="done")

    monkeypatch.setattr(shard, "_run_pair", run)
    ended = []
    shard.run_pairs([None] * 4, None, lambda *end: ended.append(end[0]), begun=begin)
    assert ended == [0, 1, 3] and began == [0, 1, 2, 3]
    for index, seen in computed:  # one computes meanwhile, one is ahead
        assert len([each for each in seen if each > index and each != 2]) <= 2
