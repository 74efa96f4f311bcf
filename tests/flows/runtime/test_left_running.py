"""Runs whose process is gone are told to have crashed; those of living ones are left alone."""

import os
import uuid

import httpx
import pytest
from prefect import flow, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.flow_engine import run_flow
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL
from prefect.states import Cancelling, Crashed, InfrastructurePending, Pending, Running, Scheduled, Submitting

from flows.runtime import left_running
from flows.runtime.left_running import end_what_was_starting, noted_as_running, tell_of_dead_runs
from flows.runtime.notes import Note, is_running

pytestmark = pytest.mark.usefixtures("prefect_server_for_tests")


@pytest.fixture(autouse=True)
def running(pst_home):
    """Where the notes lie."""
    return pst_home / "prefect" / "running"


@flow
def batch():
    return None


@task
def step():
    return None


def a_run(*states, **belonging):
    """A flow run that went through states, as one whose process was killed says Running."""
    with get_client(sync_client=True) as client:
        run_id = client.create_flow_run(batch, state=Pending(), **belonging).id
        for state in states or (Running(),):
            client.set_flow_run_state(run_id, state, force=True)
        return run_id


def within(run_id):
    """The task that stands for what a run started within it."""
    with get_client(sync_client=True) as client:
        return client.create_task_run(step, run_id, dynamic_key=str(uuid.uuid4()), state=Running()).id


def state_of(run_id):
    with get_client(sync_client=True) as client:
        return client.read_flow_run(run_id).state.type.value


def leave_note(running, run_id, url=None, attempt=1):
    """What a killed process leaves."""
    note = Note(run=run_id, attempt=attempt, url=url or PREFECT_API_URL.value(), host="the-host")
    running.mkdir(parents=True, exist_ok=True)
    (running / str(run_id)).write_text(note.model_dump_json())
    return running / str(run_id)


def tell():
    tell_of_dead_runs(PREFECT_API_URL.value(), all_of_them=False)


def test_a_dead_run_crashed_and_its_note_goes(running):
    run_id = a_run()
    note = leave_note(running, run_id)
    tell()
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(run_id).state
    assert state.is_crashed() and "the-host" in state.message and not note.exists()


def test_a_server_is_known_by_its_runs_whatever_address_others_call_it_by(running):
    run_id = a_run()
    note = leave_note(running, run_id, "http://its-name-elsewhere:4200/api")
    tell()
    assert state_of(run_id) == "CRASHED" and not note.exists()


def test_a_run_of_another_server_is_left_to_that_until_it_is_old(running):
    note = leave_note(running, uuid.uuid4(), "http://elsewhere/api")
    tell()
    assert note.exists()
    os.utime(note, (0, 0))
    tell()
    assert not note.exists()


def test_the_note_of_a_run_that_was_deleted_in_the_ui_goes(running):
    note = leave_note(running, uuid.uuid4())
    tell()
    assert not note.exists()


def test_what_a_dead_process_was_doing_crashed_with_it_but_not_what_workers_do(running):
    dead = a_run()
    tasks = [within(dead) for _ in range(2)]
    pair = a_run(parent_task_run_id=tasks[0])
    step_of_pair = within(pair)
    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(client.create_flow(batch), "shard")
        shard = client.create_flow_run_from_deployment(
            deployment, state=Pending(), parent_task_run_id=tasks[1]
        ).id
        client.set_flow_run_state(shard, Running(), force=True)
    leave_note(running, dead)
    tell()
    assert [state_of(each) for each in (dead, pair, shard)] == ["CRASHED", "CRASHED", "RUNNING"]
    with get_client(sync_client=True) as client:
        assert client.read_task_run(step_of_pair).state.is_crashed()


def test_a_run_that_was_being_cancelled_is_cancelled_then(running):
    run_id = a_run(Running(), Cancelling())
    leave_note(running, run_id)
    tell()
    assert state_of(run_id) == "CANCELLED"


@pytest.mark.parametrize(
    ("since", "says"),
    [
        ([Crashed(), Scheduled()], "SCHEDULED"),
        ([Crashed(), Scheduled(), Pending()], "PENDING"),
        ([Crashed(), Scheduled(), Pending(), Running()], "RUNNING"),
        ([Crashed()], "CRASHED"),
    ],
)
def test_a_run_that_is_begun_again_is_not_told_of_for_its_last_attempt(running, since, says):
    run_id = a_run(Running(), *since)
    note = leave_note(running, run_id)
    tell()
    assert state_of(run_id) == says and not note.exists()


