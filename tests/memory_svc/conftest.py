"""What the tests of memory share: databases of both kinds, and the model, which takes a second to load."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from autopack.database.database import Database
from autopack.testing.postgres import create_database, start_postgres
from memory_svc.__main__ import MIGRATIONS
from memory_svc.storage.minilm import MiniLm


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with start_postgres(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'memory.db'}"
    return create_database(request.getfixturevalue("postgres_server"))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = await asyncio.to_thread(Database.open, database_url, MIGRATIONS)
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
def minilm() -> Iterator[MiniLm]:
    model = MiniLm()
    yield model
    asyncio.run(model.close())
