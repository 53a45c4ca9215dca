"""Keeps what was exchanged with models and commands, by the SHA-256 of its bytes."""

import asyncio
import hashlib
import zlib
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from autopack.database.database import Database
from builder_svc.storage.tables import exchanges, recordings


class ExchangeStore:
    """Documents are written once and never changed."""

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
            # A build that was cut off and started again has a new one.
            connection.execute(sa.delete(recordings).where(recordings.c.request_id == request_id))
            connection.execute(
                sa.insert(recordings).values(
                    request_id=request_id,
                    project_id=project_id,
                    digest=digest,
                    create_time=self._clock(),
                )
            )

        await self._database.transaction(work)
        return digest

    async def prune(self, before: float) -> None:
        """Forgets what was exchanged before then."""

        def work(connection: Connection) -> None:
            connection.execute(sa.delete(recordings).where(recordings.c.create_time < before))
            used = sa.select(recordings.c.digest)
            connection.execute(
                sa.delete(exchanges).where(exchanges.c.create_time < before, exchanges.c.digest.not_in(used))
            )

        await self._database.transaction(work)

    async def find(self, project_id: str, request_id: str) -> bytes | None:
        """The document of a build of this project, of its last start where the machine failed some."""
        same = recordings.c.request_id == request_id
        again = recordings.c.request_id.startswith(f"{request_id}~", autoescape=True)
        query = (
            sa.select(recordings.c.digest)
            .where(recordings.c.project_id == project_id, same | again)
            .order_by(recordings.c.create_time.desc())
            .limit(1)
        )
        digest = await self._database.read(lambda connection: connection.execute(query).scalar_one_or_none())
        return None if digest is None else await self.read(digest)

    async def read(self, digest: str) -> bytes | None:
        """The document; None if there is none with that digest."""

        def work(connection: Connection) -> bytes | None:
            query = sa.select(exchanges.c.content).where(exchanges.c.digest == digest)
            return connection.execute(query).scalar_one_or_none()

        content = await self._database.read(work)
        return None if content is None else await asyncio.to_thread(zlib.decompress, content)


def _packed(document: bytes) -> tuple[str, bytes]:
    return hashlib.sha256(document).hexdigest(), zlib.compress(document)
