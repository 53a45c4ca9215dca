"""One database, SQLite or Postgres, with SQLAlchemy Core run in threads of its own.

Transactions are serial on both: what is right on one is right on the other.
"""

import asyncio
import contextvars
import random
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from autopack.database.migrations import head, migrate, stored_revision
from autopack.errors import AutopackError, FailedPrecondition, Reason, ResourceExhausted, Unavailable

T = TypeVar("T")

READERS = 4
"""Threads and connections for reads, and on Postgres for transactions too."""
BUSY_SECONDS = 10
"""How long to wait for another process that writes to the same SQLite file."""
IDLE_SECONDS = 5
"""How long Postgres waits for the next statement of a transaction before it gives its locks to others."""
SERIAL_ATTEMPTS = 40
"""Postgres refuses one of two transactions that got in each other's way; it is then run again."""
BACKOFF_SECONDS = 0.01
LONGEST_BACKOFF_SECONDS = 0.2

_SERIALIZATION_FAILURES = {"40001", "40P01"}
_WRITES = "autopack_writes"


class Database:
    """A migrated database. Open it with `Database.open`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sqlite = engine.dialect.name == "sqlite"
        self._readers = ThreadPoolExecutor(READERS, "database-read")
        # SQLite has one writer at a time: queueing here is fairer than its busy handler.
        self._writers = ThreadPoolExecutor(1 if self._sqlite else READERS, "database-write")

    @classmethod
    def open(cls, url: str, migrations: Path) -> "Database":
        """Opens "sqlite:///path" or "postgresql+psycopg://...", and migrates it. Blocks.

        `migrations` has Alembic revisions in its directory `versions`, and needs no env.py.

        Raises:
            Unavailable: `DATABASE_UNAVAILABLE`.
            FailedPrecondition: `DATABASE_NEWER`.
        """
        database = cls(_create_engine(url))
        try:
            # Looking first spares a second process the wait for the writer's lock.
            if database._read(stored_revision) != head(migrations):
                # A stricter isolation would not see what another process did while we waited for it.
                database._transact(lambda connection: migrate(connection, migrations), "READ COMMITTED")
        except BaseException:
            database._close()
            raise
        return database

    async def transaction(self, work: Callable[[Connection], T]) -> T:
        """Runs `work` in a transaction: all of it or nothing.

        It may be run more than once, so it does nothing but use the connection. Cancelling
        the caller does not stop it.

        Raises:
            Unavailable: `DATABASE_UNAVAILABLE`, `DATABASE_BUSY`.
            ResourceExhausted: `DISK_FULL`.
        """
        return await self._run(self._writers, lambda: self._transact(work))

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Runs `work` on one consistent state; it cannot write.

        Raises:
            Unavailable: `DATABASE_UNAVAILABLE`, `DATABASE_BUSY`.
        """
        return await self._run(self._readers, lambda: self._read(work))

    @property
    def shared(self) -> bool:
        """Whether other machines may work on it too."""
        return not self._sqlite

    async def ping(self) -> None:
        """Returns if the database answers; for health.

        Raises:
            Unavailable: `DATABASE_UNAVAILABLE`.
        """
        await self.read(lambda connection: connection.execute(sa.text("SELECT 1")).scalar_one())

    async def close(self) -> None:
        """Waits for what runs, and closes all connections."""
        await asyncio.to_thread(self._close)

    async def _run(self, executor: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        # The thread goes on with the caller's trace.
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(executor, context.run, work)

    def _read(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._engine.connect() as connection:
                if not self._sqlite:
                    connection = connection.execution_options(
                        isolation_level="REPEATABLE READ", postgresql_readonly=True
                    )
                return work(connection)
        except _REFUSED as error:
            raise _translated(error) from error

    def _transact(self, work: Callable[[Connection], T], isolation: str = "SERIALIZABLE") -> T:
        attempt = 1
        while True:
            try:
                with self._engine.connect() as connection:
                    connection = connection.execution_options(**{_WRITES: True})
                    if not self._sqlite:
                        connection = connection.execution_options(isolation_level=isolation)
                    with connection.begin():
                        return work(connection)
            except _REFUSED as error:
                state = getattr(_cause(error), "sqlstate", None)
                if state not in _SERIALIZATION_FAILURES:
                    raise _translated(error) from error
                if attempt == SERIAL_ATTEMPTS:
                    raise Unavailable(
                        Reason("DATABASE_BUSY", f"{attempt} attempts collided with others", "Try again.")
                    ) from error
            time.sleep(min(BACKOFF_SECONDS * attempt, LONGEST_BACKOFF_SECONDS) * (0.5 + random.random()))
            attempt += 1

    def _close(self) -> None:
        self._writers.shutdown()
        self._readers.shutdown()
        self._engine.dispose()


def _create_engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return sa.create_engine(
            url,
            pool_size=2 * READERS,
            max_overflow=0,
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": BUSY_SECONDS,
                # A process that was stopped within a transaction must not hold up those that go on for it.
                "options": f"-c idle_in_transaction_session_timeout={IDLE_SECONDS * 1000}",
            },
        )
    path = sa.make_url(url).database
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS}, pool_size=READERS + 1)
    sa.event.listen(engine, "connect", _prepare_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, record: object) -> None:
    connection.isolation_level = None  # SQLAlchemy's events begin transactions, not the driver
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES, False)
    # Past SQLAlchemy, which makes a result of each statement: these would cost as much as the work itself.
    driver = connection.connection.driver_connection
    assert driver is not None, "a connection that begins is open"
    if connection.info.get(_WRITES) is not writes:
        driver.execute(f"PRAGMA query_only={'OFF' if writes else 'ON'}")
        connection.info[_WRITES] = writes
    # A transaction that reads first and then writes could not wait for another writer.
    driver.execute("BEGIN IMMEDIATE" if writes else "BEGIN")


