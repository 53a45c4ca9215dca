"""Long work as Start and Wait: done once for each request id, stored before it is told."""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from autopack.database.database import Database
from autopack.errors import AlreadyExists, AutopackError, Internal, NotFound, Reason, Unavailable
from autopack.rpc.deadline import deadline_after

logger = logging.getLogger(__name__)

RUNNING, DONE, FAILED = "RUNNING", "DONE", "FAILED"

Work = Callable[[], Awaitable[bytes]]


def _columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("method", sa.String(100), primary_key=True),
        sa.Column("request_id", sa.String(300), primary_key=True),
        sa.Column("request_digest", sa.String(64), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("result", sa.LargeBinary),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("create_time", sa.Float, nullable=False),
        sa.Column("update_time", sa.Float, nullable=False),
    ]


operations_table = sa.Table("operations", sa.MetaData(), *_columns())
"""One row for each request id of each method; times in Unix seconds."""


def create_operations_table(op: Any) -> None:
    """For a service's first migration, with its `alembic.op`."""
    op.create_table(operations_table.name, *_columns())


@dataclass(slots=True)
class _Running:
    """An operation at work in this process, and how it ended once `ended` is set."""

    digest: str
    task: asyncio.Task[None] | None = None
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    """A task that is cancelled before its first step would never clean up."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    settling: bool = False
    """The work has ended and its result is being stored: too late to cancel."""
    cancelled_result: Callable[[], bytes] | None = None
    result: bytes = b""
    error: AutopackError | None = None


class Operations:
    """The operations of one method of one service; one process at a time has its rows."""

    def __init__(self, database: Database, clock: Callable[[], float], method: str = "") -> None:
        self._database = database
        self._clock = clock
        self._method = method
        self._running: dict[str, _Running] = {}
        self._starting = asyncio.Lock()
        self._closed = False

    async def start(self, request_id: str, request: bytes, work: Work) -> bytes | None:
        """Starts the work unless it runs or has ended; its result if it has, else None.

        `request` is the request, serialized deterministically: what makes it the same one.
        Work that a restart or an unexpected failure has cut off is started anew. It runs
        without the caller's deadline and turns refusals into results by itself.

        Raises:
            AlreadyExists: `REQUEST_ID_REUSED`, if the id has another request.
            Unavailable: `SERVICE_STOPPING`.
        """
        digest = hashlib.sha256(request).hexdigest()
        # From the row to the task nobody may come between, or the work is started twice.
        async with self._starting:
            if self._closed:
                raise _stopping()
            running = self._running.get(request_id)
            if running is not None:
                _require_same(request_id, digest, running.digest)
                return None
            row = await self._database.transaction(
                lambda connection: self._claim(connection, request_id, digest)
            )
            if row is not None:
                return bytes(row.result)
            self._launch(request_id, digest, work)
            return None

    async def wait(self, request_id: str) -> bytes:
        """The result, once there is one; cancelling this does not stop the work.

        Raises:
            NotFound: `OPERATION_NOT_FOUND`, if it was never started, or has to be after a restart.
            Internal: `OPERATION_FAILED`, if the work failed unexpectedly.
            Unavailable: `SERVICE_STOPPING`.
        """
        running = self._running.get(request_id)
        if running is not None:
            return await self._ending(running)
        row = await self._database.read(lambda connection: self._row(connection, request_id))
        if row is None or row.state == RUNNING:
            raise _not_found(request_id)
        if row.state == FAILED:
            raise _failed(request_id, row.error)
        return bytes(row.result)

    async def soon(self, request_id: str, seconds: float) -> bytes | None:
        """The result if there is one by then, else None. Raises what `wait` raises."""
        if seconds:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    return await self.wait(request_id)
        return None

    async def cancel(self, request_id: str, result: Callable[[], bytes]) -> bytes:
        """Stops the work, awaits its clean-up and stores `result()`; returns what is stored.

        What has ended before keeps its own result.

        Raises:
            NotFound: `OPERATION_NOT_FOUND`.
        """
        running = self._running.get(request_id)
        if running is None:
            return await self._settle(request_id, result())
        await running.begun.wait()
        if running.cancelled_result is None and not running.settling:
            running.cancelled_result = result
            assert running.task is not None, "set when it was launched"
            running.task.cancel()
        return await self._ending(running)

    async def prune(self, before: float) -> None:
        """Forgets what has ended before then, and what a process that is no more left at work."""

        def work(connection: Connection) -> None:
            table = operations_table.c
            old = sa.and_(table.method == self._method, table.update_time < before)
            connection.execute(
                sa.delete(operations_table).where(old, table.request_id.not_in(list(self._running)))
            )

        await self._database.transaction(work)

    async def close(self) -> None:
        """Stops what runs, awaits its clean-up, and leaves it to the next start."""
        self._closed = True
        for running in list(self._running.values()):
            await running.begun.wait()
            if running.cancelled_result is None and not running.settling:
                assert running.task is not None, "set when it was launched"
                running.task.cancel()
        while self._running:
            await next(iter(self._running.values())).ended.wait()

    def _launch(self, request_id: str, digest: str, work: Work) -> None:
        running = self._running[request_id] = _Running(digest)
        with deadline_after(None):  # the caller's deadline is not the work's
            running.task = asyncio.create_task(self._run(request_id, running, work))

    async def _ending(self, running: _Running) -> bytes:
        await running.ended.wait()
        if running.error is not None:
            raise running.error
        return running.result

    async def _run(self, request_id: str, running: _Running, work: Work) -> None:
        running.begun.set()
        try:
            result = await self._outcome(running, work)
            running.settling = True
            running.result = await self._settle(request_id, result)
        except asyncio.CancelledError:
            running.error = _stopping()
        except Exception as error:
            logger.exception("operation %s failed", request_id)
            running.error = error if isinstance(error, AutopackError) else _failed(request_id, repr(error))
            running.settling = True
            await self._store_failure(request_id, str(running.error))
        finally:
            del self._running[request_id]
            running.ended.set()

    async def _outcome(self, running: _Running, work: Work) -> bytes:
        try:
            return await work()
        except asyncio.CancelledError:
            if running.cancelled_result is None:
                raise
            return running.cancelled_result()

    def _row(self, connection: Connection, request_id: str) -> Row[Any] | None:
        return connection.execute(sa.select(operations_table).where(self._is(request_id))).one_or_none()

    def _is(self, request_id: str) -> sa.ColumnElement[bool]:
        table = operations_table.c
        return sa.and_(table.method == self._method, table.request_id == request_id)

    def _claim(self, connection: Connection, request_id: str, digest: str) -> Row[Any] | None:
        """The row if the operation has ended; otherwise marks it as running."""
        row = self._row(connection, request_id)
        now = self._clock()
        if row is None:
            connection.execute(
                sa.insert(operations_table).values(
                    method=self._method,
                    request_id=request_id,
                    request_digest=digest,
                    state=RUNNING,
                    error="",
                    create_time=now,
                    update_time=now,
                )
            )
            return None
        _require_same(request_id, digest, row.request_digest)
        if row.state == DONE:
            return row
        self._update(connection, request_id, state=RUNNING, error="")
        return None

    async def _settle(self, request_id: str, result: bytes) -> bytes:
        """Stores the result unless there is one; returns the one that is stored."""

        def work(connection: Connection) -> bytes:
            row = self._row(connection, request_id)
            if row is None:
                raise _not_found(request_id)
            if row.state == DONE:
                return bytes(row.result)
            self._update(connection, request_id, state=DONE, result=result, error="")
            return result

        return await self._database.transaction(work)

    async def _store_failure(self, request_id: str, error: str) -> None:
        try:
            await self._database.transaction(
                lambda connection: self._update(connection, request_id, state=FAILED, error=error)
            )
        except AutopackError:
            # The row still says RUNNING, so that the next start tries again all the same.
            logger.exception("the failure of operation %s could not be stored", request_id)

    def _update(self, connection: Connection, request_id: str, **values: Any) -> None:
        connection.execute(
            sa.update(operations_table)
            .where(self._is(request_id))
            .values(update_time=self._clock(), **values)
        )


def _require_same(request_id: str, digest: str, stored: str) -> None:
    if digest != stored:
        raise AlreadyExists(
            Reason(
                "REQUEST_ID_REUSED",
                f"request_id {request_id!r} was used with another request",
                "Use a new request_id for a new request.",
            )
        )


def _not_found(request_id: str) -> NotFound:
    return NotFound(
        Reason(
            "OPERATION_NOT_FOUND", f"no operation {request_id!r} is running or done here", "Start it (again)."
        )
    )


def _failed(request_id: str, error: str) -> Internal:
    return Internal(
        Reason(
            "OPERATION_FAILED", f"operation {request_id!r} failed unexpectedly: {error}", "Start it again."
        )
    )


def _stopping() -> Unavailable:
    return Unavailable(Reason("SERVICE_STOPPING", "the service stops", "Start it again."))
