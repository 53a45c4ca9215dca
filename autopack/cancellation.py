"""Work that a cancellation must not tear apart: it is done first, or undone; then cancelling goes on."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def settle(task: "asyncio.Future[Any]", hurry: Callable[[], object] = lambda: None) -> bool:
    """Wait until `task` is done, whatever happens; whether a cancellation came meanwhile.

    A cancellation calls `hurry`, which may make it end sooner.
    """
    cancelled = False
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            cancelled = True
            hurry()
    return cancelled


async def finish(work: Awaitable[T]) -> T:
    """Await `work` to its end even when cancelled, then let the cancellation go on."""
    task = asyncio.ensure_future(work)
    cancelled = await settle(task)
    result = task.result()
    if cancelled:
        raise asyncio.CancelledError
    return result


async def acquire(work: Callable[[], T], release: Callable[[T], object]) -> T:
    """What `work` gives, made in a thread; when cancelled it is released, in a thread too."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    cancelled = await settle(task)
    result = task.result()
    if cancelled:
        await settle(asyncio.ensure_future(asyncio.to_thread(release, result)))
        raise asyncio.CancelledError
    return result
