"""What an orchestrator drove when it was killed."""

import sqlalchemy as sa

from autopack.database.database import Database
from orchestrator_svc.domain.states import RunState
from orchestrator_svc.storage.tables import runs


async def left_by(database: Database, owner: str) -> tuple[str, ...]:
    """Ids of running runs that this owner has claimed and not let go, oldest first."""

    def read(connection: sa.Connection) -> tuple[str, ...]:
        mine = sa.and_(runs.c.state == RunState.RUNNING, runs.c.owner == owner)
        query = sa.select(runs.c.run_id).where(mine).order_by(runs.c.submit_time)
        return tuple(connection.execute(query).scalars())

    return await database.read(read)
