"""The service's database: SQLite for one machine, PostgreSQL for several."""

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flows.runtime.history import DATABASE, find_problem
from flows.service.place import ServiceError

SQLITE, POSTGRESQL = "sqlite+aiosqlite", "postgresql+asyncpg"
SQLITE_NAME, POSTGRESQL_NAME = "SQLite", "PostgreSQL"
EXAMPLE = f"{POSTGRESQL}://user:password@host/prefect"
CONNECT_SECONDS = 10.0
STARTING_SECONDS = 60.0
"""What a database gets to come up: after a power cut all start at once."""
UPGRADE_SECONDS = 1800.0
_VARIABLES = ("PREFECT_SERVER_DATABASE_CONNECTION_URL", "PREFECT_API_DATABASE_CONNECTION_URL")
_TO_BE_ESCAPED = "@/?#"
_COMING_UP = ("starting up", "shutting down", "in recovery mode", "not yet accepting")


@dataclass(frozen=True)
class Database:
    """Where the server keeps its history.

    Attributes
    ----------
    url : str
        With its password: not to be shown.
    shown : str
        Without.
    """

    url: str = field(repr=False)
    shown: str

    @property
    def is_shared(self) -> bool:
        """Whether it is one for several machines."""
        return self.url.startswith(POSTGRESQL)

    @property
    def kind(self) -> str:
        """What it is called."""
        return POSTGRESQL_NAME if self.is_shared else SQLITE_NAME


def choose_database(given: str | None) -> Database:
    """The database that is asked for on the command line, else by Prefect's variable, else SQLite.

    Raises
    ------
    ServiceError
        It is none that the server can use.
    """
    named = given or next(filter(None, (os.environ.get(name) for name in _VARIABLES)), None)
    if named is None:
        return Database(f"{SQLITE}:///{DATABASE}", SQLITE_NAME)  # as seen from the server's own folder
    scheme, _, rest = named.partition("://")
    if any(mark in rest.rpartition("@")[0] for mark in _TO_BE_ESCAPED):  # where would the password end?
        raise ServiceError(
            "User and password of the database hold characters that mean something in an address: write "
            "@ as %40, / as %2F, ? as %3F and # as %23."
        )
    shown = _without_password(named)
    if scheme not in (SQLITE, POSTGRESQL):
        better = f"write {POSTGRESQL}://..." if scheme.startswith("postgres") else f"name one as {EXAMPLE}"
        raise ServiceError(
            f"{shown} is no database that the server can use: {better}, or leave --database out for SQLite."
        )
    return Database(named, shown)


def check_database(database: Database, home: Path, tell: Callable[[str], None]) -> None:
    """Make sure that the database lets us in, waiting for one that is just coming up.

    Parameters
    ----------
    home
        The server's folder, in which its own SQLite lies.
    tell
        Told if there is something to wait for.

    Raises
    ------
    ServiceError
        It does not, with what it says.
    """
    if not database.is_shared:
        if problem := find_problem(home / DATABASE):
            raise ServiceError(
                f"The service's history, {home / DATABASE}, cannot be used ({problem}): move it away and a "
                "new one is begun; results do not depend on it."
            )
        return
    until, told = time.monotonic() + STARTING_SECONDS, False
    while (refusal := _refusal(database)) is not None:
        reason, may_pass = refusal
        if not may_pass or time.monotonic() > until:
            raise ServiceError(f"The database {database.shown} refuses ({reason}): see that it runs and that "
                               "its address, user and password are right.")  # fmt: skip
        if not told:
            tell(f"The database {database.shown} does not answer yet ({reason}): waiting for it.")
            told = True
        time.sleep(1)


def upgrade_database(database: Database, home: Path, environment: Mapping[str, str]) -> None:
    """Bring the database's schema to that of this Prefect, before a server starts on it.

    Raises
    ------
    ServiceError
        It is one of a newer Prefect's, or the upgrade failed.
    """
    command = [sys.executable, "-P", "-m", "prefect", "server", "database", "upgrade", "--yes"]
    log = home / "upgrade.log"
    try:
        ended = subprocess.run(
            command, env=environment, cwd=home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=UPGRADE_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ServiceError(
            f"Upgrading the database {database.shown} took longer than {UPGRADE_SECONDS / 60:.0f} minutes: "
            "see that nothing else uses it."
        ) from error
    if ended.returncode == 0:
        return
    log.write_bytes(ended.stdout)
    if b"Can't locate revision" in ended.stdout:
        from prefect import __version__

        raise ServiceError(
            f"The database {database.shown} was used by a newer Prefect than this one ({__version__}): "
            "install that one, or name another database."
        )
    said = re.findall(rb"asyncpg\.exceptions\.\w+: (.+)", ended.stdout)
    reason = f" ({said[-1].decode(errors='replace')})" if said else ""
    raise ServiceError(f"The database {database.shown} cannot be upgraded{reason}: {log} says more.")


def _refusal(database: Database) -> tuple[str, bool] | None:
    """Why the database does not let us in, and whether that may pass; None if it does."""
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    try:
        asyncio.run(_connect(database.url))
    except DBAPIError as error:
        said = str(error.orig).rpartition(">: ")[2]
        return said, any(words in said for words in _COMING_UP)
    except TimeoutError:
        return f"no answer within {CONNECT_SECONDS:.0f} s", True
    except OSError as error:
        return error.strerror or str(error), True
    except (ImportError, SQLAlchemyError, ValueError, TypeError) as error:
        return _describe_misuse(error), False
    return None


def _describe_misuse(error: Exception) -> str:
    """What is wrong with an address that was not even tried."""
    if isinstance(error, ImportError):
        return f"{error.name} is missing, pip install asyncpg"
    if isinstance(error, TypeError):  # an option behind its question mark that asyncpg does not know
        return str(error)
    return "its address cannot be read"  # and what the error says may hold the password


async def _connect(url: str) -> None:
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(url, connect_args={"timeout": CONNECT_SECONDS})
    try:
        async with engine.connect():
            pass
    finally:
        await engine.dispose()


def _without_password(url: str) -> str:
    scheme, mark, rest = url.partition("://")
    if not mark:
        return "--database"
    place, query, _ = rest.partition("?")  # in which a password may stand, too
    before, at, host = place.rpartition("@")
    with contextlib.suppress(ValueError):
        before = before.partition(":")[0]
    return f"{scheme}://{before}{at}{host}{'?...' if query else ''}"
