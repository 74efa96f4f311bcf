"""`pst worker`: another machine joins a service, if it sees what the service sees."""

import time
from collections.abc import Sequence
from socket import gethostname
from typing import TYPE_CHECKING

from flows.runtime.configured_server import check_server
from flows.runtime.interrupts import Stopped
from flows.runtime.proxies import past_proxies
from flows.runtime.settings import import_prefect
from flows.service.database import SQLITE_NAME
from flows.service.identity import Identity, identity_here, read_identity
from flows.service.place import ServiceError, find_keeper
from flows.service.working import ENDING, tell, working
from flows.workers.pools import BATCHES, PAIRS, find_pool, how_to_resume
from flows.workers.posts import Number, check_name, find_posts
from pst_core.network.identity import ENVIRONMENT
from pst_core.store import pst_home
from pst_core.store.mounts import check_locks_reach_everybody

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

LOOK_SECONDS = 60.0
SQLITE_FOR_SEVERAL = (
    "The service's database is SQLite, which is for one machine: give pst serve a --database of PostgreSQL's."
)


def join(workers: Number, pool: str | None, name: str | None) -> None:
    """Work for the service at ``PREFECT_API_URL`` until a signal comes.

    Parameters
    ----------
    workers
        How many worker processes.
    pool
        The one that they take runs from; None for pairs, and a worker for batches besides.
    name
        What they are called in Prefect's UI.

    Raises
    ------
    ServerError, ServiceError, PoolError, ConfigError, WeightsError, StoreError
        The machine cannot work for it, with what is in the way.
    """
    import_prefect()
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, temporary_settings

    if name is not None:
        check_name(name)
    posts = find_posts(workers)
    url = (PREFECT_API_URL.value() or "").strip()
    if not url:
        raise ServiceError(
            "Which service the workers are for is not said: set PREFECT_API_URL, such as "
            "http://SERVICE:4200/api, and PST_HOME to the folder that it shares."
        )
    pools = (PAIRS, BATCHES) if pool is None else (pool,)
    with past_proxies(url), temporary_settings({PREFECT_API_URL: url}):
        check_server(url)
        with get_client(sync_client=True) as client:
            warnings = check_fitness(client, pools)
        for warning in warnings:
            tell(f"warning: {warning}")
        with working(pools, posts, name) as told:
            tell(f"{url.removesuffix('/api')} is the service's address; {told}.")
            _wait()


def check_fitness(client: "SyncPrefectClient", pools: Sequence[str]) -> list[str]:
    """Make sure that this machine can work for a service; what is odd, but no hindrance.

    Raises
    ------
    ServiceError, PoolError, WeightsError, StoreError
        It cannot.
    """
    there = read_identity(client)
    if there is None:
        raise ServiceError(
            "The Prefect server at PREFECT_API_URL has no service of this program: start one there with "
            "pst serve."
        )
    check_alike(there, identity_here())
    check_version(client.api_version())
    warnings = []
    for pool in pools:
        if find_pool(client, pool).is_paused:
            warnings.append(f"The work pool {pool} is paused: {how_to_resume(pool)} lets it go on.")
    keeper = find_keeper()
    if keeper is None or keeper.host != gethostname():
        check_locks_reach_everybody(pst_home())
        warnings += [SQLITE_FOR_SEVERAL] if there.database == SQLITE_NAME else []
    return warnings


def check_alike(there: Identity, here: Identity) -> None:
    """Make sure that a machine makes the same of a pair as the service's, and puts it to the same place.

    Raises
    ------
    ServiceError
        It does not.
    """
    if here.store != there.store:
        raise ServiceError(
            f"{pst_home()} is another store than the service's: mount the service's PST_HOME here, and set "
            "PST_HOME to it."
        )
    if here.code != there.code:
        raise ServiceError(
            "This machine has another version of the program than the service, and their results would "
            "differ: install the same on both."
        )
    if there.weights and here.weights != there.weights:
        raise ServiceError(
            f"This machine has other VGG-19 weights ({_short(here.weights)}) than the service "
            f"({_short(there.weights)}): name a copy of the service's in {ENVIRONMENT}."
        )


def check_version(version: str) -> None:
    """Make sure that the server's Prefect is that of the workers.

    Raises
    ------
    ServiceError
        It is an older or a newer one.
    """
    from prefect import __version__

    if version.split(".")[:2] != __version__.split(".")[:2]:
        raise ServiceError(
            f"The server has Prefect {version}, and this machine {__version__}: install the same on both."
        )


def _wait() -> None:
    """Wait for a signal; workers that end are started again meanwhile."""
    try:
        while True:
            time.sleep(LOOK_SECONDS)
    except (KeyboardInterrupt, Stopped):
        tell(ENDING)


def _short(identity: str) -> str:
    return identity if len(identity) < 20 else f"sha256 {identity[:12]}"
