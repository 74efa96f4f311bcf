"""Small versions of the trials of services and workers: real processes, PostgreSQL, stood-in steps."""

import random

import pytest
from batch_runs import settings_file
from service_runs import ROLES, pairs_in
from trials.cancel_batch import Cancelling
from trials.deadly_pair import deadly
from trials.kill_service import Killing
from trials.many_workers import work
from trials.thousand_pairs import handed_out, many

pytestmark = pytest.mark.service

# Tests of a group follow one another in one process and share its service; groups run at once.
hired, served, killed = (pytest.mark.xdist_group(name) for name in ("hired", "served", "killed"))


@hired
def test_two_workers_do_every_pair_once(tmp_path, verdict):
    work(tmp_path, pairs_in(tmp_path, 4), pairs=4, seconds=0.3, workers=2, verdict=verdict)


@hired
def test_a_pair_that_kills_its_process_is_found_by_itself(tmp_path, verdict):
    deadly(tmp_path, pairs=5, workers=2, unit="render", verdict=verdict)


@served
def test_a_batch_of_a_service_loses_nothing(serving, tmp_path, verdict):
    many(serving, pairs_in(tmp_path, 10), settings_file(tmp_path), 10, verdict)


@served
def test_more_pairs_than_workers_can_take_wait_for_them(serving, tmp_path, verdict):
    pairs = 300
    handed_out(
        serving, pairs_in(tmp_path, pairs, seed=7), settings_file(tmp_path), pairs, verdict, timed=False
    )


@served
def test_a_cancelled_batch_stops_and_goes_on(serving, verdict):
    Cancelling(serving, pairs=2, evaluations=400, chance=random.Random(0), verdict=verdict).run(0)


@killed
def test_whatever_is_killed_the_batch_is_finished(serving, verdict):
    Killing(serving, ROLES, kills=len(ROLES), pairs=8, chance=random.Random(0), verdict=verdict).run()
