"""Fixtures of all tests: the databases that they run over."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from autopack.testing.postgres import create_database, start_postgres

# A busy machine is no reason to fail: what a property says has nothing to do with how long it took.
settings.register_profile("autopack", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("autopack")


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Postgres server, started when first asked for; `create_database` makes databases on it."""
    with start_postgres(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database; a test that takes this runs once over each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/test.db"
    return create_database(request.getfixturevalue("postgres_url"))
