"""Databases that the first release has left, with data in them, are brought up to date and go on.

`first_release/` has what its own commands made: a run that ended, and one that waits for approval.
"""

import sqlite3
import subprocess
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from autopack.api.gate.v1 import verdict_pb2
from autopack.api.orchestrator.v1 import orchestrator_service_pb2 as messages
from autopack.api.orchestrator.v1 import run_pb2
from autopack.database.database import Database
from autopack.database.migrations import head, stored_revision
from autopack.rpc.errors import call
from tests.orchestrator_svc.conftest import a_plan, an_orchestrator
from tests.orchestrator_svc.doubles import Script, doubles

ROOT = Path(__file__).parents[2]
RELEASED = Path(__file__).parent / "first_release"
SERVICES = ("orchestrator", "builder", "auditor", "gate", "memory")
DBOS = {
    *("application_versions", "dbos_migrations", "notifications", "operation_outputs", "queues", "streams"),
    *("workflow_events", "workflow_events_history", "workflow_input", "workflow_output"),
    *("workflow_schedules", "workflow_status"),
}
"""Tables that DBOS migrates by itself."""
PROJECT = "p-388b333c7b"
MAIN, WAITING, ENDED = (
    "f8848c04ceaf30e84e6bc1086ddbb0e31a636c63",
    "83835b0e17c42636e652159fc706a4fa465091fd",
    "12205fa2b4e5cf162b3f27145b1099c6e5dcc682",
)


def released(service: str, path: Path, repository: Path = Path("gone")) -> Path:
    """The service's database as the first release left it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        script = (RELEASED / f"{service}.sql").read_text().replace("REPOSITORY", str(repository))
        connection.executescript(script)
    return path


def rows(engine: sa.Engine, names: list[str]) -> dict[str, int]:
    with engine.connect() as connection:
        return {
            name: connection.execute(sa.select(sa.func.count()).select_from(sa.table(name))).scalar_one()
            for name in names
        }


def moved(source: sa.Engine, names: list[str], url: str) -> None:
    """The same tables with the same rows in another database, as the first release would have made them."""
    metadata = sa.MetaData()

    @sa.event.listens_for(metadata, "column_reflect")
    def generic(inspector: object, table: object, column: dict[str, sa.types.TypeEngine[object]]) -> None:
        column["type"] = column["type"].as_generic()

    metadata.reflect(source, only=names)
    engine = sa.create_engine(url)
    metadata.create_all(engine)
    with source.connect() as reading, engine.begin() as writing:
        for table in metadata.sorted_tables:
            if found := [row._asdict() for row in reading.execute(sa.select(table))]:
                writing.execute(sa.insert(table), found)
    engine.dispose()


@pytest.mark.parametrize("service", SERVICES)
async def test_every_row_is_there_afterwards(service: str, database_url: str, tmp_path: Path) -> None:
    first = sa.create_engine(f"sqlite:///{released(service, tmp_path / 'first.db')}")
    names = [name for name in sa.inspect(first).get_table_names() if name not in DBOS]
    before = rows(first, names)
    moved(first, names, database_url)
    migrations = ROOT / f"{service}_svc" / "storage" / "migrations"
    database = Database.open(database_url, migrations)
    revision = await database.read(stored_revision)
    await database.close()
    engine = sa.create_engine(database_url)
    after = rows(engine, names)
    engine.dispose()
    first.dispose()

    assert revision == head(migrations)
    assert after == before
    assert sum(before.values()) > 1 or service == "memory"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The project as the first release left it; the orchestrator's own copy of it too."""
    project = tmp_path / "project"
    for path in (project, tmp_path / "orchestrator" / "git" / f"{PROJECT}.git"):
        git("init", "-q", "-b", "main", *([] if path == project else ["--bare"]), str(path))
        pack = (RELEASED / "objects.pack").read_bytes()
        subprocess.run(["git", "-C", path, "unpack-objects", "-q"], input=pack, check=True)
        for name, commit in (("autopack/waiting", WAITING), ("autopack/ended", ENDED)):
            git("-C", str(path), "update-ref", f"refs/heads/{name}", commit)
    git("-C", str(project), "reset", "-q", "--hard", MAIN)
    return project


async def test_a_run_that_has_waited_since_then_is_approved_and_lands(
    tmp_path: Path, script: Script, repository: Path
) -> None:
    released("orchestrator", tmp_path / "orchestrator" / "orchestrator.db", repository)
    async with AsyncExitStack() as stack:
        addresses = await stack.enter_async_context(doubles(script, tmp_path / "doubles"))
        client = await stack.enter_async_context(
            an_orchestrator(tmp_path / "orchestrator", addresses, "", repository)
        )
        listed = (await call(client.stub.ListRuns(messages.ListRunsRequest()))).runs
        waiting = await client.get("waiting")
        digest = waiting.phases[1].approval.digest
        approval = verdict_pb2.Approval(change_digest=digest, approver="somebody")
        request = messages.ApprovePhaseRequest(
            request_id="approve", run_id="waiting", phase_id="two", approval=approval
        )
        await call(client.stub.ApprovePhase(request))
        landed = await client.stopped("waiting")
        new = await client.run(a_plan("three"), "new")

    assert {run.run_id: run.state for run in listed} == {
        "ended": run_pb2.RUN_STATE_SUCCEEDED,
        "waiting": run_pb2.RUN_STATE_WAITING_APPROVAL,
    }
    assert landed.state == run_pb2.RUN_STATE_SUCCEEDED
    assert client.landed("waiting") == ["one", "two"]
    assert new.state == run_pb2.RUN_STATE_SUCCEEDED


@pytest.fixture
def script() -> Script:
    """What the other services answer."""
    return Script()


def git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], check=True, capture_output=True)
