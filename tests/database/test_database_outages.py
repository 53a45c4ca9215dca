"""What can go wrong with a database, each with its reason."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from autopack.database import database as database_module
from autopack.database.database import Database
from autopack.errors import FailedPrecondition, ResourceExhausted, Unavailable
from autopack.testing.postgres import create_database, start_postgres

MIGRATIONS = Path(__file__).parent / "migrations"


def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="DATABASE_UNAVAILABLE"):
        Database.open(f"postgresql+psycopg://postgres@/x?host={tmp_path}", MIGRATIONS)


def test_a_password_is_in_no_message(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        Database.open(f"postgresql+psycopg://postgres:hunter2@/x?host={tmp_path}", MIGRATIONS)
    assert "hunter2" not in str(caught.value)


async def test_a_server_that_dies_is_unavailable_and_is_found_again(tmp_path: Path) -> None:
    with start_postgres(tmp_path) as url:
        database = await asyncio.to_thread(Database.open, create_database(url), MIGRATIONS)
        await database.ping()
    with pytest.raises(Unavailable, match="DATABASE_UNAVAILABLE"):
        await database.ping()
    with start_postgres(tmp_path):
        await database.ping()
    await database.close()


async def test_connections_that_the_server_has_dropped_are_replaced(postgres_url: str) -> None:
    database = await asyncio.to_thread(Database.open, create_database(postgres_url), MIGRATIONS)
    await database.ping()
    terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
    with pytest.raises(Unavailable):
        await database.transaction(lambda connection: connection.execute(sa.text(terminate)))
    await database.ping()
    await database.close()


def test_a_file_that_is_no_database_is_said_to_be_damaged(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(FailedPrecondition, match="DATABASE_CORRUPT"):
        Database.open(f"sqlite:///{tmp_path}/x.db", MIGRATIONS)


def test_a_path_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "x.db").mkdir()
    with pytest.raises(Unavailable, match="DATABASE_UNAVAILABLE"):
        Database.open(f"sqlite:///{tmp_path}/x.db", MIGRATIONS)


async def test_another_process_that_holds_the_lock_is_waited_for_and_then_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "BUSY_SECONDS", 0.05)
    database = await asyncio.to_thread(Database.open, f"sqlite:///{tmp_path}/x.db", MIGRATIONS)
    other = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="DATABASE_BUSY"):
        await database.transaction(lambda connection: None)
    await database.ping()
    other.close()
    await database.transaction(lambda connection: None)
    await database.close()


async def test_a_full_disk_is_named_and_nothing_is_half_written(tmp_path: Path) -> None:
    database = await asyncio.to_thread(Database.open, f"sqlite:///{tmp_path}/x.db", MIGRATIONS)
    big = sa.text(
        "INSERT INTO counters (name, value) SELECT hex(randomblob(500)), 1 FROM counters, counters AS b"
    )

    def fill(connection: sa.Connection) -> None:
        connection.execute(sa.text("PRAGMA max_page_count=30"))
        connection.execute(sa.text("INSERT INTO counters VALUES ('a', 1), ('b', 2), ('c', 3), ('d', 4)"))
        for _ in range(10):
            connection.execute(big)

    with pytest.raises(ResourceExhausted, match="DISK_FULL"):
        await database.transaction(fill)
    count = sa.text("SELECT count(*) FROM counters")
    assert await database.read(lambda connection: connection.execute(count).scalar_one()) == 0
    await database.close()


async def test_sqlite_is_durable_and_holds_foreign_keys(tmp_path: Path) -> None:
    database = await asyncio.to_thread(Database.open, f"sqlite:///{tmp_path}/x.db", MIGRATIONS)

    def pragmas(connection: sa.Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [connection.execute(sa.text(f"PRAGMA {name}")).scalar_one() for name in names]

    assert await database.read(pragmas) == ["wal", 2, 1]
    await database.close()
