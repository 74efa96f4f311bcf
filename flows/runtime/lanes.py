"""Jobs that overlap, in a fixed order: one gets ready, one computes in the lane, the last one is finished.

Each job is done whole, in a thread of its own with a copy of the context. It gets ready, takes the lane
before it computes, leaves it when that is done, and waits for those before it to end before it is finished:
one computes at a time, results appear in the jobs' order, and only so many jobs are held at once. Whoever has
the jobs done hears of their ends in its own thread, where signals and cancellations are noticed.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable
from contextvars import ContextVar, copy_context
from typing import Any, Generic, Literal, TypeVar

from flows.runtime.cancellation import SafePoint
from pst_core.cores import usable_cores

T = TypeVar("T")
BEHIND = "PST_PAIRS_BEHIND"
LOOK_SECONDS = 0.2
"""How often a signal or a cancellation is looked for while nothing happens."""


def jobs_behind() -> int:
    """How many jobs, besides the one in the lane, may not have ended when one more begins; 0: no lanes.

    One, unless ``PST_PAIRS_BEHIND`` says otherwise; none where there is only one core for all of it.
    """
    told = os.environ.get(BEHIND, "")
    if told.isdecimal():
        return int(told)
    return 1 if usable_cores() > 1 else 0


class _Job(Generic[T]):
    """A job that has begun and whose end is not told yet."""

    def __init__(self, place: int) -> None:
        self.place = place
        # One that was ended by what ends all the others, too, has none go on behind it.
        self.phase: Literal["ahead", "in lane", "behind", "ended", "broken off"] = "ahead"
        self.alone = False
        self.waited = 0.0
        self.made: list[T] = []
        self.error: BaseException | None = None


class Lanes(Generic[T]):
    """Does jobs as this module says.

    Parameters
    ----------
    run
        Does a job, by its place; it may call `take_lane` and `leave_lane`.
    ended
        Called with a job's place and what `run` returned, in the jobs' order.
    turn
        Called with a job's place when all before it are told of.
    stop_if_asked
        Called wherever a job or the jobs' owner waits.
    behind
        How many jobs, besides the one in the lane, may not have ended when one more begins; at least 1.
    """

    def __init__(
        self, run: Callable[[int], T], ended: Callable[[int, T], None], turn: Callable[[int], None],
        stop_if_asked: SafePoint, behind: int,
    ) -> None:  # fmt: skip
        self._run, self._ended, self._turn = run, ended, turn
        self._stop_if_asked, self._most = stop_if_asked, behind + 1
        self._jobs: list[_Job[T]] = []
        self._threads: list[threading.Thread] = []
        self._changed = threading.Condition()

    def do(self, places: Iterable[int]) -> None:
        """Do the jobs of these places; each place is asked for when its job may begin, never before.

        Raises whatever a job raised, or `stop_if_asked` or `ended`, once all that had begun has ended.
        """
        try:
            for place in places:
                self._begin(place)
                self._tell_until(self._has_room)
            self._tell_until(lambda: not self._jobs)
        except BaseException as error:
            with self._stop_if_asked.ending_others(error):
                for thread in self._threads:
                    thread.join()
            raise

    def _begin(self, place: int) -> None:
        job = _Job[T](place)
        # Ends with the process, where a second signal ends that at once.
        thread = threading.Thread(target=copy_context().run, args=(self._do, job), daemon=True)
        with self._changed:
            self._jobs.append(job)
        if self._jobs[0] is job:
            self._turn(place)
        self._threads = [each for each in self._threads if each.is_alive()]
        thread.start()
        self._threads.append(thread)

    def _do(self, job: _Job[T]) -> None:
        _here.set((self, job))
        try:
            job.made.append(self._run(job.place))
        except BaseException as error:  # noqa: BLE001 - raised where the jobs are waited for
            job.error = error
        finally:
            with self._changed:
                job.phase = "ended" if job.error is None else "broken off"
                self._changed.notify_all()

    def _has_room(self) -> bool:
        return len(self._jobs) <= self._most and all(job.phase != "ahead" for job in self._jobs)

    def _tell_until(self, enough: Callable[[], bool]) -> None:
        while True:
            self._stop_if_asked()
            with self._changed:
                first = next((job for job in self._jobs[:1] if job.phase in {"ended", "broken off"}), None)
                if first is None and not enough():
                    self._changed.wait(LOOK_SECONDS)
                    continue
            if first is None:
                return
            self._tell(first)

    def _tell(self, job: _Job[T]) -> None:
        if job.error is not None:
            raise job.error
        self._ended(job.place, job.made[0])
        with self._changed:
            self._jobs.remove(job)
            self._changed.notify_all()
        if self._jobs:
            self._turn(self._jobs[0].place)

    def take(self, job: _Job[T], *, alone: bool) -> None:
        """Give a job the lane when it is its turn."""
        with self._changed:
            job.phase, job.alone = "ahead", alone
            self._wait(job, lambda: self._lane_is_free_for(job))
            job.phase = "in lane"
            self._changed.notify_all()

    def leave(self, job: _Job[T]) -> None:
        """Take the lane back, and wait for all jobs before this one to end."""
        with self._changed:
            job.phase = "behind"
            self._changed.notify_all()
            self._wait(job, lambda: all(each.phase == "ended" for each in self._before(job)))

    def _lane_is_free_for(self, job: _Job[T]) -> bool:
        before = self._before(job)
        if job.alone or any(each.alone for each in before):
            return all(each.phase == "ended" for each in before)
        return all(each.phase in {"behind", "ended"} for each in before) and not any(
            each.phase == "in lane" for each in self._jobs
        )

    def _before(self, job: _Job[T]) -> list[_Job[T]]:
        return self._jobs[: self._jobs.index(job)]

    def _wait(self, job: _Job[T], ready: Callable[[], bool]) -> None:
        began = time.monotonic()
        while not ready():
            self._stop_if_asked()
            self._changed.wait(LOOK_SECONDS)
        job.waited += time.monotonic() - began


_here: ContextVar[tuple[Lanes[Any], _Job[Any]] | None] = ContextVar("_here", default=None)


def is_one_of_many() -> bool:
    """Whether what runs here may have to wait for a lane."""
    return _here.get() is not None


def take_lane(*, alone: bool = False) -> None:
    """Wait for the lane, with which the job here may compute; for work that is no job, do nothing.

    Parameters
    ----------
    alone
        Whether the job is so large that nothing is to be done beside it.
    """
    if (here := _here.get()) is not None:
        here[0].take(here[1], alone=alone)


def leave_lane() -> None:
    """Leave the lane to the next job, and wait until those before this one have ended."""
    if (here := _here.get()) is not None:
        here[0].leave(here[1])


def seconds_waited() -> float:
    """How long the job here has waited for others."""
    return 0.0 if (here := _here.get()) is None else here[1].waited
