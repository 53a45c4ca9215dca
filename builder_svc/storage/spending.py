"""Keeps what builds have spent that have not ended yet."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from autopack.database.database import Database
from builder_svc.domain.spending import Spent
from builder_svc.storage.tables import spending


class SpendingStore:
    """One row for each build that lasted."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, request_id: str) -> Spent:
        """What was kept last; nothing for a build that is new."""
        columns = (spending.c.seconds, spending.c.input_tokens, spending.c.output_tokens)
        query = sa.select(*columns).where(spending.c.request_id == request_id)
        row = await self._database.read(lambda connection: connection.execute(query).one_or_none())
        return Spent() if row is None else Spent(*row)

    async def keep(self, request_id: str, spent: Spent) -> None:
        """Stores it durably in place of what was kept before."""
        values = {
            "seconds": spent.seconds,
            "input_tokens": spent.input_tokens,
            "output_tokens": spent.output_tokens,
        }

        def work(connection: Connection) -> None:
            insert: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
            statement = insert(spending).values(request_id=request_id, **values)
            connection.execute(
                statement.on_conflict_do_update(index_elements=[spending.c.request_id], set_=values)
            )

        await self._database.transaction(work)
