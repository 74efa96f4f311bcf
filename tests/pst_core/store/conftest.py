import pytest
from stores import Filled

from pst_core.store import open_store


@pytest.fixture
def store(tmp_path):
    return open_store(tmp_path / "store")


@pytest.fixture
def filled(store):
    """A store with one published result: what there is, and where it lies."""
    return Filled(store)
