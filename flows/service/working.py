"""The workers of a machine that serves, or joins, a service."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from flows.workers.pools import BATCHES
from flows.workers.posts import Number, Post, find_posts, host_name
from flows.workers.processes import WorkerProcesses

BATCHES_AT_ONCE = 4
"""Of one worker: what only plans and hands out waits most of the time."""
ENDING = "Ending: what is at work stops at its next safe point."


def tell(sentence: str) -> None:
    """Say something in a line that goes to whoever keeps the service's log."""
    print(sentence, flush=True)


@contextmanager
def working(pools: Sequence[str], posts: Sequence[Post], name: str | None = None) -> Iterator[str]:
    """Have a worker at each post while the block runs, or one in all for batches.

    Parameters
    ----------
    pools
        Those that they take runs from.
    posts
        Those of this machine; none: no worker at all.
    name
        What they are called in Prefect's UI, in place of the machine's name.

    Yields
    ------
    str
        How many work, and where.
    """
    with ExitStack() as stack:
        told = []
        for pool in pools if posts else ():
            here = [Post(f"{host_name()}-batches")] if pool == BATCHES else posts
            limit = BATCHES_AT_ONCE if pool == BATCHES else 1
            stack.enter_context(WorkerProcesses(pool, _named(here, name), limit=limit, tell=tell))
            told.append(f"{len(here)} of pool {pool}")
        yield f"workers on this machine: {', '.join(told) or 'none'}"


def posts_of(workers: Number) -> tuple[Post, ...]:
    """The posts of so many workers; none of none."""
    return () if workers == 0 else find_posts(workers)


def _named(posts: Sequence[Post], name: str | None) -> list[Post]:
    if name is None:
        return list(posts)
    return [replace(post, name=f"{name}{post.name.removeprefix(host_name())}") for post in posts]
