"""What is old is forgotten, soon after the start and each day; what is at work never is."""

import asyncio

import pytest

from autopack.database import retention
from autopack.database.retention import DAY_SECONDS, Retention
from autopack.errors import Reason, Unavailable


async def test_one_that_fails_does_not_keep_the_others_from_pruning() -> None:
    pruned: list[float] = []

    async def fails(before: float) -> None:
        raise Unavailable(Reason("DATABASE_BUSY", "busy", ""))

    async def works(before: float) -> None:
        pruned.append(before)

    retention = Retention(2, lambda: 10 * DAY_SECONDS, [fails, works])
    await retention.prune()
    await retention.close()

    assert pruned == [8 * DAY_SECONDS]


async def test_it_prunes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "FIRST_SECONDS", 0.0)
    pruned = asyncio.Event()

    async def prune(before: float) -> None:
        pruned.set()

    started = Retention(1, lambda: 0.0, [prune])
    await pruned.wait()
    await started.close()
