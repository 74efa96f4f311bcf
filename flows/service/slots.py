"""Slots of deployments that are limited to so many runs at once, and who holds them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

_OF_DEPLOYMENTS = "deployment:"
_HELD_SECONDS = 60.0  # the server wants to know, for its forecasts
_HOLDING = ("PENDING", "RUNNING", "CANCELLING")


@dataclass(frozen=True)
class StuckSlots:
    """Slots that no run holds any more.

    Attributes
    ----------
    deployment : str
    limit : str
        The name that the server knows them by.
    count : int
    """

    deployment: str
    limit: str
    count: int


def find_stuck_slots(client: "SyncPrefectClient") -> tuple[StuckSlots, ...]:
    """Slots that are taken without a run that has them."""
    found = []
    for limit in client.read_global_concurrency_limits(limit=200):
        scope, _, number = limit.name.partition(":")
        if f"{scope}:" != _OF_DEPLOYMENTS or not limit.active_slots:
            continue
        stuck = limit.active_slots - _holders(client, UUID(number))
        if stuck > 0:
            found.append(StuckSlots(_name(client, UUID(number)), limit.name, stuck))
    return tuple(found)


def free_slots(client: "SyncPrefectClient", stuck: StuckSlots) -> None:
    """Give slots back that nobody holds."""
    client.release_concurrency_slots(names=[stuck.limit], slots=stuck.count, occupancy_seconds=_HELD_SECONDS)


def _holders(client: "SyncPrefectClient", deployment: UUID) -> int:
    from prefect.client.schemas import filters
    from prefect.client.schemas.objects import StateType

    types = filters.FlowRunFilterStateType(any_=[StateType(name) for name in _HOLDING])
    which = filters.FlowRunFilter(
        state=filters.FlowRunFilterState(type=types),
        deployment_id=filters.FlowRunFilterDeploymentId(any_=[deployment]),
    )
    return len(client.read_flow_runs(flow_run_filter=which, limit=200))


def _name(client: "SyncPrefectClient", deployment: UUID) -> str:
    from prefect.exceptions import ObjectNotFound

    try:
        return client.read_deployment(deployment).name
    except ObjectNotFound:
        return str(deployment)
