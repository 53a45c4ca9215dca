"""The stored audits, on SQLite and Postgres."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

import auditor_svc
from auditor_svc.storage.audits import AuditStore, StoredAudit
from autopack.database.database import Database

MIGRATIONS = Path(auditor_svc.__file__).parent / "storage" / "migrations"


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def store(database_url: str, clock: Callable[[], float]) -> AsyncIterator[AuditStore]:
    database = await asyncio.to_thread(Database.open, database_url, MIGRATIONS)
    yield AuditStore(database, clock)
    await database.close()


async def test_an_unknown_key_has_no_audit(store: AuditStore) -> None:
    assert await store.reuse("k" * 64, "one") is None


async def test_an_audit_answers_the_request_that_it_was_made_for(store: AuditStore) -> None:
    await store.put("k" * 64, "one", StoredAudit(b"audit", b"{}"))
    assert await store.sarif("one") == b"{}"


async def test_an_audit_answers_another_request_with_its_key(store: AuditStore) -> None:
    await store.put("k" * 64, "one", StoredAudit(b"audit", b"{}"))
    assert await store.reuse("k" * 64, "two") == b"audit"
    assert await store.sarif("two") == b"{}"


async def test_a_later_audit_takes_the_place_of_an_earlier_one(store: AuditStore) -> None:
    await store.put("k" * 64, "one", StoredAudit(b"first", b"1"))
    await store.put("k" * 64, "one", StoredAudit(b"second", b"2"))
    assert await store.reuse("k" * 64, "one") == b"second"
    assert await store.sarif("one") == b"2"


async def test_old_audits_are_forgotten(store: AuditStore, clock: Clock) -> None:
    await store.put("o" * 64, "old", StoredAudit(b"audit", b"{}"))
    clock.now += 10
    await store.put("n" * 64, "new", StoredAudit(b"audit", b"{}"))
    await store.prune(clock.now - 5)
    assert await store.sarif("old") is None
    assert await store.sarif("new") == b"{}"
