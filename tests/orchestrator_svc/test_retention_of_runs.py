"""Of a run that ended long ago the rows are forgotten; what it landed, and who still waits, stay."""

import asyncio

import pytest

from autopack.database.database import Database
from autopack.errors import NotFound
from orchestrator_svc.__main__ import MIGRATIONS
from orchestrator_svc.engine import Engine
from orchestrator_svc.storage.runs import RunStore
from tests.orchestrator_svc.conftest import Client, a_plan, git
from tests.orchestrator_svc.doubles import NEEDS_APPROVAL, Script

LATER = 4e9
"""A time after every test."""


async def test_only_runs_that_have_ended_are_forgotten_with_all_their_rows(
    client: Client, script: Script, database_url: str
) -> None:
    await client.run(a_plan("one", ("two", ["one"])), "ended")
    script.decide = lambda phase, attempt, approved: NEEDS_APPROVAL
    await client.run(a_plan("asks"), "waits")
    database = await asyncio.to_thread(Database.open, database_url, MIGRATIONS)

    await RunStore(database).prune(LATER)
    await RunStore(database).prune(LATER)

    await database.close()
    with pytest.raises(NotFound, match="RUN_NOT_FOUND"):
        await client.get("ended")
    assert (await client.get("waits")).phases[0].phase_id == "asks"
    assert client.landed("ended") == ["one", "two"]
    assert git(client.repository, "for-each-ref", "refs/autopack/")


async def test_a_run_that_has_just_ended_is_kept(client: Client, database_url: str) -> None:
    await client.run(a_plan("one"))
    database = await asyncio.to_thread(Database.open, database_url, MIGRATIONS)

    await RunStore(database).prune(0.0)

    await database.close()
    assert (await client.get()).phases


async def test_an_engine_that_drives_nothing_has_nothing_to_forget() -> None:
    async def drive(run_id: str) -> None: ...

    await Engine("sqlite://", "local", drive).prune(LATER)
