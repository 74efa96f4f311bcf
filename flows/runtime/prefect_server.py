"""What runs Prefect's server: its usual command, with transactions of SQLite that wait for one another.

``python -m flows.runtime.prefect_server server start ...``. Prefect begins a transaction as a reader, and
where another one wrote meanwhile SQLite refuses it at once: no patience helps, for what was read is out of
date. The request fails, and its client asks again after 2, 4, 8, 16 seconds, while a GPU stands idle. Begun
as a writer, it waits for its turn, some milliseconds. PostgreSQL needs none of this.
"""

import runpy
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from flows.runtime.settings import import_prefect

if TYPE_CHECKING:
    from prefect.server.database.configurations import AioSqliteConfiguration
    from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction

MODULE = "flows.runtime.prefect_server"


def patient_sqlite(url: str) -> "AioSqliteConfiguration":
    """Prefect's way with a database of SQLite, every transaction begun as a writer.

    Parameters
    ----------
    url
        The database's.
    """
    from prefect.server.database.configurations import AioSqliteConfiguration

    class PatientSqlite(AioSqliteConfiguration):
        @asynccontextmanager
        async def begin_transaction(
            self, session: "AsyncSession", with_for_update: bool = True
        ) -> "AsyncGenerator[AsyncSessionTransaction, None]":
            del with_for_update  # as all of them are
            async with super().begin_transaction(session, with_for_update=True) as transaction:
                yield transaction

    return PatientSqlite(connection_url=url)


def main() -> None:
    """Run Prefect's command with the arguments of this one."""
    import_prefect()
    from prefect.server.database.dependencies import temporary_database_config
    from prefect.settings import get_current_settings

    url = get_current_settings().server.database.connection_url
    address = url.get_secret_value() if url is not None else ""
    with temporary_database_config(patient_sqlite(address) if address.startswith("sqlite") else None):
        runpy.run_module("prefect", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
