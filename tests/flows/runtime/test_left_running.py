"""Runs whose process is gone are told to have crashed; those of living ones are left alone."""

import uuid

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL
from prefect.states import Running

from flows.runtime.left_running import noted_as_running, tell_of_dead_runs
from flows.runtime.own_server import server_home

pytestmark = pytest.mark.usefixtures("prefect_server_for_tests", "pst_home")


@flow
def batch():
    return None


def a_run():
    """A flow run that says Running, as one whose process was killed."""
    with get_client(sync_client=True) as client:
        return client.create_flow_run(batch, state=Running()).id


def state_of(run_id):
    with get_client(sync_client=True) as client:
        return client.read_flow_run(run_id).state.type.value


def leave_note(run_id, url):
    path = server_home() / "running" / str(run_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(url)
    return path


def test_a_dead_run_crashed_and_its_note_goes():
    run_id, url = a_run(), PREFECT_API_URL.value()
    note = leave_note(run_id, url)
    tell_of_dead_runs(url, all_of_them=False)
    assert state_of(run_id) == "CRASHED" and not note.exists()


def test_a_run_of_another_server_is_left_to_that():
    run_id = a_run()
    note = leave_note(run_id, "http://elsewhere/api")
    tell_of_dead_runs(PREFECT_API_URL.value(), all_of_them=False)
    assert state_of(run_id) == "RUNNING" and note.exists()


def test_what_lies_there_else_is_no_note():
    other = leave_note("not-a-run-at-all", PREFECT_API_URL.value())
    gone = leave_note(uuid.uuid4(), PREFECT_API_URL.value())  # deleted in the UI
    tell_of_dead_runs(PREFECT_API_URL.value(), all_of_them=False)
    assert other.exists() and not gone.exists()


def test_a_living_run_is_left_alone_and_takes_its_note_along():
    seen = []

    @flow
    def living():
        with noted_as_running():
            tell_of_dead_runs(PREFECT_API_URL.value(), all_of_them=False)
            seen.append((state_of(flow_run.id), len(list((server_home() / "running").iterdir()))))

    living()
    assert seen == [("RUNNING", 1)] and not list((server_home() / "running").iterdir())


def test_where_no_note_can_be_left_the_run_goes_without(pst_home):
    pst_home.mkdir()
    (pst_home / "prefect").write_text("a file in its place")

    @flow
    def work():
        with noted_as_running():
            return "done"

    assert work() == "done"
