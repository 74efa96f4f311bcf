"""Jobs done side by side whose results come in order, a few of them ahead."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from pst_core.cores import usable_cores

T = TypeVar("T")


def side_by_side(jobs: Iterable[Callable[[], T]]) -> Iterator[T]:
    """Results of jobs in their order; as many are done at once as there are cores, and no more are held.

    What a job raises is raised in its turn. Whoever stops asking waits for the jobs that were begun.
    """
    threads = usable_cores()
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(threads, initializer=_prepare) as pool:
        try:
            for job in jobs:
                waiting.append(pool.submit(job))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _prepare() -> None:
    from pst_core.machine import prepare_thread

    prepare_thread()
