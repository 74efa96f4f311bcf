"""Runs that were killed say Running for ever: whoever looks next tells the server that they crashed.

Each run that has a process to itself leaves a note while it lasts (`flows.runtime.notes`). Under a server of
our own no note is needed: it ended with its run, so whatever it left is dead.
"""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from flows.runtime.notes import Note, dead_runs, forget, held_note, is_old
from flows.runtime.trouble import is_server_loss, server_error_in

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

Run = TypeVar("Run")
MESSAGE = "Its process was killed."
_LIVE = ("RUNNING", "PENDING", "CANCELLING", "PAUSED")
_STARTING = ("Submitting", "InfrastructurePending")  # until then a run's labels name the worker before
_PAGE = 200  # runs that the server tells of at once
_AWAY_SECONDS = 1.0

_is_noted: ContextVar[bool] = ContextVar("is_noted", default=False)


@contextlib.contextmanager
def noted_as_running() -> Iterator[None]:
    """Leave a note of this flow run while the block runs; one within another lives as long as that one."""
    from prefect.context import FlowRunContext
    from prefect.settings import PREFECT_API_URL

    context = FlowRunContext.get()
    run = context.flow_run if context is not None else None
    if run is None or _is_noted.get():
        yield
        return
    note = Note(
        run=run.id, attempt=run.run_count, url=PREFECT_API_URL.value() or "", host=socket.gethostname()
    )
    token = _is_noted.set(True)
    try:
        with held_note(note):
            if note.attempt > 1:
                _if_the_server_can(lambda client: _end_within(client, [note.run]))  # the last attempt's
            yield
    finally:
        _is_noted.reset(token)


def tell_of_dead_runs(url: str, *, all_of_them: bool) -> None:
    """Mark runs as crashed whose processes are gone; a server that has no time for that is not pressed.

    Parameters
    ----------
    url
        Of the server's API.
    all_of_them
        Whether nothing can be running there.
    """

    def tell(client: "SyncPrefectClient") -> None:
        if all_of_them:
            end_dead_runs(client, [run.id for run in _live_runs(client)])
        for note in dead_runs():
            _settle(client, note, url)

    _if_the_server_can(tell)


def end_what_was_starting(pool: str, worker: str) -> None:
    """Mark runs as crashed whose processes a worker was starting when it died, for they died with it.

    A server that is away is waited for: it died with the worker, perhaps, and nobody takes a run from it.

    Parameters
    ----------
    pool
        The one that it took them from.
    worker
        Its name; to be called before another one of that name takes any.
    """
    from prefect.client.schemas import filters
    from prefect.client.schemas.objects import StateType

    types = filters.FlowRunFilterStateType(any_=[StateType.PENDING])
    starting = filters.FlowRunFilter(state=filters.FlowRunFilterState(type=types))
    here = filters.WorkPoolFilter(name=filters.WorkPoolFilterName(any_=[pool]))

    def tell(client: "SyncPrefectClient") -> None:
        runs = _pages(
            lambda **page: client.read_flow_runs(flow_run_filter=starting, work_pool_filter=here, **page)
        )
        for run in runs:
            if run.state_name in _STARTING and run.labels.get("prefect.worker.name") == worker:
                _mark(client, run, "The worker that was starting it was killed.")

    while (trouble := _if_the_server_can(tell)) is not None and is_server_loss(trouble):
        time.sleep(_AWAY_SECONDS)


def _if_the_server_can(tell: "Callable[[SyncPrefectClient], None]") -> Exception | None:
    """Tell the server something; what it cannot take now, and why is returned, is left for the next time."""
    from prefect.client.orchestration import get_client

    try:
        with get_client(sync_client=True) as client:
            tell(client)
    except Exception as error:
        if server_error_in(error) is None:
            raise
        return error
    return None


def _settle(client: "SyncPrefectClient", note: Note, url: str) -> None:
    """Tell the server of a dead run, if it is that server's.

    A server has as many addresses as machines call it by: whether a run is its own it knows best.
    """
    run = _run_there(client, note.run)
    if run is None and note.url != url and not is_old(note.run):
        return
    if run is not None:
        _end_within(client, [run.id])
        if _is_at_work(run) and run.run_count == note.attempt:  # else it ended, or is begun again elsewhere
            _mark(client, run, f"Its process on {note.host} was killed.")
    forget(note.run)


def _run_there(client: "SyncPrefectClient", run: UUID) -> "FlowRun | None":
    from prefect.exceptions import ObjectNotFound

    try:
        return client.read_flow_run(run)
    except ObjectNotFound:
        return None


def _is_at_work(run: "FlowRun") -> bool:
    """Whether a run that had begun has neither ended nor been scheduled again."""
    return run.state is not None and run.state.type.value in _LIVE and not run.state.is_pending()


def end_dead_runs(client: "SyncPrefectClient", runs: Sequence[UUID]) -> None:
    """Mark flow runs, and what their processes were doing, as crashed, as far as they have not ended."""
    from prefect.client.schemas import filters

    for page in (runs[start : start + _PAGE] for start in range(0, len(runs), _PAGE)):
        _end_within(client, page)
        for run in _live_runs(client, id=filters.FlowRunFilterId(any_=list(page))):
            _mark(client, run, MESSAGE)


def _end_within(client: "SyncPrefectClient", runs: Sequence[UUID]) -> None:
    """Mark the flow runs and tasks within flow runs as crashed, as far as they have not ended."""
    from prefect.client.schemas import filters
    from prefect.states import Crashed

    within = filters.FlowRunFilterParentFlowRunId(any_=list(runs))
    # What was handed out to a worker has a process, and a note, of its own.
    ours = [run.id for run in _live_runs(client, parent_flow_run_id=within) if run.deployment_id is None]
    if ours:
        end_dead_runs(client, ours)
    of_these = filters.FlowRunFilter(id=filters.FlowRunFilterId(any_=list(runs)))
    live = filters.TaskRunFilterState(type=filters.TaskRunFilterStateType(any_=_live()))
    unfinished = filters.TaskRunFilter(state=live)
    tasks = _pages(
        lambda **page: client.read_task_runs(flow_run_filter=of_these, task_run_filter=unfinished, **page)
    )
    for task in tasks:
        client.set_task_run_state(task.id, Crashed(message=MESSAGE), force=True)


def _mark(client: "SyncPrefectClient", run: "FlowRun", message: str) -> None:
    """Mark a flow run as crashed; one that was being cancelled as cancelled, lest it is begun again."""
    from prefect.states import Cancelled, Crashed

    cancelled = run.state is not None and run.state.is_cancelling()
    client.set_flow_run_state(run.id, (Cancelled if cancelled else Crashed)(message=message), force=True)


def _live_runs(client: "SyncPrefectClient", **which: Any) -> "list[FlowRun]":  # noqa: ANN401 - filters
    """Flow runs that have not ended."""
    from prefect.client.schemas import filters

    state = filters.FlowRunFilterState(type=filters.FlowRunFilterStateType(any_=_live()))
    wanted = filters.FlowRunFilter(state=state, **which)
    return _pages(lambda **page: client.read_flow_runs(flow_run_filter=wanted, **page))


def _pages(read: "Callable[..., list[Run]]") -> "list[Run]":
    """All that the server tells of bit by bit."""
    runs: list[Run] = []
    while page := read(limit=_PAGE, offset=len(runs)):
        runs += page
        if len(page) < _PAGE:
            break
    return runs


def _live() -> list[Any]:
    from prefect.client.schemas.objects import StateType

    return [StateType(name) for name in _LIVE]
