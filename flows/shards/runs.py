"""The flow runs of shards: started, watched and called back, on a server that may be away for a while."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from flows.display.watching import watcher
from flows.runtime.cancellation import RunCancelled
from flows.runtime.left_running import end_dead_runs
from flows.runtime.notes import is_running
from flows.runtime.trouble import is_busy, is_server_loss
from flows.shards.ledger import ShardFolder, dead_ledgers
from flows.workers.pools import (
    SHARD_FLOW,
    find_pool,
    have_shard_deployment,
    hired_for,
    how_to_resume,
    workers_alive,
)

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun, State

ASK_SECONDS = 2.0
COUNT_SECONDS = 5.0
PATIENCE_SECONDS = 600.0
"""How long a server may be away before the batch ends without it."""
REPORT_SECONDS = 20.0
"""What a worker gets to report that a run's process ended, before it is done without it."""
START_SECONDS = 120.0
"""What a run's process gets to come to work."""
LONELY_SECONDS = 45.0
"""After being without a worker for so long, somebody is told."""
CALL_BACK_SECONDS = 60.0
"""What shards of a batch that died get to reach a safe point."""
_AT_ONCE = 100  # runs that are asked about in one request


@dataclass(frozen=True)
class Ending:
    """How a shard's run ended.

    Attributes
    ----------
    died : bool
        Whether its process did, rather than ending by itself.
    message : str
        What Prefect, or whoever found it, says.
    """

    died: bool
    message: str


@dataclass
class ShardRun:
    """A shard that was handed out.

    Attributes
    ----------
    folder : ShardFolder
    id : UUID
        Of its flow run.
    ending : Ending, optional
        Once it has ended.
    begun : bool
        Whether its process was ever seen at work.
    taken_since, gone_since : float, optional
        When it was first found taken by a worker, and its process gone.
    """

    folder: ShardFolder
    id: UUID
    ending: Ending | None = None
    begun: bool = False
    taken_since: float | None = None
    gone_since: float | None = None


