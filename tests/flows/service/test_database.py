"""Databases that cannot be used are refused in a sentence, which holds no password."""

import contextlib
import socket
import sqlite3
import sys

import pytest

from flows.service import database
from flows.service.database import Database, check_database, choose_database, upgrade_database
from flows.service.place import ServiceError
from flows.service.server import environment_of_service
from flows.service.settings import ServiceSettings


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch):
    monkeypatch.delenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", raising=False)
    monkeypatch.delenv("PREFECT_API_DATABASE_CONNECTION_URL", raising=False)


@pytest.mark.parametrize(("url", "words"), [
    ("postgresql://me:secret@db/x", r"postgresql\+asyncpg://"), ("postgres://me:secret@db/x", "asyncpg"),
    ("mysql://me:secret@db/x", "mysql://me@db/x"), ("sqlite:///x.db", "no database"),
    ("secret", "--database"),
])  # fmt: skip
def test_other_kinds_of_databases_are_refused_without_the_password(url, words):
    with pytest.raises(ServiceError, match=words) as error:
        choose_database(url)
    assert "me:secret" not in str(error.value)


@pytest.mark.parametrize("account", ["me:sec@ret", "me:sec/ret", "me:sec?ret", "me:sec#ret"])
def test_a_password_that_is_not_escaped_is_named_without_showing_any_of_it(account):
    with pytest.raises(ServiceError, match="%40") as error:
        choose_database(f"postgresql+asyncpg://{account}@db/x")
    assert "sec" not in str(error.value) and "ret" not in str(error.value)


@pytest.mark.parametrize(("address", "words"), [
    ("db:port/x", "address cannot be read"), ("127.0.0.1:1/x?sslmode=require", "sslmode"),
])  # fmt: skip
def test_an_address_that_cannot_be_used_is_told_at_once(tmp_path, address, words):
    with pytest.raises(ServiceError, match=words) as error:
        check_database(choose_database(f"postgresql+asyncpg://me:secret@{address}"), tmp_path, pytest.fail)
    assert "secret" not in str(error.value)


def test_the_command_line_goes_before_the_variable_and_sqlite_is_the_default(monkeypatch):
    assert choose_database(None).kind == "SQLite" and not choose_database(None).is_shared
    monkeypatch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", "postgresql+asyncpg://me:secret@one/x")
    assert "@one/" in choose_database(None).url and choose_database(None).kind == "PostgreSQL"
    given = choose_database("postgresql+asyncpg://me:secret@two/x?password=secret")
    assert "@two/" in given.url and "secret" in given.url
    assert "secret" not in given.shown + repr(given)


def test_a_database_that_does_not_answer_is_waited_for_then_named(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "STARTING_SECONDS", 0.0)
    with socket.socket() as closed:  # bound, and nobody listens
        closed.bind(("127.0.0.1", 0))
        url = f"postgresql+asyncpg://me:secret@127.0.0.1:{closed.getsockname()[1]}/x"
        with pytest.raises(ServiceError, match="refuses") as error:
            check_database(choose_database(url), tmp_path, [].append)
    assert "secret" not in str(error.value)


def test_a_damaged_history_of_the_services_own_is_told_not_replaced(tmp_path):
    (tmp_path / "prefect.db").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    with pytest.raises(ServiceError, match=r"prefect\.db"):
        check_database(Database("sqlite+aiosqlite:///prefect.db", "SQLite"), tmp_path, [].append)
    assert (tmp_path / "prefect.db").stat().st_size > 5000


def test_an_upgrade_that_the_database_refuses_is_told_with_what_it_says(tmp_path, monkeypatch):
    refusing = tmp_path / "python"
    refusing.write_text(
        "#!/bin/sh\n"
        "echo 'asyncpg.exceptions.InsufficientPrivilegeError: permission denied for schema public'\n"
        "echo 'An exception occurred.'\nexit 1\n"
    )
    refusing.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(refusing))
    with pytest.raises(ServiceError, match=r"\(permission denied for schema public\).*upgrade\.log"):
        upgrade_database(Database("postgresql+asyncpg://db/x", "postgresql+asyncpg://db/x"), tmp_path, {})


def test_a_history_of_a_newer_prefect_is_refused(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "prefect.db")) as connection, connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
        connection.execute("INSERT INTO alembic_version VALUES ('ffffffffffff')")
    chosen = choose_database(None)
    environment = environment_of_service(ServiceSettings(), chosen)
    with pytest.raises(ServiceError, match="newer Prefect"):
        upgrade_database(chosen, tmp_path, environment)
