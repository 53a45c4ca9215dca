"""Changes that have not landed yet, as packs, so that an orchestrator with another directory can go on."""

from collections.abc import Callable

import sqlalchemy as sa

from autopack.database.database import Database
from orchestrator_svc.storage.tables import attempts, handoffs, phases


def keep(run_id: str, phase_id: str, number: int, pack: bytes) -> Callable[[sa.Connection], None]:
    """Keeps an attempt's change until its run ends; in the transaction that says that it was built."""

    def work(connection: sa.Connection) -> None:
        key = {"run_id": run_id, "phase_id": phase_id, "number": number}
        # A build that was done again, after a fault of the machine, may have made another change.
        connection.execute(sa.delete(handoffs).where(*(handoffs.c[name] == key[name] for name in key)))
        connection.execute(sa.insert(handoffs).values(**key, pack=pack))

    return work


async def lacking(database: Database, run_id: str, has: Callable[[str], bool]) -> list[bytes]:
    """Packs of the changes that are needed and that `has` does not know, in the order of their building."""

    def needed(connection: sa.Connection) -> list[sa.Row[tuple[str, int, str]]]:
        same = sa.and_(phases.c.run_id == attempts.c.run_id, phases.c.phase_id == attempts.c.phase_id)
        query = (
            sa.select(attempts.c.phase_id, attempts.c.number, attempts.c.change)
            .join(phases, same)
            .where(attempts.c.run_id == run_id, ~phases.c.ended, attempts.c.change != "")
            .order_by(phases.c.position, attempts.c.number)
        )
        return list(connection.execute(query))

    wanted = [row for row in await database.read(needed) if not has(row.change)]

    def packs(connection: sa.Connection) -> list[bytes]:
        found = []
        for row in wanted:
            query = sa.select(handoffs.c.pack).where(
                handoffs.c.run_id == run_id,
                handoffs.c.phase_id == row.phase_id,
                handoffs.c.number == row.number,
            )
            if (pack := connection.execute(query).scalar_one_or_none()) is not None:
                found.append(pack)
        return found

    return await database.read(packs) if wanted else []
