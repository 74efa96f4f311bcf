"""A service on PostgreSQL with two workers, which the tests of a process share."""

import pytest
from postgres import postgres_server
from service_runs import Place, Verdict, service

WORKERS = 2


@pytest.fixture(scope="session")
def serving(tmp_path_factory):
    """The service; its pairs' evaluations take a tenth of a second each. Without PostgreSQL it fails."""
    place = Place(tmp_path_factory.mktemp("service"), evaluation_seconds=0.1)
    with postgres_server() as postgres, service(place, workers=WORKERS, postgres=postgres) as up:
        yield up


@pytest.fixture
def verdict():
    """What a trial promises; a promise that was broken is the test's failure."""
    verdict = Verdict()
    yield verdict
    assert not verdict.broken
