"""Jobs overlap in a fixed order: one computes, the next is ready, the last is finished; all end in order."""

import threading
import time

import pytest

from flows.runtime import lanes
from flows.runtime.cancellation import RunAbandoned, RunCancelled, safe_points
from flows.runtime.lanes import (
    BEHIND,
    Lanes,
    is_one_of_many,
    jobs_behind,
    leave_lane,
    seconds_waited,
    take_lane,
)

SECONDS = 20.0  # after which a test gives up waiting


class Told:
    """What happens, in order; and a way to wait for it."""

    def __init__(self):
        self.events, self.changed = [], threading.Condition()

    def __call__(self, *event):
        with self.changed:
            self.events.append(event)
            self.changed.notify_all()

    def wait_for(self, *event):
        with self.changed:
            assert self.changed.wait_for(lambda: event in self.events, SECONDS), (event, self.events)

    def of(self, kind):
        return [place for what, place in self.events if what == kind]


@pytest.fixture
def told():
    return Told()


def do(run, told, places=range(4), behind=1, ended=None):
    def begun():
        for place in places:
            told("begun", place)
            yield place

    def tell(place, outcome):
        told("ended", place)
        if ended is not None:
            ended(place, outcome)

    with safe_points() as stop_if_asked:
        Lanes(run, tell, lambda place: told("turn", place), stop_if_asked, behind).do(begun())


def test_one_computes_at_a_time_and_all_end_in_their_order(told):
    computing = []

    def run(place):
        take_lane()
        computing.append(place)
        assert computing == [place]
        time.sleep(0.02)
        computing.remove(place)
        leave_lane()
        told("finished", place)
        return place

    outcomes = []
    do(run, told, ended=lambda *outcome: outcomes.append(outcome))
    assert outcomes == [(place, place) for place in range(4)]
    assert told.of("finished") == told.of("turn") == [*range(4)]
    for place in range(1, 4):  # a display hears of a pair once the one before it is told of
        assert told.events.index(("ended", place - 1)) < told.events.index(("turn", place))


@pytest.mark.parametrize("behind", [1, 2])
def test_while_one_computes_others_get_ready_and_are_finished_but_not_many(told, behind):
    most, held, finish = [], set(), threading.Event()

    def run(place):
        held.add(place)
        told("ready", place)
        take_lane()
        told("computing", place)
        most.append(len(held))
        if place == 0:
            told.wait_for("ready", 1)  # before this one has computed
        leave_lane()
        if place == 0:
            told.wait_for("computing", behind)  # before this one is finished
            told.wait_for("ready", behind + 1)
            time.sleep(0.05)
            assert told.of("begun") == [*range(behind + 2)]
            finish.set()
        held.discard(place)

    do(run, told, places=range(6), behind=behind)
    assert finish.is_set() and max(most) <= behind + 2
    assert told.of("ended") == [*range(6)]


def test_none_begins_while_another_waits_for_the_lane(told):
    def run(place):
        told("ready", place)
        take_lane()
        if place == 0:
            told.wait_for("ready", 1)
            time.sleep(0.1)
            assert told.of("begun") == [0, 1]
        leave_lane()

    do(run, told)


def test_one_that_has_nothing_to_compute_needs_no_lane(told):
    def run(place):
        if place != 1:
            take_lane()
            leave_lane()
        return place

    outcomes = []
    do(run, told, ended=lambda *outcome: outcomes.append(outcome))
    assert outcomes == [(place, place) for place in range(4)]


def test_a_large_one_computes_with_none_beside_it(told):
    at_work = set()

    def run(place):
        take_lane(alone=place == 1)
        assert not at_work or 1 not in {place, *at_work}
        at_work.add(place)
        leave_lane()
        time.sleep(0.02)
        at_work.discard(place)

    do(run, told)
    assert told.of("ended") == [*range(4)]


def test_one_that_computes_once_more_takes_the_lane_again_before_later_ones(told):
    def run(place):
        take_lane()
        told("computing", place)
        if place == 1:
            told.wait_for("asks again", 0)
            time.sleep(0.05)
        leave_lane()
        if place == 0:
            told.wait_for("computing", 1)
            told("asks again", 0)
            take_lane()
            told("again", 0)
            leave_lane()

    do(run, told)
    assert told.events.index(("again", 0)) < told.events.index(("computing", 2))


@pytest.mark.parametrize(("error", "met"), [(RunCancelled, RunCancelled), (ValueError, RunAbandoned)])
def test_what_ends_one_ends_those_behind_it_and_is_raised_when_they_have_ended(told, error, met):
    def run(place):
        take_lane()
        told("computing", place)
        leave_lane()
        if place == 1:
            told.wait_for("computing", 2)
            raise error
        if place > 1:
            told("not to be", place)

    def noted(place):
        try:
            run(place)
        except BaseException as raised:
            told(type(raised), place)
            raise

    with pytest.raises(error):
        do(noted, told, behind=2)
    assert told.of("ended") == [0] and told.of("not to be") == []
    assert 2 in told.of(met)


def test_what_the_owner_raises_ends_all(told):
    def run(place):
        take_lane()
        leave_lane()

    def refuse(place, _):
        raise OSError(place)

    with pytest.raises(OSError, match="0"):
        do(run, told, ended=refuse)
    assert told.of("ended") == [0]


def test_time_that_is_waited_is_no_work(told):
    waited = {}

    def run(place):
        take_lane()
        if place == 0:
            time.sleep(0.3)
        leave_lane()
        waited[place] = seconds_waited()

    do(run, told, places=range(2))
    assert waited[0] < 0.2 < waited[1]


def test_what_is_no_job_waits_for_nothing():
    assert not is_one_of_many() and seconds_waited() == 0.0
    take_lane(alone=True)
    leave_lane()


def test_how_many_may_be_behind_goes_by_the_cores_or_is_told(monkeypatch):
    monkeypatch.delenv(BEHIND, raising=False)
    monkeypatch.setattr(lanes, "usable_cores", lambda: 1)
    assert jobs_behind() == 0
    monkeypatch.setattr(lanes, "usable_cores", lambda: 2)
    assert jobs_behind() == 1
    for told, meant in (("0", 0), ("2", 2), ("many", 1)):
        monkeypatch.setenv(BEHIND, told)
        assert jobs_behind() == meant
