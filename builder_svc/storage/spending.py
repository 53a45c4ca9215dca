"""Keeps what builds have spent that have not ended yet."""

import sqlalchemy as sa

from autopack.database.database import Database
from autopack.database.operations import operations_table
from autopack.database.upsert import upsert
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
            "request_id": request_id,
            "seconds": spent.seconds,
            "input_tokens": spent.input_tokens,
            "output_tokens": spent.output_tokens,
        }
        await self._database.transaction(lambda connection: connection.execute(upsert(spending), values))

    async def prune(self, before: float) -> None:
        """Forgets what belongs to no build that is known, which are pruned before."""
        del before
        unknown = spending.c.request_id.not_in(sa.select(operations_table.c.request_id))
        await self._database.transaction(
            lambda connection: connection.execute(sa.delete(spending).where(unknown))
        )
