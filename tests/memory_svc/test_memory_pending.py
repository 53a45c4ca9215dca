"""Pending passages are embedded bit by bit as they are asked for, and nobody waits for an indexing."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

from autopack.database.database import Database
from autopack.ledger.document import empty, render
from autopack.ledger.entry import LEDGERS, Kind
from memory_svc.__main__ import MIGRATIONS
from memory_svc.domain.documents import Trust
from memory_svc.domain.memory import EMBEDDED_IN_RECALL, Memory
from memory_svc.domain.settings import MemorySettings
from memory_svc.domain.store import Proposal, Snapshot, SourceFile
from memory_svc.domain.tidy import tidy
from memory_svc.storage.documents import SqlDocuments
from memory_svc.storage.edge import EdgeIndex
from tests.memory_svc.memory_samples import (
    PROJECT,
    SUBMITTED,
    ZERO_DIVISION,
    failed_phase,
    phase,
    refused,
    run,
)


class SlowEmbedder:
    """Embeds when it is let, and remembers what."""

    name = "slow"

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.begun = asyncio.Event()
        self.let = asyncio.Event()
        self.let.set()

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        self.begun.set()
        await self.let.wait()
        self.texts += texts
        return [[1.0, 0.0] for _ in texts]

    async def close(self) -> None:
        self.let.set()


class OneLedger:
    """A repository whose every commit has the same ledgers."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files = files

    async def at(self, project_id: str, commit: str, git_address: str) -> Snapshot:
        return self

    def read(self, path: str) -> str | None:
        return self.files.get(path)

    def sources(self) -> Iterator[SourceFile]:
        return iter(())

    async def propose(self, proposal: Proposal) -> str:
        raise NotImplementedError


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await asyncio.to_thread(Database.open, f"sqlite:///{tmp_path / 'memory.db'}", MIGRATIONS)
    yield opened
    await opened.close()


@pytest.fixture
async def index(tmp_path: Path) -> AsyncIterator[EdgeIndex]:
    opened = EdgeIndex(tmp_path / "index", "slow")
    yield opened
    await opened.close()


@pytest.fixture
def embedder() -> SlowEmbedder:
    return SlowEmbedder()


@pytest.fixture
def memory(database: Database, index: EdgeIndex, embedder: SlowEmbedder) -> Memory:
    ledgers = tidy({kind: empty(kind) for kind in Kind}, [run("run-1", phase())], SUBMITTED.date())
    files = {about.path: render(ledgers[kind]) for kind, about in LEDGERS.items()}
    return Memory(SqlDocuments(database), index, embedder, OneLedger(files), MemorySettings())


async def record_failures(memory: Memory, count: int) -> None:
    for number in range(count):
        record = run(f"failed-{number:03}", failed_phase("cli", refused(1, ZERO_DIVISION)))
        await memory.record(record, record.run_id, "a" * 64)


async def test_one_recall_embeds_a_part_and_the_next_goes_on(
    memory: Memory, index: EdgeIndex, embedder: SlowEmbedder
) -> None:
    await record_failures(memory, EMBEDDED_IN_RECALL + 10)
    counts = []
    for _ in range(3):
        await memory.recall(PROJECT, "ZeroDivisionError", 3, 4000, include_pending=True, include_code=False)
        counts.append(await index.count(PROJECT, {Trust.FAILED}))

    assert counts == [EMBEDDED_IN_RECALL, EMBEDDED_IN_RECALL + 10, EMBEDDED_IN_RECALL + 10]
    assert len(embedder.texts) == EMBEDDED_IN_RECALL + 10 + 3  # each passage once, and three queries


async def test_a_recall_does_not_wait_for_an_indexing(memory: Memory, embedder: SlowEmbedder) -> None:
    await record_failures(memory, 1)
    await memory.recall(PROJECT, "ZeroDivisionError", 3, 4000, include_pending=True, include_code=False)
    await record_failures(memory, 3)
    embedder.let.clear()
    embedder.begun.clear()
    indexing = asyncio.create_task(memory.index(PROJECT, "c" * 40, "", rebuild=False, include_code=False))
    await embedder.begun.wait()

    recalling = asyncio.create_task(memory.recall(PROJECT, "ZeroDivisionError", 3, 4000, True, False))
    embedder.begun.clear()
    await embedder.begun.wait()
    assert not indexing.done()
    embedder.let.set()

    assert Trust.FAILED in {hit.passage.trust for hit in (await recalling).hits}
    assert (await indexing).added == 1


async def test_indexing_embeds_nothing_that_is_pending(memory: Memory, embedder: SlowEmbedder) -> None:
    await record_failures(memory, 5)

    indexed = await memory.index(PROJECT, "c" * 40, "", rebuild=False, include_code=False)

    assert (indexed.chunks, len(embedder.texts)) == (1, 1)
