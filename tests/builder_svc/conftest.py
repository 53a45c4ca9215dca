"""Fixtures of the builder's tests."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from autopack.testing.model_server import model_server
from builder_svc.builders.secrets import Secrets
from builder_svc.config import Config
from tests.builder_svc.builder_harness import CONTEXT_TOKENS, Client, Owner, running_builder, serving_owner


@pytest.fixture
async def owner(tmp_path: Path) -> AsyncIterator[Owner]:
    async with serving_owner(tmp_path / "owner.git") as made:
        yield made


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(tmp_path / "builder", "127.0.0.1:0", Secrets({"MODEL_KEY": "sk-very-secret"}.get))


@pytest.fixture
async def client(owner: Owner, config: Config) -> AsyncIterator[Client]:
    async with running_builder(owner, config) as made:
        yield made


@pytest.fixture(scope="session")
def real_model() -> Iterator[str]:
    """Endpoint of a real model server."""
    with model_server(CONTEXT_TOKENS) as endpoint:
        yield endpoint
