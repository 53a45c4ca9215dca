"""Keeps what was exchanged with models and commands, by the SHA-256 of its bytes."""

import asyncio
import hashlib
import zlib
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from autopack.database.database import Database
from builder_svc.storage.tables import exchanges


class ExchangeStore:
    """Written once, never changed."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        """`clock` gives Unix seconds."""
        self._database = database
        self._clock = clock

    async def keep(self, project_id: str, request_id: str, document: bytes) -> str:
        """Stores a document, which has no secrets in it any more; returns its digest, hex."""
        digest, content = await asyncio.to_thread(_packed, document)

        def work(connection: Connection) -> None:
            known = connection.execute(
                sa.select(exchanges.c.digest).where(exchanges.c.digest == digest)
            ).first()
            if known is None:
                connection.execute(
                    sa.insert(exchanges).values(
                        digest=digest,
                        project_id=project_id,
                        request_id=request_id,
                        content=content,
                        create_time=self._clock(),
                    )
                )

        await self._database.transaction(work)
        return digest

    async def read(self, digest: str) -> bytes | None:
        """The document; None if there is none with that digest."""

        def work(connection: Connection) -> bytes | None:
            query = sa.select(exchanges.c.content).where(exchanges.c.digest == digest)
            return connection.execute(query).scalar_one_or_none()

        content = await self._database.read(work)
        return None if content is None else await asyncio.to_thread(zlib.decompress, content)


def _packed(document: bytes) -> tuple[str, bytes]:
    return hashlib.sha256(document).hexdigest(), zlib.compress(document)
