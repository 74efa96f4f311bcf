"""A run that was cancelled in the UI ends at its next safe point, and so does all that it belongs to."""

import contextlib
import signal

import pytest
from batch_runs import QUICK, make_folder, overrides_of
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.exceptions import TerminationSignal
from prefect.runtime import flow_run
from prefect.states import Cancelling

from flows.batch import stylize_folder
from flows.cli.app import run
from flows.display.watching import Watcher, watched_by
from flows.runtime import cancellation
from flows.runtime.cancellation import ending_in_order, result_of, safe_points

pytestmark = pytest.mark.usefixtures("prefect_server_for_tests", "pst_home")


@pytest.fixture(autouse=True)
def _asked_at_once(monkeypatch):
    monkeypatch.setattr(cancellation, "ASK_SECONDS", 0.0)


def cancel(run_id):
    """As the UI does it."""
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run_id, Cancelling())


def state_of(run_id):
    with get_client(sync_client=True) as client:
        return client.read_flow_run(run_id).state


@pytest.mark.parametrize("which", [0, 1])
def test_what_was_cancelled_ends_with_all_that_it_belongs_to(which):
    runs, passed = [], []

    @flow
    def inner():
        def work():
            with safe_points() as stop_if_asked:
                stop_if_asked()
                passed.append("not cancelled yet")
                cancel(runs[which])
                stop_if_asked()
                passed.append("went on")

        runs.append(flow_run.id)
        return ending_in_order(work)

    @flow
    def outer():
        def work():
            with safe_points():
                return result_of(inner(return_state=True))

        runs.append(flow_run.id)
        return ending_in_order(work)

    assert outer(return_state=True).is_cancelled()
    assert passed == ["not cancelled yet"]
    assert [state_of(run_id).is_cancelled() for run_id in runs] == [True, True]


@pytest.mark.parametrize(("cancelled", "ended"), [(True, "CANCELLED"), (False, "CRASHED")])
def test_a_worker_tells_of_a_cancellation_by_a_signal(monkeypatch, cancelled, ended):
    monkeypatch.setattr(cancellation, "ASK_SECONDS", 1e6)
    runs = []

    def work():
        with safe_points() as stop_if_asked:
            if cancelled:
                cancel(runs[0])
            signal.raise_signal(signal.SIGTERM)
            stop_if_asked()

    @flow
    def told():
        runs.append(flow_run.id)
        return ending_in_order(work)

    before = signal.signal(signal.SIGTERM, lambda *_: None)  # whom Prefect tells as well
    try:
        with contextlib.suppress(TerminationSignal):
            told(return_state=True)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert state_of(runs[0]).type.value == ended


def test_a_server_that_cannot_tell_now_is_no_cancellation(monkeypatch):
    import httpx
    from prefect.client.orchestration import SyncPrefectClient

    def busy(*_):
        raise httpx.ReadTimeout("late")

    @flow
    def work():
        monkeypatch.setattr(SyncPrefectClient, "read_flow_run", busy)
        with safe_points() as stop_if_asked:
            stop_if_asked()
        return "went on"

    assert work() == "went on"


class CancelsAfterFirst(Watcher):
    """Cancels the batch when its first pair has ended."""

    def pair_ended(self, outcome):
        cancel(flow_run.id)


def test_a_cancelled_batch_keeps_what_is_finished_and_can_be_resumed(tmp_path, capfd):
    source, out = make_folder(tmp_path / "in", 3), tmp_path / "out"
    with watched_by(CancelsAfterFirst()):
        state = stylize_folder(source, out, settings=overrides_of(QUICK), return_state=True)
    assert state.is_cancelled()
    assert [path.parent.name for path in sorted(out.glob("*/report.json"))] == ["p0"]
    assert run(["resume", str(out), "--json"]) == 0
    assert '"cached": 1' in capfd.readouterr().out
