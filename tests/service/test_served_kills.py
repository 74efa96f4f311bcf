"""A small version of the trial that kills a service's parts: real processes, PostgreSQL, stood-in steps."""

import random

import pytest
from service_runs import ROLES
from trials.kill_service import Killing

pytestmark = pytest.mark.service


def test_whatever_is_killed_the_batch_is_finished(serving, verdict):
    Killing(serving, ROLES, kills=len(ROLES), pairs=8, chance=random.Random(0), verdict=verdict).run()
