"""Two transactions at once on a database of SQLite: whoever comes second waits, and nobody is refused."""

import asyncio

import pytest
import sqlalchemy as sa
from prefect.server.database.configurations import AioSqliteConfiguration

from flows.runtime.prefect_server import patient_sqlite


def prefects_own(url):
    return AioSqliteConfiguration(connection_url=url)


async def _read_then_write(configuration, name, has_read, may_write):
    """As Prefect's server makes a run: whether it is there is asked first."""
    session = await configuration.session(await configuration.engine())
    async with session, configuration.begin_transaction(session):
        found = await session.execute(sa.text("SELECT count(*) FROM runs"))
        count = found.scalar_one()
        has_read.set()
        await may_write.wait()
        await session.execute(sa.text("INSERT INTO runs VALUES (:name)"), {"name": name})
    return count


async def _both_at_once(configuration):
    engine = await configuration.engine()
    async with engine.begin() as connection:
        await connection.execute(sa.text("CREATE TABLE runs (name TEXT)"))
    first_read, second_read, go = asyncio.Event(), asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(_read_then_write(configuration, "first", first_read, go))
    await first_read.wait()
    second = asyncio.create_task(_read_then_write(configuration, "second", second_read, go))
    await asyncio.sleep(0.2)  # so that it reads, if nobody keeps it from doing so
    go.set()
    try:
        return await asyncio.gather(first, second)
    finally:
        await asyncio.gather(first, second, return_exceptions=True)
        await engine.dispose()


def test_a_transaction_waits_for_the_one_before_it(tmp_path):
    counts = asyncio.run(_both_at_once(patient_sqlite(f"sqlite+aiosqlite:///{tmp_path}/runs.db")))
    assert counts == [0, 1], "the second saw what the first had written"


def test_prefects_own_way_refuses_one_of_them(tmp_path):
    """If this fails, Prefect has mended it, and `flows.runtime.prefect_server` can go."""
    with pytest.raises(sa.exc.OperationalError, match="locked"):
        asyncio.run(_both_at_once(prefects_own(f"sqlite+aiosqlite:///{tmp_path}/runs.db")))
