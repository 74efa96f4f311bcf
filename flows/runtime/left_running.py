"""Runs that were killed say Running for ever: the next run tells the server that they crashed.

Each run leaves a note while it lasts, a file that the kernel holds locked for it; a note without a lock is a
dead run's. Under a server of our own no note is needed: it ended with its run, so whatever it left is dead.
"""

import contextlib
import fcntl
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from flows.runtime.own_server import server_home
from flows.runtime.trouble import server_error_in

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

MESSAGE = "Its process was killed."
_LIVE = ("RUNNING", "PENDING", "CANCELLING", "PAUSED")


def _notes() -> Path:
    return server_home() / "running"


@contextlib.contextmanager
def noted_as_running() -> Iterator[None]:
    """Leave a note of this flow run while the block runs; where that cannot be, it goes without."""
    from prefect.runtime import flow_run
    from prefect.settings import PREFECT_API_URL

    path, note = _notes() / str(flow_run.id), None
    try:
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            note = path.open("x")
            fcntl.flock(note, fcntl.LOCK_EX | fcntl.LOCK_NB)
            note.write(PREFECT_API_URL.value() or "")
            note.flush()
        yield
    finally:
        if note is not None:
            with note, contextlib.suppress(OSError):
                path.unlink()


def tell_of_dead_runs(url: str, *, all_of_them: bool) -> None:
    """Mark runs as crashed whose processes are gone; a server that has no time for that is not pressed.

    Parameters
    ----------
    url
        Of the server's API.
    all_of_them
        Whether nothing can be running there.
    """
    from prefect.client.orchestration import get_client

    try:
        with get_client(sync_client=True) as client:
            if all_of_them:
                _crash(client, _live_runs(client))
                return
            for path, run in _notes_of_dead(url):
                _crash(client, [run])
                path.unlink(missing_ok=True)
    except Exception as error:
        if server_error_in(error) is None:
            raise


def _notes_of_dead(url: str) -> Iterator[tuple[Path, UUID]]:
    """Notes of runs on this server that nobody holds any more; held while they are looked at."""
    for path in sorted(_notes().glob("*-*-*-*-*")):
        with contextlib.suppress(OSError, ValueError), path.open("r+") as note:
            fcntl.flock(note, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if note.read() == url:
                yield path, UUID(path.name)


def _crash(client: "SyncPrefectClient", runs: Sequence[UUID]) -> None:
    """Mark flow runs, those within them and their tasks as crashed, as far as they have not ended."""
    from prefect.client.schemas import filters
    from prefect.states import Crashed

    if not runs:
        return
    within = filters.FlowRunFilterParentFlowRunId(any_=list(runs))
    _crash(client, _live_runs(client, parent_flow_run_id=within))
    of_these = filters.FlowRunFilter(id=filters.FlowRunFilterId(any_=list(runs)))
    live = filters.TaskRunFilterState(type=filters.TaskRunFilterStateType(any_=_live()))
    unfinished = filters.TaskRunFilter(state=live)
    for task in client.read_task_runs(flow_run_filter=of_these, task_run_filter=unfinished):
        client.set_task_run_state(task.id, Crashed(message=MESSAGE), force=True)
    for run in _live_runs(client, id=filters.FlowRunFilterId(any_=list(runs))):
        client.set_flow_run_state(run, Crashed(message=MESSAGE), force=True)


def _live_runs(client: "SyncPrefectClient", **which: Any) -> list[UUID]:  # noqa: ANN401 - filters
    """Flow runs that have not ended."""
    from prefect.client.schemas import filters

    state = filters.FlowRunFilterState(type=filters.FlowRunFilterStateType(any_=_live()))
    return [
        run.id for run in client.read_flow_runs(flow_run_filter=filters.FlowRunFilter(state=state, **which))
    ]


def _live() -> list[Any]:
    from prefect.client.schemas.objects import StateType

    return [StateType(name) for name in _LIVE]


def is_running(run: UUID) -> bool | None:
    """Whether the process of a run of ours holds its note; None if there is no note."""
    with contextlib.suppress(OSError), (_notes() / str(run)).open("r+") as note:
        try:
            fcntl.flock(note, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
    return None


def mark_crashed(client: "SyncPrefectClient", runs: Sequence[UUID]) -> None:
    """Temporary."""
    _crash(client, runs)
