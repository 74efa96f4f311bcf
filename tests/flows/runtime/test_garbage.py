"""The garbage collector, kept from what stays: by what it looks at, and what it still finds."""

import gc
import weakref

import pytest

from flows.cli import app
from flows.runtime.garbage import loading


class Loop:
    """An object that only the collector can take away."""

    def __init__(self):
        self.own = self


@pytest.fixture(autouse=True)
def _collecting():
    gc.unfreeze()
    yield
    gc.unfreeze()
    gc.enable()


def is_looked_at(thing):
    return any(each is thing for each in gc.get_objects())


def test_what_is_loaded_is_passed_over_and_what_comes_later_is_collected():
    with loading():
        assert not gc.isenabled()
        stays = Loop()
    assert gc.isenabled()
    assert not is_looked_at(stays)
    later = Loop()
    gone = weakref.ref(later)
    del later
    gc.collect()
    assert gone() is None


def test_a_collector_that_was_off_stays_off_and_one_that_was_on_comes_back_after_a_failure():
    gc.disable()
    with loading():
        pass
    assert not gc.isenabled()
    gc.enable()
    with pytest.raises(ImportError), loading():
        raise ImportError
    assert gc.isenabled()


@pytest.mark.parametrize("status", [0, 3])
def test_the_end_of_a_command_looks_at_nothing_that_it_had(monkeypatch, status):
    left = Loop()
    monkeypatch.setattr(app, "run", lambda arguments: status)
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == status
    assert not is_looked_at(left)
