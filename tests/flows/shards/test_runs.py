"""Shards' runs on a real server that is away at times, and what is seen of processes that are gone."""

from typing import ClassVar
from uuid import UUID

import httpx
import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from prefect.states import Cancelled, Completed, Crashed, Pending, Running

from flows.display.watching import Watcher, watched_by
from flows.runtime import notes
from flows.runtime.cancellation import RunCancelled
from flows.shards import runs as shard_runs
from flows.shards.ledger import ShardContents, keeping_ledger
from flows.shards.runs import ShardRuns
from flows.workers.pools import HIRED, PoolError, find_pool, have_pool, workers_alive

pytestmark = pytest.mark.usefixtures("prefect_server_for_tests", "pst_home")
POOL = "pool-of-tests"


def asking_again():
    """For what a test asks by itself: within a batch Prefect's client asks once, for batches are patient."""
    return temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 5})


def state_of(run):
    with asking_again(), get_client(sync_client=True) as client:
        return client.read_flow_run(run).state


def set_state(run, state):
    with asking_again(), get_client(sync_client=True) as client:
        client.set_flow_run_state(run, state, force=True)


def start(runs, folder):
    """Hand out a shard, though the tests' server may be busy."""
    while not runs.start(folder, "a shard"):
        pass
    return folder.run


@pytest.fixture
def within(tmp_path, monkeypatch):
    """Run a function within a batch, with its runs and its ledger."""
    monkeypatch.setattr(shard_runs, "ASK_SECONDS", 0.0)
    monkeypatch.setattr(shard_runs, "COUNT_SECONDS", 0.0)
    with asking_again(), get_client(sync_client=True) as client:
        have_pool(client, POOL, "a test's")

    def run(play):
        @flow
        def batch():
            with (
                ShardRuns.of_pool(POOL) as runs,
                keeping_ledger(tmp_path / "out", {}) as ledger,
                asking_again(),
            ):
                play(runs, lambda: ledger.new_shard(ShardContents("code", ())))

        batch()

    return run


def test_workers_that_were_hired_count_before_they_are_at_their_posts(within):
    def hired(runs, shard):
        with get_client(sync_client=True) as client:
            have_pool(client, "hired-of-tests", HIRED, limit=4)
        with ShardRuns.of_pool("hired-of-tests") as of_hired, asking_again():
            assert workers_alive(of_hired.client, "hired-of-tests") == 0
            assert (of_hired.workers, runs.workers) == (4, 1)

    within(hired)


def test_a_shard_whose_answer_was_lost_has_no_twin(within, monkeypatch):
    def play(runs, shard):
        create, folder = runs.client.create_flow_run_from_deployment, shard()

        def lose(*arguments, **more):
            create(*arguments, **more)
            raise httpx.ReadTimeout("the answer is lost")

        monkeypatch.setattr(runs.client, "create_flow_run_from_deployment", lose)
        assert not runs.start(folder, "a shard") and not runs.out
        monkeypatch.setattr(runs.client, "create_flow_run_from_deployment", create)
        assert start(runs, folder) and len(runs.out) == 1
        found = runs.client.read_flow_runs()
        same = [run for run in found if run.parameters.get("shard") == folder.name]
        assert [run.id for run in same] == [*runs.out] == [folder.run]
        tasks = runs.client.read_task_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[runs.batch]))
        )
        assert [task.id for task in tasks] == [same[0].parent_task_run_id], "it stands in the batch once"

    within(play)


@pytest.mark.parametrize(("state", "died"), [
    (Completed(message="3 pairs"), False), (Crashed(message="Process exited with status code: -9."), True),
])  # fmt: skip
def test_what_the_server_says_of_an_end_is_heard(within, state, died):
    def play(runs, shard):
        start(runs, shard())
        [run] = runs.look()
        assert run.ending is None
        set_state(run.id, state)
        [run] = runs.look()
        assert (run.ending.died, run.ending.message) == (died, state.message)
        runs.forget(run)
        assert runs.look() == []

    within(play)


def test_a_shard_that_somebody_cancels_takes_its_batch_along(within):
    def play(runs, shard):
        start(runs, shard())
        set_state(next(iter(runs.out)), Cancelled())
        with pytest.raises(RunCancelled):
            runs.look()

    within(play)


def leave_note(run):
    return notes.Note(run=run, attempt=1, url="", host="elsewhere")


