"""`pst worker`: workers of another machine for a lasting service."""

from flows.workers.posts import Number


def worker(*, workers: Number = "auto", pool: str | None = None, name: str | None = None) -> int:
    """Work for a service until a signal comes; the exit status.

    Parameters
    ----------
    workers
        Worker processes on this machine, or auto: as many as keep its GPUs busy, without a GPU one.
    pool
        The work pool to take from. Default: pairs from pst, and batches from pst-batches.
    name
        What the workers are called in Prefect's UI, in place of the machine's name.
    """
    from flows.service.joining import join

    join(workers, pool, name)
    return 0
