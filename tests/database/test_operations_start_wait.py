"""Start and Wait: once for each id, through restarts, failures and cancellation."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from autopack.database.database import Database
from autopack.database.operations import Operations, operations_table
from autopack.errors import AlreadyExists, Internal, NotFound, Unavailable
from autopack.rpc.deadline import deadline_after, remaining_seconds

MIGRATIONS = Path(__file__).parent / "migrations"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = await asyncio.to_thread(Database.open, database_url, MIGRATIONS)
    yield opened
    await opened.close()


@pytest.fixture
async def operations(database: Database) -> AsyncIterator[Operations]:
    made = Operations(database, lambda: 1.0, "Build")
    yield made
    await made.close()


class Work:
    """Work that runs until it is let go, and counts how often it was begun and cleaned up."""

    def __init__(self, result: bytes = b"done") -> None:
        self.result = result
        self.begun = asyncio.Event()
        self.go = asyncio.Event()
        self.runs = 0
        self.cleaned = 0

    async def __call__(self) -> bytes:
        self.runs += 1
        self.begun.set()
        try:
            await self.go.wait()
        finally:
            await asyncio.sleep(0)
            self.cleaned += 1
        return self.result


async def test_a_start_returns_at_once_and_wait_brings_the_result(operations: Operations) -> None:
    work = Work()
    assert await operations.start("a", b"request", work) is None
    work.go.set()
    assert await operations.wait("a") == b"done"


async def test_soon_brings_what_ends_in_time_and_nothing_else(operations: Operations) -> None:
    work = Work()
    await operations.start("a", b"request", work)
    assert await operations.soon("a", 0) is None
    assert await operations.soon("a", 0.01) is None
    waiting = asyncio.create_task(operations.soon("a", 30))
    work.go.set()
    assert await waiting == b"done"
    assert work.runs == 1


async def test_the_same_request_is_done_once(operations: Operations) -> None:
    work = Work()
    assert await asyncio.gather(*(operations.start("a", b"request", work) for _ in range(5))) == [None] * 5
    work.go.set()
    await operations.wait("a")
    assert await operations.start("a", b"request", work) == b"done"
    assert work.runs == 1


@pytest.mark.parametrize("ended", [False, True])
async def test_the_same_id_with_another_request_is_refused(operations: Operations, ended: bool) -> None:
    work = Work()
    await operations.start("a", b"request", work)
    if ended:
        work.go.set()
        await operations.wait("a")
    with pytest.raises(AlreadyExists, match="REQUEST_ID_REUSED"):
        await operations.start("a", b"another", work)


async def test_methods_do_not_share_ids(database: Database, operations: Operations) -> None:
    other = Operations(database, lambda: 1.0, "Index")
    work, others = Work(b"build"), Work(b"index")
    work.go.set()
    others.go.set()
    await operations.start("a", b"request", work)
    await other.start("a", b"another", others)
    assert [await operations.wait("a"), await other.wait("a")] == [b"build", b"index"]


async def test_waiting_for_what_never_started_is_refused(operations: Operations) -> None:
    with pytest.raises(NotFound, match="OPERATION_NOT_FOUND"):
        await operations.wait("a")


async def test_a_waiter_that_leaves_does_not_stop_the_work(operations: Operations) -> None:
    work = Work()
    await operations.start("a", b"request", work)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await operations.wait("a")
    work.go.set()
    assert await operations.wait("a") == b"done"
    assert work.runs == 1


async def test_work_runs_without_the_deadline_of_the_call_that_started_it(operations: Operations) -> None:
    async def work() -> bytes:
        return str(remaining_seconds()).encode()

    with deadline_after(5):
        await operations.start("a", b"request", work)
    assert await operations.wait("a") == b"None"


async def test_a_restart_loses_the_work_but_not_the_row_and_the_next_start_does_it_again(
    database: Database, operations: Operations
) -> None:
    lost = Work()
    await operations.start("a", b"request", lost)
    await lost.begun.wait()
    await operations.close()
    restarted = Operations(database, lambda: 2.0, "Build")
    with pytest.raises(NotFound, match="OPERATION_NOT_FOUND"):
        await restarted.wait("a")
    with pytest.raises(AlreadyExists):
        await restarted.start("a", b"another", lost)
    again = Work()
    again.go.set()
    assert await restarted.start("a", b"request", again) is None
    assert await restarted.wait("a") == b"done"
    assert again.runs == 1


async def test_a_result_outlives_a_restart(database: Database, operations: Operations) -> None:
    work = Work()
    work.go.set()
    await operations.start("a", b"request", work)
    await operations.wait("a")
    restarted = Operations(database, lambda: 2.0, "Build")
    assert await restarted.wait("a") == b"done"
    assert await restarted.start("a", b"request", work) == b"done"
    assert work.runs == 1


async def test_closing_awaits_the_clean_up_and_tells_waiters(operations: Operations) -> None:
    work = Work()
    await operations.start("a", b"request", work)
    await work.begun.wait()
    waiter = asyncio.create_task(operations.wait("a"))
    await asyncio.sleep(0)
    await operations.close()
    assert work.cleaned == 1
    with pytest.raises(Unavailable, match="SERVICE_STOPPING"):
        await waiter
    with pytest.raises(Unavailable, match="SERVICE_STOPPING"):
        await operations.start("b", b"request", work)


async def test_cancel_awaits_the_clean_up_and_stores_its_own_result(
    database: Database, operations: Operations
) -> None:
    work = Work()
    await operations.start("a", b"request", work)
    await work.begun.wait()
    waiter = asyncio.create_task(operations.wait("a"))
    await asyncio.sleep(0)
    assert await operations.cancel("a", lambda: b"cancelled") == b"cancelled"
    assert work.cleaned == 1
    assert await waiter == b"cancelled"
    assert await Operations(database, lambda: 2.0, "Build").wait("a") == b"cancelled"


async def test_cancel_right_after_the_start_works_before_the_work_has_begun(operations: Operations) -> None:
    await operations.start("a", b"request", Work())
    assert await operations.cancel("a", lambda: b"cancelled") == b"cancelled"


async def test_cancel_has_no_effect_on_what_has_ended(operations: Operations) -> None:
    work = Work()
    work.go.set()
    await operations.start("a", b"request", work)
    await operations.wait("a")
    assert await operations.cancel("a", lambda: b"cancelled") == b"done"


async def test_two_cancels_agree(operations: Operations) -> None:
    await operations.start("a", b"request", Work())
    first, second = await asyncio.gather(
        operations.cancel("a", lambda: b"first"), operations.cancel("a", lambda: b"second")
    )
    assert first == second


async def test_a_canceller_that_leaves_does_not_leave_it_half_done(operations: Operations) -> None:
    work = Work()
    await operations.start("a", b"request", work)
    await work.begun.wait()
    canceller = asyncio.create_task(operations.cancel("a", lambda: b"cancelled"))
    await asyncio.sleep(0)
    canceller.cancel()
    assert await operations.wait("a") == b"cancelled"


async def test_cancel_after_a_restart_settles_what_was_cut_off(
    database: Database, operations: Operations
) -> None:
    await operations.start("a", b"request", Work())
    await operations.close()
    restarted = Operations(database, lambda: 2.0, "Build")
    assert await restarted.cancel("a", lambda: b"cancelled") == b"cancelled"
    assert await restarted.start("a", b"request", Work()) == b"cancelled"


async def test_cancelling_what_never_started_is_refused(operations: Operations) -> None:
    with pytest.raises(NotFound, match="OPERATION_NOT_FOUND"):
        await operations.cancel("a", lambda: b"cancelled")


async def test_an_unexpected_failure_reaches_the_waiters_and_a_new_start_tries_again(
    database: Database, operations: Operations
) -> None:
    async def fails() -> bytes:
        raise ZeroDivisionError("by zero")

    await operations.start("a", b"request", fails)
    with pytest.raises(Internal, match="by zero"):
        await operations.wait("a")
    with pytest.raises(Internal, match=r"OPERATION_FAILED.*by zero"):
        await Operations(database, lambda: 2.0, "Build").wait("a")
    work = Work()
    work.go.set()
    assert await operations.start("a", b"request", work) is None
    assert await operations.wait("a") == b"done"


async def test_a_store_that_breaks_reaches_the_waiters(operations: Operations, database: Database) -> None:
    work = Work()
    await operations.start("a", b"request", work)
    await work.begun.wait()
    await database.transaction(lambda connection: connection.execute(sa.delete(operations_table)))
    work.go.set()
    with pytest.raises(NotFound):
        await operations.wait("a")


async def test_what_has_ended_long_ago_is_forgotten_and_what_is_at_work_is_not(database: Database) -> None:
    now = 1.0
    operations, other = (Operations(database, lambda: now, method) for method in ("Build", "Other"))
    done, at_work = Work(), Work()
    done.go.set()
    for each in (operations, other):
        await each.start("old", b"request", done)
        await each.wait("old")
    await operations.start("at work", b"request", at_work)
    now = 5.0
    await operations.start("new", b"request", done)
    await operations.wait("new")

    await operations.prune(4.0)

    with pytest.raises(NotFound, match="OPERATION_NOT_FOUND"):
        await operations.wait("old")
    assert await operations.wait("new") == b"done"
    assert await other.wait("old") == b"done"
    at_work.go.set()
    assert await operations.wait("at work") == b"done"
    await operations.close()