def test_a_run_that_is_begun_again_ends_what_its_last_attempt_left(running):
    run_id = a_run()
    left = a_run(parent_task_run_id=within(run_id))
    leave_note(running, run_id)
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run_id, Crashed(), force=True)
        client.set_flow_run_state(run_id, Scheduled(), force=True)
        again = client.read_flow_run(run_id)
    seen = []

    @flow
    def work():
        with noted_as_running():
            seen.extend((flow_run.id, is_running(run_id), state_of(left), state_of(run_id)))

    run_flow(work, flow_run=again, parameters={})
    assert seen == [str(run_id), True, "CRASHED", "RUNNING"]
    assert is_running(run_id) is None


@pytest.fixture
def deployed():
    """Give a run that a worker took from a pool; pools are made as they are named, and go in the end."""
    made = {}

    def give(pool, worker, state):
        if pool not in made:
            client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
            made[pool] = client.create_deployment(client.create_flow(batch), pool, work_pool_name=pool)
        run_id = client.create_flow_run_from_deployment(made[pool]).id
        client.update_flow_run_labels(run_id, {"prefect.worker.name": worker})
        client.set_flow_run_state(run_id, state, force=True)
        return run_id

    with get_client(sync_client=True) as client:
        yield give
        for pool, deployment in made.items():
            client.delete_deployment(deployment)
            client.delete_work_pool(pool)


def test_what_a_worker_was_starting_when_it_died_crashed_and_nothing_else(deployed):
    crashed = [deployed("a-pool", "one", state) for state in (Submitting(), InfrastructurePending())]
    others = [
        deployed("a-pool", "one", Pending()),  # taken by another one since, which says so in a moment
        deployed("a-pool", "one", Scheduled()),
        deployed("a-pool", "one", Running()),
        deployed("a-pool", "two", Submitting()),
        deployed("another-pool", "one", Submitting()),
    ]
    end_what_was_starting("a-pool", "one")
    assert [state_of(run_id) for run_id in crashed] == ["CRASHED", "CRASHED"]
    assert [state_of(run_id) for run_id in others] == [
        "PENDING", "SCHEDULED", "RUNNING", "PENDING", "PENDING",
    ]  # fmt: skip


def test_a_server_that_is_away_as_a_worker_begins_is_waited_for(deployed, monkeypatch):
    run_id = deployed("a-pool", "one", Submitting())
    asked = []

    def connect(**options):
        asked.append(options)
        if len(asked) < 3:
            raise httpx.ConnectError("refused")
        return get_client(**options)

    monkeypatch.setattr("prefect.client.orchestration.get_client", connect)
    monkeypatch.setattr(left_running, "_AWAY_SECONDS", 0.0)
    end_what_was_starting("a-pool", "one")
    assert state_of(run_id) == "CRASHED"


def test_a_server_that_lets_nobody_in_is_not_waited_for(monkeypatch):
    refused = httpx.Response(401, request=httpx.Request("POST", "http://127.0.0.1/api"))

    def connect(**options):
        raise httpx.HTTPStatusError("refused", request=refused.request, response=refused)

    monkeypatch.setattr("prefect.client.orchestration.get_client", connect)
    end_what_was_starting("a-pool", "one")


def test_a_living_run_is_left_alone_and_takes_its_note_along(running):
    seen = []

    @flow
    def within_it():
        with noted_as_running():
            return

    @flow
    def living():
        with noted_as_running():
            within_it()
            tell()
            seen.append((state_of(flow_run.id), [path.name == flow_run.id for path in running.iterdir()]))

    living()
    assert seen == [("RUNNING", [True])] and not list(running.iterdir())


def test_where_no_note_can_be_left_the_run_goes_without(pst_home):
    pst_home.mkdir()
    (pst_home / "prefect").write_text("a file in its place")

    @flow
    def work():
        with noted_as_running():
            return "done"

    assert work() == "done"


def test_a_server_that_began_just_now_has_none_that_runs(running):
    runs = [a_run(), a_run(Pending())]
    gone = leave_note(running, runs[0])
    tell_of_dead_runs(PREFECT_API_URL.value(), all_of_them=True)
    assert [state_of(each) for each in runs] == ["CRASHED", "CRASHED"] and not gone.exists()
