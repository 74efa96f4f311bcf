"""Small versions of the trials of a service's batches: real processes, PostgreSQL, stood-in steps."""

import random

import pytest
from batch_runs import settings_file
from service_runs import pairs_in
from trials.cancel_batch import Cancelling
from trials.thousand_pairs import handed_out, many

pytestmark = pytest.mark.service


def test_a_batch_of_a_service_loses_nothing(serving, tmp_path, verdict):
    many(serving, pairs_in(tmp_path, 10), settings_file(tmp_path), 10, verdict)


def test_more_pairs_than_workers_can_take_wait_for_them(serving, tmp_path, verdict):
    pairs = 300
    handed_out(
        serving, pairs_in(tmp_path, pairs, seed=7), settings_file(tmp_path), pairs, verdict, timed=False
    )


def test_a_cancelled_batch_stops_and_goes_on(serving, verdict):
    Cancelling(serving, pairs=2, evaluations=400, chance=random.Random(0), verdict=verdict).run(0)
