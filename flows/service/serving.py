"""`pst serve`: everything of the service brought up, looked after, and ended in order."""

import time
from pathlib import Path

from flows.runtime.interrupts import Stopped
from flows.runtime.proxies import past_proxies
from flows.runtime.settings import import_prefect
from flows.service.automations import have_automations
from flows.service.database import Database, check_database, choose_database, upgrade_database
from flows.service.deployments import deploy, deploying_environment, find_file
from flows.service.identity import identity_here, tell_identity
from flows.service.looking import Lookout
from flows.service.place import keeping_the_store, service_home
from flows.service.server import (
    LastingServer,
    check_port,
    client_settings,
    environment_of_service,
    server_password,
)
from flows.service.settings import ServiceSettings, check_password
from flows.service.working import ENDING, posts_of, tell, working
from flows.workers.pools import BATCHES, DESCRIPTIONS, PAIRS, have_pool, have_shard_deployment
from pst_core.store import pst_home

LOOK_SECONDS = 30.0
SERVER_LOOK_SECONDS = 5.0


def serve(settings: ServiceSettings) -> None:
    """Bring the service up, and look after it until a signal ends it.

    Raises
    ------
    ServiceError, ServerError, PoolError, ConfigError, WeightsError, StoreError
        It cannot be brought up, with what is in the way.
    """
    check_password(settings, server_password())
    database, file = choose_database(settings.database), find_file(settings.deployments)
    posts = posts_of(settings.workers)
    import_prefect()
    from prefect.settings import temporary_settings

    with keeping_the_store(settings.address), past_proxies(settings.address):
        home = service_home()
        home.mkdir(parents=True, exist_ok=True)
        check_port(settings)
        check_database(database, home, tell)
        upgrade_database(database, home, environment_of_service(settings, database))
        with (
            LastingServer(settings, database, home, tell) as server,
            temporary_settings(client_settings(settings)),
        ):
            _prepare(settings, database, file)
            with working((PAIRS, BATCHES), posts) as workers:
                tell(f"{settings.address} is the service's address; {database.kind}; {workers}.")
                _look_after(server, Lookout(f"{settings.address}/api", tell))


def _prepare(settings: ServiceSettings, database: Database, file: Path) -> None:
    """Have on the server what a service needs; what is there and right is left as it is."""
    from prefect.client.orchestration import get_client
    from prefect.settings import get_current_settings

    with get_client(sync_client=True) as client:
        have_pool(client, BATCHES, DESCRIPTIONS[BATCHES])
        have_shard_deployment(client, have_pool(client, PAIRS, DESCRIPTIONS[PAIRS]))
        reached_by = get_current_settings().to_environment_variables(exclude_unset=True)
        environment = deploying_environment(reached_by, pst_home() / "pictures")
        if names := deploy(client, file, service_home(), environment):
            tell(f"Deployed from {file}: {', '.join(names)}.")
        have_automations(client)
        tell_identity(client, identity_here(database.kind, with_weights=settings.workers != 0))


def _look_after(server: LastingServer, lookout: Lookout) -> None:
    """Look every now and then, until a signal comes."""
    last = float("-inf")
    try:
        while True:
            server.look()
            if time.monotonic() - last > LOOK_SECONDS:
                lookout.look()
                last = time.monotonic()
            time.sleep(SERVER_LOOK_SECONDS)
    except (KeyboardInterrupt, Stopped):
        tell(ENDING)
