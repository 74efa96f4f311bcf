import pytest
from stores import Filled

from pst_core import steady
from pst_core.store import open_store


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    """A disk that fails for good is not waited for."""
    monkeypatch.setattr(steady, "WAITS", (0.0, 0.0))


@pytest.fixture
def store(tmp_path):
    return open_store(tmp_path / "store")


@pytest.fixture
def filled(store):
    """A store with one published result: what there is, and where it lies."""
    return Filled(store)
