"""What is left of runs without a process is put right; what lives, or was meant so, is let be."""

from datetime import timedelta

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas import filters
from prefect.settings import PREFECT_API_URL
from prefect.states import Cancelling, Crashed, Pending, Running, Submitting

from flows.runtime.notes import Note, held_note
from flows.service import looking
from flows.service.automations import AGAIN, MOST_STARTS, SILENT, have_automations
from flows.service.looking import Lookout
from flows.service.slots import find_stuck_slots

pytestmark = pytest.mark.usefixtures("prefect_server_for_tests", "pst_home")


@flow(name="stylize-folder")
def batch():
    return None


@pytest.fixture
def client():
    with get_client(sync_client=True) as client:
        yield client
        ours = filters.FlowFilter(name=filters.FlowFilterName(any_=[batch.name]))
        for run in client.read_flow_runs(flow_filter=ours):
            client.delete_flow_run(run.id)
        for name in (SILENT, AGAIN):
            for automation in client.read_automations_by_name(name):
                client.delete_automation(automation.id)


@pytest.fixture
def deployment(client):
    flow_id = client.create_flow(batch)
    found = client.create_deployment(
        flow_id=flow_id, name="limited", entrypoint="flows.batch.stylize_folder", concurrency_limit=1
    )
    yield found
    client.delete_deployment(found)


@pytest.fixture
def look_late(monkeypatch):
    """Look, as if all had been seen for long."""
    for name in ("TAKEN", "BEGIN", "UNNOTED", "CANCELLED", "CRASHED", "STUCK"):
        monkeypatch.setattr(looking, f"{name}_SECONDS", -1.0)

    def look():
        told = []
        lookout = Lookout(PREFECT_API_URL.value(), told.append)
        lookout.look()
        return told

    return look


def a_run(client, deployment, state):
    run = client.create_flow_run_from_deployment(deployment)
    client.set_flow_run_state(run.id, state, force=True)
    return run.id


def state_of(client, run):
    return client.read_flow_run(run).state.name


def test_what_never_began_or_has_no_process_crashed(client, deployment, look_late):
    pending, running = a_run(client, deployment, Pending()), a_run(client, deployment, Running())
    told = look_late()
    assert {state_of(client, run) for run in (pending, running)} == {"Crashed"}
    assert len(told) == 2


@pytest.mark.parametrize(("name", "ended"), [("TAKEN_SECONDS", "Pending"), ("BEGIN_SECONDS", "Submitting")])
def test_what_a_worker_only_took_is_waited_for_less_than_what_it_starts(
    client, deployment, monkeypatch, name, ended
):
    monkeypatch.setattr(looking, name, -1.0)
    runs = {state.name: a_run(client, deployment, state) for state in (Pending(), Submitting())}
    Lookout(PREFECT_API_URL.value(), [].append).look()
    assert [state for state, run in runs.items() if state_of(client, run) == "Crashed"] == [ended]


def test_what_is_to_be_cancelled_and_has_no_process_is_waited_for_less(client, deployment, monkeypatch):
    monkeypatch.setattr(looking, "CANCELLED_SECONDS", -1.0)
    running, cancelling = (a_run(client, deployment, Running()) for _ in range(2))
    client.set_flow_run_state(cancelling, Cancelling())
    assert state_of(client, cancelling) == "Cancelling"
    told = []
    Lookout(PREFECT_API_URL.value(), told.append).look()
    assert [state_of(client, run) for run in (running, cancelling)] == ["Running", "Cancelled"]
    assert len(told) == 1 and told[0].endswith("it is marked as cancelled.")


def test_what_has_a_process_or_no_deployment_is_let_be(client, deployment, look_late):
    noted, by_hand = a_run(client, deployment, Running()), client.create_flow_run(batch, state=Running()).id
    with held_note(Note(run=noted, attempt=1, url="http://elsewhere/api", host="here")):
        assert look_late() == []
    assert state_of(client, noted) == state_of(client, by_hand) == "Running"


def test_nothing_is_put_right_before_its_time(client, deployment):
    run, told = a_run(client, deployment, Pending()), []
    lookout = Lookout(PREFECT_API_URL.value(), told.append)
    lookout.look()
    lookout.look()
    assert (state_of(client, run), told) == ("Pending", [])


def test_a_crashed_run_begins_again_unless_that_is_switched_off(client, deployment, look_late):
    run = a_run(client, deployment, Crashed())
    look_late()
    assert state_of(client, run) == "Crashed"  # no automation says so
    have_automations(client)
    again = client.read_automations_by_name(AGAIN)[0]
    client.pause_automation(again.id)
    look_late()
    assert state_of(client, run) == "Crashed"
    client.resume_automation(again.id)
    look_late()
    assert state_of(client, run) == "Scheduled"


def test_what_crashed_too_often_or_long_ago_stays_so(client, deployment, look_late, monkeypatch):
    have_automations(client)
    often = a_run(client, deployment, Running())
    for _ in range(MOST_STARTS - 1):
        client.set_flow_run_state(often, Crashed(), force=True)
        client.set_flow_run_state(often, Running(), force=True)
    client.set_flow_run_state(often, Crashed(), force=True)
    assert client.read_flow_run(often).run_count == MOST_STARTS
    look_late()
    assert state_of(client, often) == "Crashed"
    other = a_run(client, deployment, Crashed())
    monkeypatch.setattr(looking, "REMEMBERED", timedelta(0))
    look_late()
    assert state_of(client, other) == "Crashed"


def test_a_slot_that_nobody_holds_is_given_back(client, deployment, look_late):
    limit = f"deployment:{deployment}"
    client.increment_concurrency_slots(names=[limit], slots=1, mode="concurrency")
    [stuck] = find_stuck_slots(client)
    assert (stuck.deployment, stuck.count) == ("limited", 1)
    assert any("limited" in line for line in look_late())
    assert find_stuck_slots(client) == ()
    assert client.read_global_concurrency_limit_by_name(limit).active_slots == 0


def test_a_slot_of_a_run_is_its_own(client, deployment, look_late):
    run = client.create_flow_run_from_deployment(deployment).id
    client.set_flow_run_state(run, Pending())
    with held_note(Note(run=run, attempt=1, url="", host="here")):
        client.set_flow_run_state(run, Running())
        assert client.read_global_concurrency_limit_by_name(f"deployment:{deployment}").active_slots == 1
        look_late()
        assert find_stuck_slots(client) == ()
        assert client.read_global_concurrency_limit_by_name(f"deployment:{deployment}").active_slots == 1
