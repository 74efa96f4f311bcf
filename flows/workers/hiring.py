"""Workers for the length of a run, with a pool of their own."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from flows.workers.pools import HIRED, have_pool
from flows.workers.posts import Number, find_posts, host_name
from flows.workers.processes import WorkerProcesses


@contextmanager
def hired_workers(number: Number, tell: Callable[[str], None]) -> Iterator[str]:
    """Have workers while the block runs; their pool goes with them.

    Parameters
    ----------
    number
        See `flows.workers.posts.find_posts`.
    tell
        See `WorkerProcesses`.

    Yields
    ------
    str
        The pool's name.

    Raises
    ------
    ConfigError, StoreError
        The number is none, or they cannot be started.
    """
    import httpx
    from prefect.client.orchestration import get_client

    posts = find_posts(number)
    name = f"pst-{host_name()}-{os.getpid()}"
    with get_client(sync_client=True) as client:
        have_pool(client, name, HIRED, limit=len(posts))
    try:
        with WorkerProcesses(name, posts, tell=tell):
            yield name
    finally:
        with suppress(httpx.HTTPError), get_client(sync_client=True) as client:
            client.delete_work_pool(name)
