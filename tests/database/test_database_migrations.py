"""Migrations: run when opened, by one of many, and with Alembic imported only where it has work."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from autopack.database.database import Database
from autopack.database.migrations import head, revisions
from autopack.errors import FailedPrecondition, Internal

FIRST = """
import sqlalchemy as sa
from alembic import op
revision = "0001"
down_revision = None
def upgrade():
    op.create_table("things", sa.Column("id", sa.Integer, primary_key=True))
"""
SECOND = """
import sqlalchemy as sa
from alembic import op
revision: str = "0002"
down_revision: str | None = "0001"
def upgrade():
    op.add_column("things", sa.Column("name", sa.String(10)))
"""
BROKEN = SECOND.replace("op.add_column", "op.execute('CREATE TABLE other (id INTEGER)'); op.missing")


def write(directory: Path, *contents: str) -> Path:
    versions = directory / "versions"
    versions.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(contents):
        (versions / f"{number:04}_x.py").write_text(content)
    return directory


async def tables(url: str, migrations: Path) -> dict[str, list[str]]:
    """Opens the database; its tables with their columns."""
    database = Database.open(url, migrations)
    try:

        def work(connection: sa.Connection) -> dict[str, list[str]]:
            inspector = sa.inspect(connection)
            return {
                name: [column["name"] for column in inspector.get_columns(name)]
                for name in inspector.get_table_names()
                if name != "alembic_version"
            }

        return await database.read(work)
    finally:
        await database.close()


async def test_a_new_database_gets_every_revision(database_url: str, tmp_path: Path) -> None:
    assert await tables(database_url, write(tmp_path, FIRST, SECOND)) == {"things": ["id", "name"]}


async def test_an_older_database_gets_what_is_missing(database_url: str, tmp_path: Path) -> None:
    assert await tables(database_url, write(tmp_path, FIRST)) == {"things": ["id"]}
    assert await tables(database_url, write(tmp_path, FIRST, SECOND)) == {"things": ["id", "name"]}


async def test_a_revision_that_fails_leaves_the_database_as_it_was(database_url: str, tmp_path: Path) -> None:
    await tables(database_url, write(tmp_path, FIRST))
    with pytest.raises(AttributeError):
        Database.open(database_url, write(tmp_path, FIRST, BROKEN))
    assert await tables(database_url, write(tmp_path, FIRST, SECOND)) == {"things": ["id", "name"]}


async def test_a_database_of_a_later_version_is_refused(database_url: str, tmp_path: Path) -> None:
    await tables(database_url, write(tmp_path / "new", FIRST, SECOND))
    with pytest.raises(FailedPrecondition, match=r"DATABASE_NEWER.*0002"):
        Database.open(database_url, write(tmp_path / "old", FIRST))


async def test_many_that_start_together_migrate_once(database_url: str, tmp_path: Path) -> None:
    migrations = write(tmp_path, FIRST, SECOND)
    with ThreadPoolExecutor(4) as threads:
        opened = list(threads.map(lambda _: Database.open(database_url, migrations), range(4)))
    for database in opened:
        await database.close()
    assert await tables(database_url, migrations) == {"things": ["id", "name"]}


def test_a_current_database_is_opened_without_alembic(tmp_path: Path) -> None:
    migrations, url = write(tmp_path, FIRST, SECOND), f"sqlite:///{tmp_path}/x.db"
    program = (
        "import sys, pathlib\nfrom autopack.database.database import Database\n"
        "Database.open(sys.argv[1], pathlib.Path(sys.argv[2]))\nprint('alembic' in sys.modules)"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program, url, str(migrations)], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert outputs == ["True\n", "False\n"]


def test_the_chain_is_read_without_running_it(tmp_path: Path) -> None:
    migrations = write(tmp_path, FIRST + "\nraise SystemExit", SECOND)
    assert revisions(migrations) == {"0001": None, "0002": "0001"}
    assert head(migrations) == "0002"


@pytest.mark.parametrize("contents", [[], [FIRST, FIRST.replace("0001", "0003")], ["x = 1"]])
def test_a_chain_without_one_newest_revision_is_a_fault(tmp_path: Path, contents: list[str]) -> None:
    with pytest.raises(Internal, match="MIGRATIONS_BROKEN"):
        head(write(tmp_path, *contents))
