import threading
import time
from functools import partial

import pytest

from pst_core.sequences.side_by_side import side_by_side


def test_results_come_in_the_order_of_their_jobs():
    def job(number):
        time.sleep(0.01 * (number % 3))
        return number

    assert [*side_by_side(partial(job, number) for number in range(20))] == [*range(20)]


def test_few_jobs_are_ahead_of_who_asks(monkeypatch):
    monkeypatch.setattr("pst_core.sequences.side_by_side.usable_cores", lambda: 2)
    begun = []

    def jobs():
        for number in range(20):
            begun.append(number)
            yield lambda: None

    results = side_by_side(jobs())
    next(results)
    assert len(begun) == 3
    results.close()
    assert len(begun) == 3


def test_what_a_job_raises_is_raised_in_its_turn():
    done = threading.Event()

    def fail():
        done.wait(5)
        raise ValueError("this one")

    results = side_by_side([lambda: 1, fail])
    assert next(results) == 1 if not done.set() else False
    with pytest.raises(ValueError, match="this one"):
        next(results)