# By SQLite's error name or Postgres' SQLSTATE, whichever prefix comes first; "" is no state
# at all: the connection failed.
_REFUSALS: tuple[tuple[str, type[AutopackError], str, str], ...] = (
    ("SQLITE_BUSY", Unavailable, "DATABASE_BUSY", "Another process writes to it: try again."),
    ("SQLITE_LOCKED", Unavailable, "DATABASE_BUSY", "Another process writes to it: try again."),
    ("SQLITE_FULL", ResourceExhausted, "DISK_FULL", "Make room on the disk."),
    ("25P03", Unavailable, "DATABASE_UNAVAILABLE", "The transaction was left alone for too long: try again."),
    ("53100", ResourceExhausted, "DISK_FULL", "Make room on the disk."),
    ("SQLITE_READONLY", FailedPrecondition, "DATABASE_READ_ONLY", "Make file and directory writable."),
    ("SQLITE_CORRUPT", FailedPrecondition, "DATABASE_CORRUPT", "Restore it, or move it away."),
    ("SQLITE_NOTADB", FailedPrecondition, "DATABASE_CORRUPT", "Restore it, or move it away."),
    ("SQLITE_CANTOPEN", Unavailable, "DATABASE_UNAVAILABLE", "Check the path and its permissions."),
    ("SQLITE_IOERR", Unavailable, "DATABASE_UNAVAILABLE", "Check the disk."),
    ("08", Unavailable, "DATABASE_UNAVAILABLE", "Check that the database can be reached."),
    ("53", Unavailable, "DATABASE_UNAVAILABLE", "The database is over its limits: try again."),
    ("57P", Unavailable, "DATABASE_UNAVAILABLE", "The database stops or starts: try again."),
    ("", Unavailable, "DATABASE_UNAVAILABLE", "Check that the database can be reached."),
)


_REFUSED = (sa.exc.DBAPIError, sqlite3.Error)
"""SQLAlchemy's, and what beginning a transaction raises without it."""


def _cause(error: Exception) -> BaseException | None:
    return error.orig if isinstance(error, sa.exc.DBAPIError) else error


def _translated(error: Exception) -> Exception:
    """The error that a caller can act on; a violated constraint or wrong SQL stays as it is."""
    cause = _cause(error)
    name = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None) or ""
    for prefix, kind, code, fix in _REFUSALS:
        if name.startswith(prefix) if prefix else (not name and isinstance(error, sa.exc.OperationalError)):
            return kind(Reason(code, str(cause), fix))
    return error
