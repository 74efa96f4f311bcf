"""Small versions of the trials of workers that a batch hires: real processes, stood-in steps."""

import pytest
from service_runs import pairs_in
from trials.deadly_pair import deadly
from trials.many_workers import work

pytestmark = pytest.mark.service


def test_two_workers_do_every_pair_once(tmp_path, verdict):
    work(tmp_path, pairs_in(tmp_path, 4), pairs=4, seconds=0.3, workers=2, verdict=verdict)


def test_a_pair_that_kills_its_process_is_found_by_itself(tmp_path, verdict):
    deadly(tmp_path, pairs=5, workers=2, unit="render", verdict=verdict)
