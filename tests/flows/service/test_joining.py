"""A machine joins a service only if it sees what that sees; else a sentence says what it lacks."""

import pytest
from prefect import __version__

from flows.service.identity import Identity
from flows.service.joining import check_alike, check_version
from flows.service.place import ServiceError

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
