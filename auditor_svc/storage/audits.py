"""Audits that have ended, by a key of all that went into them, and the requests that they answered."""

import asyncio
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from autopack.database.database import Database
from autopack.database.operations import operations_table
from autopack.database.upsert import upsert

_metadata = sa.MetaData()
audits = sa.Table(
    "audits",
    _metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("audit", sa.LargeBinary, nullable=False),
    sa.Column("sarif", sa.LargeBinary, nullable=False),
    sa.Column("create_time", sa.Float, nullable=False),
)
"""Times in Unix seconds; documents compressed."""
audit_requests = sa.Table(
    "audit_requests",
    _metadata,
    sa.Column("request_id", sa.String(300), primary_key=True),
    sa.Column("key", sa.String(64), sa.ForeignKey("audits.key", ondelete="CASCADE"), nullable=False),
)


@dataclass(frozen=True, slots=True)
class StoredAudit:
    """An audit as it is stored."""

    audit: bytes
    """The message of the contract, without a request's id."""
    sarif: bytes
    """The document, UTF-8."""


class AuditStore:
    """The stored audits."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        """`clock` gives Unix seconds."""
        self._database = database
        self._clock = clock

    async def reuse(self, key: str, request_id: str) -> bytes | None:
        """The audit with that key, which then answers the request too; None if there is none."""

        def work(connection: Connection) -> bytes | None:
            audit = connection.execute(
                sa.select(audits.c.audit).where(audits.c.key == key)
            ).scalar_one_or_none()
            if audit is not None:
                _link(connection, request_id, key)
            return audit

        return await self._database.transaction(work)

    async def put(self, key: str, request_id: str, stored: StoredAudit) -> None:
        """Stores what answers the request, in place of an earlier audit with that key."""
        now = self._clock()

        def work(connection: Connection) -> None:
            values = {"audit": stored.audit, "sarif": zlib.compress(stored.sarif), "create_time": now}
            connection.execute(upsert(audits), {"key": key, **values})
            _link(connection, request_id, key)

        await self._database.transaction(work)

    async def sarif(self, request_id: str) -> bytes | None:
        """The document of a request's audit; None where there is none."""
        query = (
            sa.select(audits.c.sarif)
            .join(audit_requests, audit_requests.c.key == audits.c.key)
            .where(audit_requests.c.request_id == request_id)
        )
        data = await self._database.read(lambda connection: connection.execute(query).scalar_one_or_none())
        return None if data is None else await asyncio.to_thread(zlib.decompress, data)

    async def state(self, request_id: str) -> str | None:
        """The state of a request's operation; None if it was never started."""
        query = sa.select(operations_table.c.state).where(operations_table.c.request_id == request_id)
        return await self._database.read(lambda connection: connection.execute(query).scalar_one_or_none())

    async def prune(self, before: float) -> None:
        """Forgets what was made before then: it is made anew."""
        old = sa.select(audits.c.key).where(audits.c.create_time < before)

        def work(connection: Connection) -> None:
            connection.execute(sa.delete(audit_requests).where(audit_requests.c.key.in_(old)))
            connection.execute(sa.delete(audits).where(audits.c.create_time < before))

        await self._database.transaction(work)


def _link(connection: Connection, request_id: str, key: str) -> None:
    connection.execute(upsert(audit_requests), {"request_id": request_id, "key": key})
