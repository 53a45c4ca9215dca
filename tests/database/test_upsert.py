"""A row takes the place of the one with its key, on either database."""

import asyncio
from pathlib import Path

from sqlalchemy.engine import Connection

from autopack.database.database import Database
from autopack.database.operations import operations_table
from autopack.database.upsert import upsert

MIGRATIONS = Path(__file__).parent / "migrations"
ROW = {
    "method": "Build",
    "request_id": "a",
    "request_digest": "d",
    "state": "RUNNING",
    "result": None,
    "error": "",
    "create_time": 1.0,
    "update_time": 1.0,
}


async def test_the_second_row_of_a_key_replaces_the_first(database_url: str) -> None:
    database = await asyncio.to_thread(Database.open, database_url, MIGRATIONS)

    def work(connection: Connection) -> None:
        for row in (ROW, {**ROW, "method": "Other"}, {**ROW, "state": "DONE", "result": b"\x00done"}):
            connection.execute(upsert(operations_table), row)

    await database.transaction(work)

    rows = await database.read(lambda connection: connection.execute(operations_table.select()).all())

    await database.close()
    assert sorted((row.method, row.state, row.result) for row in rows) == [
        ("Build", "DONE", b"\x00done"),
        ("Other", "RUNNING", None),
    ]
