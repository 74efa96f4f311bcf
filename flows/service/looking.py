"""What the service puts right every half minute: runs that died or never began, slots that nobody holds."""

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Generic, TypeVar
from uuid import UUID

from flows.runtime.left_running import end_dead_runs, tell_of_dead_runs
from flows.runtime.notes import is_running
from flows.runtime.trouble import describe_trouble, is_server_trouble
from flows.service.automations import AGAIN_MESSAGE, MOST_STARTS, STARTED_AGAIN, begins_again
from flows.service.slots import StuckSlots, find_stuck_slots, free_slots
from flows.workers.pools import SHARD_FLOW
from pst_core.printing import counted

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

Seen = TypeVar("Seen")
TAKEN_SECONDS = 60.0
"""A worker that has taken a run says at once that it starts it; one that has not by then never will."""
BEGIN_SECONDS = 120.0
"""A worker's process begins with its run in some seconds; one that has not by then never will."""
UNNOTED_SECONDS = 120.0
"""A run leaves its note when it begins; what goes without one for so long is not there."""
CANCELLED_SECONDS = 30.0
"""As long for one that is to be cancelled: should its process only just begin, it is not to go on anyway."""
CRASHED_SECONDS = 60.0
"""So long the automation has for starting a crashed run again."""
STUCK_SECONDS = 60.0
"""So long slots must have been without a holder: they are taken a moment before their run says so."""
REMEMBERED = timedelta(days=1)
"""What crashed longer ago stays as it is."""
_ALL = (*STARTED_AGAIN, SHARD_FLOW)


class _Watched(Generic[Seen]):
    """What is to be put right if it is seen for so many seconds on end, by a clock that never jumps."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: dict[Seen, float] = {}

    def ripe(self, seen: Iterable[Seen]) -> list[Seen]:
        """Those of the ones seen now that have been for long enough."""
        now = time.monotonic()
        self._since = {each: self._since.get(each, now) for each in seen}
        return [each for each, since in self._since.items() if now - since > self._seconds]


class Lookout:
    """Looks, with a memory of what it saw before.

    Parameters
    ----------
    url
        Of the server's API.
    tell
        Told what was put right.
    """

    def __init__(self, url: str, tell: Callable[[str], None]) -> None:
        self._url, self._tell = url, tell
        self._taken, self._starting = _Watched[UUID](TAKEN_SECONDS), _Watched[UUID](BEGIN_SECONDS)
        self._unnoted = {
            "RUNNING": _Watched[UUID](UNNOTED_SECONDS), "CANCELLING": _Watched[UUID](CANCELLED_SECONDS),
        }  # fmt: skip
        self._crashed = _Watched[UUID](CRASHED_SECONDS)
        self._stuck = _Watched[StuckSlots](STUCK_SECONDS)

    def look(self) -> None:
        """Put right what is there to be; a server that has no time for it is asked at the next look."""
        from prefect.client.orchestration import get_client

        tell_of_dead_runs(self._url, all_of_them=False)
        try:
            with get_client(sync_client=True) as client:
                self._end_what_never_began(client)
                self._end_what_has_no_process(client)
                self._begin_again_what_crashed(client)
                self._free_what_nobody_holds(client)
        except Exception as error:
            trouble = describe_trouble(error)
            if trouble is None:
                raise
            if not is_server_trouble(error):
                self._tell(trouble)

    def _end_what_never_began(self, client: "SyncPrefectClient") -> None:
        from prefect.states import Crashed

        runs = {run.id: run for run in _runs(client, ("PENDING",), _ALL)}
        taken = {run for run, seen in runs.items() if seen.state_name == "Pending"}
        for run in (*self._taken.ripe(taken), *self._starting.ripe(runs.keys() - taken)):
            client.set_flow_run_state(run, Crashed(message="Its process never began."), force=True)
            self._tell(f"Run {runs[run].name} never began: it is marked as crashed.")

    def _end_what_has_no_process(self, client: "SyncPrefectClient") -> None:
        """A process that ended while the server was away could not tell so, and took its note along."""
        for state, watched in self._unnoted.items():
            runs = {run.id: run for run in _runs(client, (state,), _ALL) if is_running(run.id) is None}
            for run in watched.ripe(runs):
                end_dead_runs(client, [run])
                ended = "cancelled" if state == "CANCELLING" else "crashed"
                self._tell(f"Run {runs[run].name} has no process any more: it is marked as {ended}.")

    def _begin_again_what_crashed(self, client: "SyncPrefectClient") -> None:
        from prefect.states import Scheduled

        runs = {run.id: run for run in _crashed_lately(client)} if begins_again(client) else {}
        for run in self._crashed.ripe(runs):
            client.set_flow_run_state(run, Scheduled(message=AGAIN_MESSAGE), force=True)
            self._tell(f"Run {runs[run].name} crashed: it begins again.")

    def _free_what_nobody_holds(self, client: "SyncPrefectClient") -> None:
        for stuck in self._stuck.ripe(find_stuck_slots(client)):
            free_slots(client, stuck)
            self._tell(
                f"{counted(stuck.count, 'slot')} of {stuck.deployment} had no run to hold it: given back."
            )


def _crashed_lately(client: "SyncPrefectClient") -> "list[FlowRun]":
    """Runs that are to begin again, and have not done so too often."""
    earliest = datetime.now(UTC) - REMEMBERED
    return [
        run
        for run in _runs(client, ("CRASHED",), STARTED_AGAIN)
        if run.run_count < MOST_STARTS and run.state is not None and run.state.timestamp > earliest
    ]


def _runs(client: "SyncPrefectClient", states: Sequence[str], flows: Sequence[str]) -> "list[FlowRun]":
    """The latest deployed runs of flows that are in one of some states."""
    from prefect.client.schemas import filters
    from prefect.client.schemas.objects import StateType
    from prefect.client.schemas.sorting import FlowRunSort

    types = filters.FlowRunFilterStateType(any_=[StateType(state) for state in states])
    ours = filters.FlowFilter(name=filters.FlowFilterName(any_=list(flows)))
    which = filters.FlowRunFilter(state=filters.FlowRunFilterState(type=types))
    found = client.read_flow_runs(
        flow_filter=ours, flow_run_filter=which, limit=200, sort=FlowRunSort.EXPECTED_START_TIME_DESC
    )
    return [run for run in found if run.deployment_id is not None]
