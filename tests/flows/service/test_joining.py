"""A machine joins a service only if it sees what that sees; else a sentence says what it lacks."""

from types import SimpleNamespace

import pytest
from prefect import __version__
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.service.database import SQLITE_NAME
from flows.service.identity import VARIABLE, Identity, identity_here
from flows.service.joining import SQLITE_FOR_SEVERAL, check_alike, check_fitness, check_version, join
from flows.service.place import ServiceError, keeping_the_store
from pst_core.errors import ConfigError

THERE = Identity(store="a" * 32, code="c" * 64, prefect=__version__, weights="d" * 64, database="PostgreSQL")

pytestmark = pytest.mark.usefixtures("pst_home")


@pytest.mark.parametrize(("other", "words"), [
    ({"store": "b" * 32}, "another store"), ({"code": "x"}, "another version of the program"),
    ({"weights": "e" * 64}, "PST_VGG19_WEIGHTS"), ({"weights": "torchvision"}, r"\(torchvision\)"),
])  # fmt: skip
def test_what_differs_is_told(other, words):
    with pytest.raises(ServiceError, match=words):
        check_alike(THERE, THERE.model_copy(update=other))


def test_what_does_not_matter_is_let_pass():
    check_alike(THERE, THERE.model_copy(update={"database": ""}))
    check_alike(THERE.model_copy(update={"weights": ""}), THERE)  # a service that makes no pairs itself


def test_an_older_prefect_is_told():
    check_version(__version__)
    check_version(".".join([*__version__.split(".")[:2], "999"]))
    with pytest.raises(ServiceError, match=r"2\.20\.1"):
        check_version("2.20.1")


@pytest.mark.parametrize("name", ["", " ", "a/b", "../a", "50%", "a\nb", "a" * 51])
def test_a_name_that_workers_cannot_have_is_told_before_anybody_is_asked(name):
    with pytest.raises(ConfigError, match="Workers cannot be called"):
        join(1, None, name)


def test_a_name_that_workers_can_have_is_let_pass(monkeypatch):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with temporary_settings({PREFECT_API_URL: ""}), pytest.raises(ServiceError, match="Which service"):
        join(1, None, "Küche 7")


class PlayedServer:
    """A service's server, as far as whoever joins it asks."""

    def __init__(self, identity):
        self.identity = identity

    def api_version(self):
        return __version__

    def read_variable_by_name(self, name):
        return SimpleNamespace(value=self.identity.model_dump()) if name == VARIABLE else None

    def read_work_pools(self, **_):
        return [
            SimpleNamespace(name=name, type="process", is_paused=name == "paused")
            for name in ("pst", "paused")
        ]


def test_several_machines_on_sqlite_are_warned_of_and_one_is_not():
    there = identity_here(SQLITE_NAME)
    assert check_fitness(PlayedServer(there), ["pst"]) == [SQLITE_FOR_SEVERAL]
    with keeping_the_store("http://127.0.0.1:4200"):  # the service itself is on this machine
        assert check_fitness(PlayedServer(there), ["pst"]) == []
    assert check_fitness(PlayedServer(identity_here("PostgreSQL")), ["pst"]) == []


def test_a_paused_pool_is_warned_of():
    [warning] = check_fitness(PlayedServer(identity_here("PostgreSQL")), ["pst", "paused"])
    assert "The work pool paused is paused" in warning
