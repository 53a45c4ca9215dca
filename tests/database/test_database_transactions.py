"""Transactions: all or nothing, serial on both databases, off the event loop."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from autopack.database import database as database_module
from autopack.database.database import Database
from autopack.errors import FailedPrecondition, Unavailable
from autopack.telemetry.context import current_trace_id, trace_parent

MIGRATIONS = Path(__file__).parent / "migrations"

counters = sa.Table(
    "counters",
    sa.MetaData(),
    sa.Column("name", sa.String(20), primary_key=True),
    sa.Column("value", sa.Integer),
)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = await asyncio.to_thread(Database.open, database_url, MIGRATIONS)
    await opened.transaction(
        lambda connection: connection.execute(counters.insert().values(name="a", value=0))
    )
    yield opened
    await opened.close()


def value(connection: Connection) -> int:
    found: int = connection.execute(sa.select(counters.c.value).where(counters.c.name == "a")).scalar_one()
    return found


def increase(connection: Connection) -> None:
    connection.execute(counters.update().values(value=value(connection) + 1))


async def test_what_a_transaction_wrote_is_read(database: Database) -> None:
    await database.transaction(increase)
    assert await database.read(value) == 1


async def test_a_transaction_returns_what_the_work_returns(database: Database) -> None:
    assert await database.transaction(value) == 0


async def test_a_transaction_that_raises_leaves_nothing(database: Database) -> None:
    def work(connection: Connection) -> None:
        increase(connection)
        raise KeyError("after the write")

    with pytest.raises(KeyError):
        await database.transaction(work)
    assert await database.read(value) == 0


async def test_concurrent_read_modify_writes_lose_nothing(database: Database) -> None:
    await asyncio.gather(*(database.transaction(increase) for _ in range(20)))
    assert await database.read(value) == 20


async def test_a_read_cannot_write(database: Database) -> None:
    with pytest.raises((FailedPrecondition, sa.exc.InternalError)):
        await database.read(increase)
    await database.transaction(increase)
    assert await database.read(value) == 1


async def test_a_read_sees_one_state_while_others_write(database: Database) -> None:
    loop = asyncio.get_running_loop()

    def work(connection: Connection) -> tuple[int, int]:
        before = value(connection)
        asyncio.run_coroutine_threadsafe(database.transaction(increase), loop).result(10)
        return before, value(connection)

    assert await database.read(work) == (0, 0)
    assert await database.read(value) == 1


async def test_reads_go_on_while_a_transaction_is_open(database: Database) -> None:
    opened, release = threading.Event(), threading.Event()

    def work(connection: Connection) -> None:
        increase(connection)
        opened.set()
        assert release.wait(10)

    running = asyncio.create_task(database.transaction(work))
    assert await asyncio.to_thread(opened.wait, 10)
    assert await database.read(value) == 0
    release.set()
    await running
    assert await database.read(value) == 1


async def test_cancelling_the_caller_does_not_stop_what_has_begun(
    database: Database, database_url: str
) -> None:
    opened, release = threading.Event(), threading.Event()

    def work(connection: Connection) -> None:
        opened.set()
        assert release.wait(10)
        increase(connection)

    running = asyncio.create_task(database.transaction(work))
    assert await asyncio.to_thread(opened.wait, 10)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    release.set()
    await database.close()
    again = await asyncio.to_thread(Database.open, database_url, MIGRATIONS)
    assert await again.read(value) == 1
    await again.close()


async def test_a_violated_constraint_is_the_callers_to_handle(database: Database) -> None:
    with pytest.raises(sa.exc.IntegrityError):
        await database.transaction(
            lambda connection: connection.execute(counters.insert().values(name="a", value=1))
        )


async def test_wrong_sql_is_not_called_an_outage(database: Database) -> None:
    with pytest.raises(sa.exc.DBAPIError):
        await database.read(lambda connection: connection.execute(sa.text("SELECT nothing FROM nowhere")))


async def test_the_work_goes_on_with_the_callers_trace(database: Database) -> None:
    with trace_parent("ab" * 16, "cd" * 8):
        assert await database.read(lambda connection: current_trace_id()) == "ab" * 16


async def test_a_database_that_answers_answers(database: Database) -> None:
    await database.ping()


async def test_a_transaction_that_always_collides_gives_up(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "BACKOFF_SECONDS", 0)
    attempts = 0

    class Collision(Exception):
        sqlstate = "40001"

    def work(connection: Connection) -> None:
        nonlocal attempts
        attempts += 1
        raise sa.exc.OperationalError("UPDATE", {}, Collision())

    with pytest.raises(Unavailable, match="DATABASE_BUSY"):
        await database.transaction(work)
    assert attempts == database_module.SERIAL_ATTEMPTS
