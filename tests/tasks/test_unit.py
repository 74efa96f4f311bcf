"""What a unit's run returned is had at once, be it computed or found done; what it raised is raised."""

import pytest
from prefect import flow

from tasks.records import keep_results_in_store
from tasks.results import Surveyed
from tasks.unit import returned, unit


@unit("survey", run_name="cuts before {limit}")
def count_up(limit: int) -> Surveyed:
    if limit < 0:
        raise ValueError("nothing is before it")
    return Surveyed(cuts=tuple(range(limit)))


@flow(persist_result=False)
def run_thrice():
    keep_results_in_store()
    runs = [count_up(limit=3, return_state=True) for _ in range(2)]
    return [(run.name, returned(run), run.result()) for run in runs], count_up(limit=-1, return_state=True)


def test_what_a_unit_returned_is_what_prefect_says(prefect_server_for_tests, pst_home):
    done, failed = run_thrice()
    expected = Surveyed(cuts=(0, 1, 2))
    assert done == [(name, expected, expected) for name in ("Completed", "Cached")]
    with pytest.raises(ValueError, match="nothing is before it"):
        returned(failed)
