"""A worker that begins where another one died ends what that one was starting, and then works."""

import time

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.settings import PREFECT_API_URL
from prefect.states import Submitting

from flows.workers.posts import Post
from flows.workers.processes import WorkerProcesses

pytestmark = pytest.mark.usefixtures("prefect_server_for_tests", "pst_home")


@flow
def shard():
    return None


@pytest.fixture
def client():
    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def pool(client):
    yield client.create_work_pool(WorkPoolCreate(name="a-worker-s-pool", type="process")).name
    client.delete_work_pool("a-worker-s-pool")


def test_what_the_last_one_was_starting_crashed_by_the_time_the_next_one_works(client, pool, monkeypatch):
    deployment = client.create_deployment(client.create_flow(shard), "shard", work_pool_name=pool)
    run = client.create_flow_run_from_deployment(deployment).id
    client.update_flow_run_labels(run, {"prefect.worker.name": "one"})
    client.set_flow_run_state(run, Submitting(), force=True)
    monkeypatch.setenv("PREFECT_API_URL", PREFECT_API_URL.value())
    with WorkerProcesses(pool, [Post("one")]):
        until = time.monotonic() + 120
        while not client.read_workers_for_work_pool(pool) and time.monotonic() < until:
            time.sleep(0.1)
    assert [worker.name for worker in client.read_workers_for_work_pool(pool)] == ["one"]
    assert client.read_flow_run(run).state.is_crashed()
    client.delete_deployment(deployment)