def test_a_process_that_is_gone_without_a_word_is_seen_by_its_lock(within, monkeypatch):
    def play(runs, shard):
        start(runs, shard())
        [run] = runs.look()
        set_state(run.id, Running())
        with notes.held_note(leave_note(run.id)):
            monkeypatch.setattr(shard_runs, "REPORT_SECONDS", 0.0)
            assert runs.look()[0].ending is None, "it lives"
        assert runs.look()[0].ending is None, "somebody may report its end just now"
        [run] = runs.look()
        assert run.ending.died
        assert state_of(run.id).is_crashed()

    within(play)


def test_a_process_that_never_comes_is_given_up(within, monkeypatch):
    def play(runs, shard):
        start(runs, shard())
        [run] = runs.look()
        set_state(run.id, Pending())
        assert runs.look()[0].ending is None
        monkeypatch.setattr(shard_runs, "START_SECONDS", 0.0)
        assert runs.look()[0].ending.died
        assert state_of(run.id).is_crashed()

    within(play)


def test_a_shard_that_waits_for_a_worker_is_waited_for(within, monkeypatch):
    monkeypatch.setattr(shard_runs, "START_SECONDS", 0.0)
    monkeypatch.setattr(shard_runs, "REPORT_SECONDS", 0.0)

    def play(runs, shard):
        start(runs, shard())
        assert [run.ending for _ in range(3) for run in runs.look()] == [None] * 3
        assert runs.workers == 1

    within(play)


def test_a_server_that_is_away_for_too_long_ends_the_batch(within, monkeypatch):
    def away(*_, **__):
        raise httpx.ConnectError("nobody there")

    def play(runs, shard):
        start(runs, shard())
        monkeypatch.setattr(runs.client, "read_flow_runs", away)
        runs.look()
        monkeypatch.setattr(shard_runs, "PATIENCE_SECONDS", -1.0)
        with pytest.raises(httpx.ConnectError):
            runs.look()

    within(play)


def test_what_is_out_is_called_back(within):
    def play(runs, shard):
        start(runs, shard())
        [run] = runs.look()
        runs.call_back()
        assert state_of(run.id).is_cancelled()

    within(play)


def test_what_a_dead_batch_handed_out_is_ended_before_the_next(within, tmp_path):
    left = []

    def die(runs, shard):
        for _ in range(3):
            start(runs, shard())
        left.extend(runs.out)
        set_state(left[0], Running())
        set_state(left[1], Completed())
        note = notes.held_note(leave_note(left[0]))
        note.__enter__()  # and its process is killed: the lock goes, the note stays
        path = notes._path_of(left[0])
        text = path.read_bytes()
        note.__exit__(None, None, None)
        path.write_bytes(text)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        within(die)

    def play(runs, shard):
        runs.end_what_died(tmp_path / "out")
        first, second, third = map(state_of, left)
        assert first.is_crashed() and second.is_completed() and third.is_cancelled()

    within(play)


def test_a_pool_that_is_not_there_is_named_with_those_that_are():
    with get_client(sync_client=True) as client:
        have_pool(client, POOL, "a test's")
        with pytest.raises(PoolError, match=rf"no work pool 'nowhere' \(there are: .*{POOL}"):
            find_pool(client, "nowhere")
        with pytest.raises(PoolError, match="no work pool ''"):
            find_pool(client, "")
        assert workers_alive(client, POOL) == 0


def test_a_pool_that_somebody_pauses_is_told_of_once(within):
    class Listener(Watcher):
        told: ClassVar[list[str]] = []

        def waiting(self, sentence):
            self.told.append(sentence)

    def pause(runs, paused):
        with asking_again():
            runs.client.update_work_pool(POOL, WorkPoolUpdate(is_paused=paused))
        for _ in range(3):
            assert runs.workers == 1

    def play(runs, _):
        pause(runs, False)
        assert Listener.told == []
        pause(runs, True)
        [told] = Listener.told
        assert told.startswith(f"The work pool {POOL} is paused") and f"resume {POOL}" in told
        pause(runs, False)
        pause(runs, True)
        assert Listener.told == [told, told], "it was let go on in between"
        pause(runs, False)

    with watched_by(Listener()):
        within(play)


def test_the_shards_name_is_the_runs_parameter(within):
    def play(runs, shard):
        folder = shard()
        runs.start(folder, "3 pairs from a")
        run = runs.client.read_flow_run(folder.run)
        assert run.name == "3 pairs from a"
        assert run.parameters == {"shard": folder.name, "batch": str(runs.batch)}
        assert isinstance(runs.batch, UUID)

    within(play)
