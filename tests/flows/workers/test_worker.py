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
from flows.workers.worker import standing_there

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


@pytest.fixture
def starting(client, pool):
    """A run that worker "one" was starting."""
    deployment = client.create_deployment(client.create_flow(shard), "shard", work_pool_name=pool)
    run = client.create_flow_run_from_deployment(deployment).id
    client.update_flow_run_labels(run, {"prefect.worker.name": "one"})
    client.set_flow_run_state(run, Submitting(), force=True)
    yield run
    client.delete_deployment(deployment)


@pytest.fixture
def work(client, pool, monkeypatch):
    """Have a worker of the name "one" until the server knows it."""

    def wait():
        monkeypatch.setenv("PREFECT_API_URL", PREFECT_API_URL.value())
        with WorkerProcesses(pool, [Post("one")]):
            until = time.monotonic() + 120
            while not client.read_workers_for_work_pool(pool) and time.monotonic() < until:
                time.sleep(0.1)
        assert [worker.name for worker in client.read_workers_for_work_pool(pool)] == ["one"]

    return wait


def test_what_the_last_one_was_starting_crashed_by_the_time_the_next_one_works(client, starting, work):
    work()
    assert client.read_flow_run(starting).state.is_crashed()


def test_what_another_one_of_the_name_is_starting_is_left_alone_while_that_one_lives(
    client, pool, starting, work, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr("flows.workers.worker.end_what_was_starting", lambda pool, name: None)
        with standing_there(pool, "one"):  # another machine's
            work()
            assert client.read_flow_run(starting).state.is_pending()


def test_a_post_is_left_as_if_nobody_had_stood_there(pst_home, monkeypatch):
    monkeypatch.setattr("flows.workers.worker.end_what_was_starting", lambda pool, name: None)
    with standing_there("a-pool", "one"):
        with standing_there("a-pool", "one"):
            pass
        assert len(list((pst_home / "prefect" / "posts").iterdir())) == 1
    assert not list((pst_home / "prefect" / "posts").iterdir())
