"""What is derived can be deleted, and tidy be interrupted anywhere: a second call finishes it."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import qdrant_edge as edge

from autopack.database.database import Database
from autopack.errors import AutopackError
from autopack.gitstore.copies import Copies
from autopack.gitstore.store import GitStore
from memory_svc.config import Config
from memory_svc.storage.payload import DENSE, LEXICAL
from tests.memory_svc.memory_harness import Bench, Owner, running_bench, running_owner
from tests.memory_svc.test_memory_service import DOCS, FAILED, FIXED, README, config, landed, own_config

__all__ = ["config", "own_config"]


@pytest.fixture
async def owner(tmp_path: Path) -> AsyncIterator[Owner]:
    async with running_owner(tmp_path) as running:
        yield running


def rows(config: Config) -> list[Any]:
    with sqlite3.connect(config.directory / "memory.db") as database:
        return database.execute("SELECT * FROM sot_entries ORDER BY id").fetchall()


def points(config: Config) -> list[Any]:
    """Every passage with its vectors, of the one project."""
    (directory,) = (path for path in (config.directory / "index").iterdir() if path.is_dir())
    shard = edge.EdgeShard.load(str(directory))
    found, _ = shard.scroll(edge.ScrollRequest(limit=1000, with_payload=True, with_vector=True))
    told = []
    for one in found:
        vectors: Any = one.vector
        dense, sparse = vectors[DENSE], vectors[LEXICAL]
        told.append(
            (str(one.id), one.payload, dense, sorted(zip(sparse.indices, sparse.values, strict=True)))
        )
    shard.close()
    return sorted(told, key=lambda one: one[0])


async def test_entries_and_vectors_that_were_deleted_come_back_identical(
    config: Config, owner: Owner
) -> None:
    async def known(commit: str) -> tuple[list[Any], list[Any]]:
        async with running_bench(config, owner) as bench:
            bench.numbers = 100 + len(await bench.entry_ids())
            await bench.index(commit or await landed(bench, FIXED, DOCS))
            await bench.record(FAILED)
            await bench.recall("conflicting option", pending=True)
        return await asyncio.to_thread(rows, config), await asyncio.to_thread(points, config)

    before = await known("")
    commit = owner.received[-1]
    with sqlite3.connect(config.directory / "memory.db") as database:
        database.execute("DELETE FROM sot_entries")
    await asyncio.to_thread(shutil.rmtree, config.directory / "index")

    assert (len(before[0]), len(before[1])) == (4, 4)
    assert await known(commit) == before


class Killed(Exception):
    """Where the process would have died."""


class Boundaries:
    """Counts what goes out of the process, and lets nothing out once it is dead."""

    def __init__(self) -> None:
        self.passed = 0
        self.deadly = 10**9

    def pass_by(self) -> None:
        self.passed += 1
        if self.passed >= self.deadly:
            raise Killed

    def around(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **named: Any) -> Any:
            self.pass_by()
            result = original(*arguments, **named)
            self.pass_by()
            return result

        async def awaited(*arguments: Any) -> Any:
            self.pass_by()
            result = await original(*arguments)
            self.pass_by()
            return result

        return awaited if asyncio.iscoroutinefunction(original) else called


async def test_a_tidy_that_was_interrupted_anywhere_is_finished_by_the_next_call(
    config: Config, owner: Owner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = owner.commit(README)

    async def tidied(bench: Bench) -> str:
        await bench.record(FIXED, DOCS)
        return (await bench.tidy(base, "run-1", "run-2", request_id="tidy")).commit

    boundaries = Boundaries()
    async with running_bench(config, owner) as bench:
        places: list[tuple[type, str]] = [(Database, "transaction"), (GitStore, "commit"), (Copies, "give")]
        for kind, name in places:
            monkeypatch.setattr(kind, name, boundaries.around(getattr(kind, name)))
        whole = await tidied(bench)
    count = boundaries.passed
    assert count >= 8
    assert owner.refusals(base, whole) == ()

    for deadly in range(1, count + 1):
        await asyncio.to_thread(shutil.rmtree, config.directory)
        boundaries.passed, boundaries.deadly = 0, deadly
        async with running_bench(config, owner) as bench:
            with suppress(AutopackError):
                await tidied(bench)
        assert boundaries.passed >= deadly
        boundaries.deadly = 10**9
        async with running_bench(config, owner) as bench:
            assert await tidied(bench) == whole
