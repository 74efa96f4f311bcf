"""Automations of the service: a run that is silent for long crashed, and a batch that crashed begins again.

They and what the service looks after by itself (`looking`) are nets behind one another. Of a process that is
gone its lock tells within a minute; an automation sees those that took the way to the store along. After a
crash an automation is quick, but behind a killed server it may wait for an event that was lost with that, for
a quarter of an hour.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from flows.workers.pools import SHARD_FLOW

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.events.schemas.automations import AutomationCore, EventTrigger

SILENCE = timedelta(minutes=10)
"""Heartbeats come every 30 s, from a thread of their own: so many are late neither for a long step, nor for a
server that was away for no longer than its runs wait for it."""
AGAIN_AFTER = timedelta(seconds=20)
MOST_STARTS = 10
"""So often at most a run is started that crashes every time."""
STARTED_AGAIN = ("stylize-folder", "stylize-pair", "evaluate-folder")
"""Flows that begin again by themselves; a shard's pairs are handed out anew by its batch."""
SILENT, AGAIN = "pst: a silent run crashed", "pst: a crashed run begins again"
_HEARTBEAT = "prefect.flow-run.heartbeat"
_ENDED = ("Completed", "Failed", "Cancelled", "Crashed", "TimedOut")
_WAITING = ("Scheduled", "Late", "Pending", "AwaitingRetry", "AwaitingConcurrencySlot", "Paused", "Suspended")


def have_automations(client: "SyncPrefectClient") -> tuple[str, ...]:
    """Make the service's automations, or mend them, and tell which; one that is switched off stays so."""
    changed = []
    for wanted in _wanted():
        there = next(iter(client.read_automations_by_name(wanted.name)), None)
        if there is None:
            client.create_automation(wanted)
        elif _meaning(there) != _meaning(wanted):
            client.update_automation(there.id, wanted.model_copy(update={"enabled": there.enabled}))
        else:
            continue
        changed.append(wanted.name)
    return tuple(changed)


def begins_again(client: "SyncPrefectClient") -> bool:
    """Whether crashed runs are to be started again: not if somebody switched that off."""
    return any(each.enabled for each in client.read_automations_by_name(AGAIN))


def _wanted() -> "Iterator[AutomationCore]":
    from prefect.client.schemas.objects import StateType
    from prefect.events.actions import ChangeFlowRunState
    from prefect.events.schemas.automations import AutomationCore

    minutes = int(SILENCE.total_seconds() / 60)
    crashed = ChangeFlowRunState(
        state=StateType.CRASHED, name="Crashed", force=False, message=f"It was silent for {minutes} minutes."
    )
    scheduled = ChangeFlowRunState(
        state=StateType.SCHEDULED, name="Scheduled", force=False, message="It crashed, and begins again."
    )
    yield AutomationCore(
        name=SILENT, description=f"Runs without a sign of life for {minutes} minutes are marked as crashed.",
        enabled=True, trigger=_silence(), actions=[crashed],
    )  # fmt: skip
    yield AutomationCore(
        name=AGAIN, description=f"Deployed runs that crashed are started again, {MOST_STARTS} times at most.",
        enabled=True, trigger=_crash(), actions=[scheduled],
    )  # fmt: skip


def _silence() -> "EventTrigger":
    from prefect.events.schemas.automations import EventTrigger, Posture

    return EventTrigger(
        after={_HEARTBEAT},
        expect={_HEARTBEAT, *_states(*_ENDED, *_WAITING)},
        match={"prefect.resource.id": "prefect.flow-run.*"},
        match_related=_of_flows(*STARTED_AGAIN, SHARD_FLOW),
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive, threshold=1, within=SILENCE,
    )  # fmt: skip


def _crash() -> "EventTrigger":
    """Proactive, though it waits for a thing that happens: worker and service may both tell of a crash."""
    from prefect.events.schemas.automations import EventTrigger, Posture

    return EventTrigger(
        after=_states("Crashed"),
        expect=_states(*_WAITING, "Running", "Retrying", "Completed", "Failed", "Cancelling", "Cancelled"),
        match={
            "prefect.resource.id": "prefect.flow-run.*",
            "prefect.run-count": [str(count) for count in range(MOST_STARTS)],
        },
        match_related=[
            _of_flows(*STARTED_AGAIN),
            # What was started by hand in a process of its own has no worker to begin again.
            {"prefect.resource.role": "deployment", "prefect.resource.id": "prefect.deployment.*"},
        ],
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive, threshold=1, within=AGAIN_AFTER,
    )  # fmt: skip


def _of_flows(*names: str) -> dict[str, str | list[str]]:
    return {"prefect.resource.role": "flow", "prefect.resource.name": list(names)}


def _states(*names: str) -> set[str]:
    return {f"prefect.flow-run.{name}" for name in names}


def _meaning(automation: "AutomationCore") -> dict[str, Any]:
    """What an automation does, as far as it is ours to say."""
    parts = automation.model_dump(mode="json", include={"name", "description", "trigger", "actions"})
    parts["trigger"].pop("id", None)
    for name in ("after", "expect", "for_each"):
        parts["trigger"][name] = sorted(parts["trigger"][name])
    return parts
