"""What the service puts right every half minute: runs that died or never began, slots that nobody holds."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from flows.runtime.left_running import tell_of_dead_runs
from flows.runtime.trouble import server_error_in
from flows.service.automations import MOST_STARTS, STARTED_AGAIN, begins_again
from flows.service.slots import StuckSlots, find_stuck_slots, free_slots
from flows.workers.pools import SHARD_FLOW
from pst_core.printing import counted

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

Seen = TypeVar("Seen")
BEGIN_SECONDS = 300.0
"""A worker's process begins with its run in some seconds; one that has not by then never will."""
STUCK_SECONDS = 60.0
"""So long slots must have been without a holder: they are taken a moment before their run says so."""
CRASHED_SECONDS = 60.0
"""So long the automation has for starting a crashed run again."""
REMEMBERED = timedelta(days=1)
"""What crashed longer ago stays as it is."""


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
        self._pending: dict[UUID, float] = {}
        self._crashed: dict[UUID, float] = {}
        self._stuck: dict[StuckSlots, float] = {}

    def look(self) -> None:
        """Put right what is there to be; a server that has no time for it is asked at the next look."""
        from prefect.client.orchestration import get_client

        tell_of_dead_runs(self._url, all_of_them=False)
        try:
            with get_client(sync_client=True) as client:
                self._end_what_never_began(client)
                self._begin_again_what_crashed(client)
                self._free_what_nobody_holds(client)
        except Exception as error:
            if server_error_in(error) is None:
                raise

    def _end_what_never_began(self, client: "SyncPrefectClient") -> None:
        from prefect.states import Crashed

        runs = {run.id: run for run in _pending_runs(client)}
        self._pending = _since(self._pending, runs)
        for run_id, since in list(self._pending.items()):
            if time.monotonic() - since > BEGIN_SECONDS:
                client.set_flow_run_state(run_id, Crashed(message="Its process never began."), force=True)
                self._tell(f"Run {runs[run_id].name} never began: it is marked as crashed.")

    def _begin_again_what_crashed(self, client: "SyncPrefectClient") -> None:
        from prefect.states import Scheduled

        runs = {run.id: run for run in _crashed_runs(client)} if begins_again(client) else {}
        self._crashed = _since(self._crashed, runs)
        for run_id, since in list(self._crashed.items()):
            if time.monotonic() - since > CRASHED_SECONDS:
                client.set_flow_run_state(
                    run_id, Scheduled(message="It crashed, and begins again."), force=True
                )
                self._tell(f"Run {runs[run_id].name} crashed: it begins again.")

    def _free_what_nobody_holds(self, client: "SyncPrefectClient") -> None:
        self._stuck = _since(self._stuck, find_stuck_slots(client))
        for stuck, since in list(self._stuck.items()):
            if time.monotonic() - since > STUCK_SECONDS:
                free_slots(client, stuck)
                slots = counted(stuck.count, "slot")
                self._tell(f"{slots} of {stuck.deployment} had no run that holds it: given back.")


def _since(before: Mapping[Seen, float], seen: Iterable[Seen]) -> dict[Seen, float]:
    """What is seen now, and since when, by a clock that never jumps."""
    return {each: before.get(each, time.monotonic()) for each in seen}


def _pending_runs(client: "SyncPrefectClient") -> "list[FlowRun]":
    """Runs of ours that a worker has taken, and that have not begun."""
    return _runs(client, "PENDING", (*STARTED_AGAIN, SHARD_FLOW))


def _crashed_runs(client: "SyncPrefectClient") -> "list[FlowRun]":
    """Runs of ours that crashed lately, and not too often."""
    earliest = datetime.now(UTC) - REMEMBERED
    return [
        run
        for run in _runs(client, "CRASHED", STARTED_AGAIN)
        if run.run_count < MOST_STARTS and run.state is not None and run.state.timestamp > earliest
    ]


def _runs(client: "SyncPrefectClient", state: str, flows: Sequence[str]) -> "list[FlowRun]":
    """Deployed runs of flows that are in a state, the latest ones."""
    from prefect.client.schemas import filters
    from prefect.client.schemas.objects import StateType

    types = filters.FlowRunFilterStateType(any_=[StateType(state)])
    ours = filters.FlowFilter(name=filters.FlowFilterName(any_=list(flows)))
    which = filters.FlowRunFilter(state=filters.FlowRunFilterState(type=types))
    found = client.read_flow_runs(flow_filter=ours, flow_run_filter=which, limit=200)
    return [run for run in found if run.deployment_id is not None]
