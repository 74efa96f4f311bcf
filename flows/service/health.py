"""How a service is: what `pst doctor` says of it besides the machine."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flows.runtime.configured_server import check_server
from flows.runtime.notes import dead_runs
from flows.runtime.proxies import past_proxies
from flows.runtime.settings import import_prefect
from flows.runtime.trouble import describe_trouble
from flows.service.identity import Identity, identity_here, read_identity
from flows.service.joining import check_alike, check_version
from flows.service.place import find_keeper
from flows.service.slots import find_stuck_slots
from flows.workers.pools import BATCHES, PAIRS, how_to_resume
from pst_core.diagnosis import Finding
from pst_core.errors import PstError
from pst_core.printing import counted

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

_PASSWORD = "PREFECT_SERVER_API_AUTH_STRING"


def examine_service() -> list[Finding]:
    """Look at the service at ``PREFECT_API_URL``, else at the one that keeps this store, if there is one.

    No picture needs a service: what is wrong with it is a warning, and none of it is missing.
    """
    try:
        import_prefect()
        url = _address()
        return list(_examine(url)) if url else []
    except PstError as error:
        return [Finding("service", "warning", str(error))]
    except Exception as error:
        if (trouble := describe_trouble(error)) is None:
            raise
        return [Finding("service", "warning", trouble)]


def _address() -> str:
    from prefect.settings import PREFECT_API_URL

    keeper = find_keeper()
    return (PREFECT_API_URL.value() or "").strip() or (f"{keeper.address}/api" if keeper else "")


def _examine(url: str) -> Iterator[Finding]:
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

    password = PREFECT_API_AUTH_STRING.value()
    known = {PREFECT_API_AUTH_STRING: password or os.environ.get(_PASSWORD) or None}
    with past_proxies(url), temporary_settings({PREFECT_API_URL: url} | known):
        check_server(url)
        with get_client(sync_client=True) as client:
            yield _server(client, url)
            there = read_identity(client)
            if there is None:
                text = "this server has no service of this program"
                yield Finding("service", "warning", text, "pst serve brings one up")
                return
            yield _alike(there)
            yield Finding("database", "ok", there.database)
            for pool in (PAIRS, BATCHES):
                yield _pool(client, pool)
            yield _late(client)
            yield _dead()
            yield _slots(client)


def _server(client: "SyncPrefectClient", url: str) -> Finding:
    version = client.api_version()
    text = f"Prefect {version} at {url}"
    try:
        check_version(version)
    except PstError as error:
        return Finding("server", "warning", f"{text}: {error}")
    return Finding("server", "ok", text)


def _alike(there: Identity) -> Finding:
    try:
        check_alike(there, identity_here())
    except PstError as error:
        return Finding("service", "warning", str(error))
    return Finding("service", "ok", "its store, program and weights are this machine's")


def _pool(client: "SyncPrefectClient", name: str) -> Finding:
    """Whether somebody takes what waits in a pool."""
    from prefect.client.schemas.objects import WorkerStatus
    from prefect.exceptions import ObjectNotFound

    label = f"pool {name}"
    try:
        paused = client.read_work_pool(name).is_paused
    except ObjectNotFound:
        return Finding(label, "warning", "it is not there", "pst serve makes it")
    workers = client.read_workers_for_work_pool(name)
    alive = [worker for worker in workers if worker.status == WorkerStatus.ONLINE]
    text = f"{counted(len(alive), 'worker')} alive"
    gone = sorted((worker for worker in workers if worker not in alive), key=lambda worker: worker.name)
    if gone:
        since = (f"{each.name} since {_moment(each.last_heartbeat_time)}" for each in gone)
        text += f", silent: {', '.join(since)}"
    if paused:
        return Finding(label, "warning", f"{text}; paused", how_to_resume(name))
    if not alive:
        return Finding(label, "warning", text, "pst serve or pst worker starts some")
    return Finding(label, "ok", text)


def _moment(time: object) -> str:
    return str(time).partition(".")[0] if time else "ever"


def _late(client: "SyncPrefectClient") -> Finding:
    """Runs that should have begun."""
    from prefect.client.schemas import filters

    late = filters.FlowRunFilterState(name=filters.FlowRunFilterStateName(any_=["Late"]))
    count = len(client.read_flow_runs(flow_run_filter=filters.FlowRunFilter(state=late), limit=200))
    text = f"{counted(count, 'run')} late"
    if count:
        return Finding("late runs", "warning", text, "more workers, or a pool that is paused lets them wait")
    return Finding("late runs", "ok", text)


def _dead() -> Finding:
    """Runs whose process is gone, and that nobody has told of."""
    hosts = sorted(note.host for note in dead_runs())
    text = f"{counted(len(hosts), 'run')} dead"
    if hosts:
        where = ", ".join(dict.fromkeys(hosts))
        return Finding(
            "dead runs", "warning", f"{text}, on {where}", "the service marks them within a minute"
        )
    return Finding("dead runs", "ok", text)


def _slots(client: "SyncPrefectClient") -> Finding:
    """Slots that no run holds, for which later runs are cancelled."""
    stuck = find_stuck_slots(client)
    if stuck:
        text = ", ".join(f"{counted(each.count, 'slot')} of {each.deployment}" for each in stuck)
        return Finding(
            "slots", "warning", f"held by no run: {text}", "the service frees them within two minutes"
        )
    return Finding("slots", "ok", "none is held by a dead run")
