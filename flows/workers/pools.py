"""Work pools: where pairs and batches wait for workers, and who takes them."""

from typing import TYPE_CHECKING, Any

from flows.workers.engine import COMMAND
from pst_core.errors import PstError

if TYPE_CHECKING:
    from uuid import UUID

    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import WorkPool

PAIRS, BATCHES = "pst", "pst-batches"
"""What makes pictures, a slot a GPU; and what hands it out, which needs no GPU and mostly waits."""
DESCRIPTIONS = {
    PAIRS: "Makes pictures: shards of batches, single pairs, evaluations. A worker a GPU.",
    BATCHES: "Plans batches and hands their pairs out to the pool pst; mostly waits.",
}
HIRED = "Workers hired for one run."
SHARD_FLOW = "stylize-shard"
SHARD_ENTRY = "flows.shard.stylize_shard"


class PoolError(PstError):
    """There is no such work pool, or its workers cannot carry out what it is for."""


def have_pool(
    client: "SyncPrefectClient", name: str, description: str, *, limit: int | None = None
) -> "WorkPool":
    """A process pool of this name, made if there is none; one that is there is left as it is.

    Parameters
    ----------
    description
        What the UI says of it, if it is made.
    limit
        How many runs its workers have at work at once, all together; None: as many as they take.

    Raises
    ------
    PoolError
        There is one of another type.
    """
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

    try:
        pool = client.read_work_pool(name)
    except ObjectNotFound:
        try:
            pool = client.create_work_pool(
                WorkPoolCreate(
                    name=name,
                    type="process",
                    description=description,
                    concurrency_limit=limit,
                    base_job_template=_job_template(),
                )
            )
        except ObjectAlreadyExists:  # somebody else was quicker
            pool = client.read_work_pool(name)
    _check_type(pool)
    return pool


def find_pool(client: "SyncPrefectClient", name: str) -> "WorkPool":
    """The process pool of this name.

    Raises
    ------
    PoolError
        There is none, or one of another type.
    """
    # Asked for all of them: a name may be none that could stand in an address.
    pools = {pool.name: pool for pool in client.read_work_pools()}
    pool = pools.get(name)
    if pool is None:
        raise PoolError(
            f"There is no work pool {name!r} (there are: {', '.join(sorted(pools)) or 'none'}): name another "
            "with --pool, or start one with pst serve."
        )
    _check_type(pool)
    return pool


def have_shard_deployment(client: "SyncPrefectClient", pool: "WorkPool") -> "UUID":
    """The deployment whose runs are shards that this pool's workers take; made if there is none.

    Returns
    -------
    UUID
        Its id.
    """
    from prefect.exceptions import ObjectNotFound

    try:
        found = client.read_deployment_by_name(f"{SHARD_FLOW}/{pool.name}")
        if found.entrypoint == SHARD_ENTRY and found.work_pool_name == pool.name:
            return found.id
    except ObjectNotFound:
        pass
    return client.create_deployment(
        flow_id=client.create_flow_from_name(SHARD_FLOW),
        name=pool.name,
        entrypoint=SHARD_ENTRY,
        work_pool_name=pool.name,
        description="Some of a batch's pairs; the batch hands them out by itself.",
        tags=["pst", "shard"],
        parameter_openapi_schema=None,
        enforce_parameter_schema=False,
    )


def hired_for(pool: "WorkPool") -> int:
    """How many workers were hired with a pool, whether they are at their posts yet or not; else 0."""
    return pool.concurrency_limit or 0 if pool.description == HIRED else 0


def how_to_resume(pool: str) -> str:
    """What lets a pool that somebody paused go on."""
    return f"prefect work-pool resume {pool}"


def workers_alive(client: "SyncPrefectClient", pool: str) -> int:
    """How many workers of a pool are at their posts, by their heartbeats."""
    from prefect.client.schemas.objects import WorkerStatus

    return sum(each.status == WorkerStatus.ONLINE for each in client.read_workers_for_work_pool(pool))


def _check_type(pool: "WorkPool") -> None:
    if pool.type != "process":
        raise PoolError(
            f"The work pool {pool.name!r} is of type {pool.type!r}: name one of type process, or start one "
            "with pst serve."
        )


def _job_template() -> dict[str, Any]:
    from prefect.workers.process import ProcessWorker

    template: dict[str, Any] = ProcessWorker.get_default_base_job_template()
    template["variables"]["properties"]["command"]["default"] = COMMAND
    return template