class ShardRuns:
    """The shards that a batch has out; get them with `of_pool`."""

    def __init__(self, client: "SyncPrefectClient", pool: str) -> None:
        from prefect.runtime import flow_run

        self.client, self.pool = client, pool
        self.batch = UUID(str(flow_run.id))
        found = find_pool(client, pool)
        self.deployment, self._hired = have_shard_deployment(client, found), hired_for(found)
        self.out: dict[UUID, ShardRun] = {}
        self._workers = 1
        self._asked = self._counted = float("-inf")
        self._heard = self._seen_workers = time.monotonic()
        self._lonely = self._paused = False

    @classmethod
    @contextmanager
    def of_pool(cls, pool: str) -> Iterator[Self]:
        """Hand out to a pool while the block runs.

        Raises
        ------
        PoolError
            There is no such pool.
        """
        from prefect.client.orchestration import get_client
        from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

        with get_client(sync_client=True) as client:
            runs = cls(client, pool)
            # From here on the batch has a patience of its own, and goes on listening meanwhile.
            with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
                yield runs

    @property
    def workers(self) -> int:
        """How many workers there are to take shards, or were hired and will be there soon; at least 1."""
        now = time.monotonic()
        if now - self._counted > COUNT_SECONDS:
            self._counted = now
            with self._server_may_be_away():
                self._count_workers(now)
        return max(self._workers, self._hired, 1)

    def start(self, folder: ShardFolder, name: str) -> bool:
        """Hand out a shard; False if the server is away, and the same is to be tried later.

        A request whose answer was lost is found to have been heard then: no shard has a twin.
        """
        before = len(self.out)
        with self._server_may_be_away():
            self._start(folder, name)
        return len(self.out) > before

    def _start(self, folder: ShardFolder, name: str) -> None:
        from prefect.states import Scheduled

        run = self.client.create_flow_run_from_deployment(
            self.deployment, parameters={"shard": folder.name, "batch": str(self.batch)}, name=name,
            state=Scheduled(), idempotency_key=folder.name, parent_task_run_id=self._place_in_batch(folder),
        )  # fmt: skip
        folder.note_run(run.id)
        self.out[run.id] = ShardRun(folder, run.id)

    def _place_in_batch(self, folder: ShardFolder) -> UUID:
        """The task run that stands for a shard in the batch's run, as Prefect has one for every subflow."""
        from prefect import Task
        from prefect.states import Pending

        task: Task[[], None] = Task(name=SHARD_FLOW, fn=lambda: None)
        task.task_key = f"{SHARD_FLOW}/{self.pool}"
        return self.client.create_task_run(
            task=task, flow_run_id=self.batch, dynamic_key=folder.name, task_inputs={}, state=Pending()
        ).id

    def look(self) -> list[ShardRun]:
        """All shards that are out, with what became of those that ended.

        Raises
        ------
        RunCancelled
            Somebody cancelled one of them.
        """
        now = time.monotonic()
        if self.out and now - self._asked > ASK_SECONDS:
            self._asked = now
            with self._server_may_be_away():
                self._ask()
            _ = self.workers  # whose absence somebody is told of
        return [*self.out.values()]

    def forget(self, run: ShardRun) -> None:
        """Stop looking at a shard whose end was heard of."""
        del self.out[run.id]

    def call_back(self) -> None:
        """Have whatever is still out stop; what the server cannot hear now, the batch's next run tells it."""
        from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, temporary_settings

        with self._server_may_be_away(for_ever=True), temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 2}):
            for run in self.out:
                _cancel(self.client, run)

    def end_what_died(self, out: Path) -> Mapping[str, int]:
        """Call back what a batch handed out that is dead; how often each pair's process died under it."""
        deaths: dict[str, int] = {}
        with dead_ledgers(out) as ledgers:
            runs = [run for ledger in ledgers for folder in ledger.shards if (run := folder.run) is not None]
            for run in runs:
                self._end_patiently(run)
            until = time.monotonic() + CALL_BACK_SECONDS
            while any(map(is_running, runs)) and time.monotonic() < until:
                time.sleep(0.5)
            for ledger in ledgers:
                deaths |= ledger.deaths
        return deaths

    def _end_patiently(self, run: UUID) -> None:
        told = False
        while not told:
            with self._server_may_be_away():
                _end(self.client, run)
                told = True

    def _ask(self) -> None:
        """Find out which shards are at work, and which have ended; there may be hundreds that only wait."""
        ids = [*self.out]
        for first in range(0, len(ids), _AT_ONCE):
            for run in _read_taken(self.client, ids[first : first + _AT_ONCE]):
                if run.state is not None:
                    self._see(self.out[run.id], run.state)
        self._heard = time.monotonic()

    def _see(self, shard: ShardRun, state: "State[Any]") -> None:
        """Take in a shard's state, and whether its process holds its note."""
        now, running = time.monotonic(), is_running(shard.id)
        if state.is_final():
            shard.ending = _ending_of(state)
        elif running:
            shard.begun, shard.gone_since = True, None
        elif shard.begun or running is False:  # it died, or its end did not reach the server
            shard.gone_since = shard.gone_since or now
            if now - shard.gone_since > REPORT_SECONDS:
                self._end(shard, "its process was killed, and its worker with it")
        else:
            shard.taken_since = shard.taken_since or now
            if now - shard.taken_since > START_SECONDS:
                self._end(shard, "its process never came to work")

    def _end(self, shard: ShardRun, message: str) -> None:
        """Nobody has reported its end: worker and machine may be gone, too."""
        end_dead_runs(self.client, [shard.id])
        shard.ending = Ending(died=True, message=message)

    def _count_workers(self, now: float) -> None:
        self._tell_if_paused()
        self._workers = workers_alive(self.client, self.pool)
        if self._workers:
            self._seen_workers, self._lonely = now, False
        elif now - self._seen_workers > LONELY_SECONDS and not self._lonely:
            self._lonely = True
            watcher().waiting(f"No worker of the pool {self.pool} is at work: start one with pst worker.")

    def _tell_if_paused(self) -> None:
        """Workers of a pool that somebody paused are alive, and take nothing."""
        paused = find_pool(self.client, self.pool).is_paused
        if paused and not self._paused:
            watcher().waiting(
                f"The work pool {self.pool} is paused: {how_to_resume(self.pool)} lets it go on."
            )
        self._paused = paused

    @contextmanager
    def _server_may_be_away(self, *, for_ever: bool = False) -> Iterator[None]:
        """Go on without an answer; after too long without any, raise what is in the way."""
        try:
            yield
        except Exception as error:
            if not (is_server_loss(error) or is_busy(error)):
                raise
            if not for_ever and time.monotonic() - self._heard > PATIENCE_SECONDS:
                raise


def _read_taken(client: "SyncPrefectClient", ids: Iterable[UUID]) -> "list[FlowRun]":
    """Those of some runs that do not wait for a worker any more."""
    from prefect.client.schemas import filters
    from prefect.client.schemas.objects import StateType

    taken = filters.FlowRunFilterState(type=filters.FlowRunFilterStateType(not_any_=[StateType.SCHEDULED]))
    which = filters.FlowRunFilter(id=filters.FlowRunFilterId(any_=[*ids]), state=taken)
    return client.read_flow_runs(flow_run_filter=which)


def _ending_of(state: "State[Any]") -> Ending:
    if state.is_cancelled():
        raise RunCancelled
    return Ending(died=state.is_crashed(), message=" ".join((state.message or state.name or "").split()))


def _end(client: "SyncPrefectClient", run: UUID) -> None:
    """Have a shard stop that nobody waits for any more; one whose process is gone has crashed."""
    from prefect.exceptions import ObjectNotFound

    with suppress(ObjectNotFound):
        state = client.read_flow_run(run).state
        if state is None or state.is_final():
            return
        if is_running(run) is False:
            end_dead_runs(client, [run])
        else:
            _cancel(client, run)


def _cancel(client: "SyncPrefectClient", run: UUID) -> None:
    """As the UI does it: one that no process has been started for is cancelled at once."""
    from prefect.states import Cancelling

    client.set_flow_run_state(run, Cancelling(message="Its batch ended."))
