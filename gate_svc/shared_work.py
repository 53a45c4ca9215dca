"""Work that several wait for and that is done once; it stops when the last one has gone."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from autopack.rpc.deadline import deadline_after

T = TypeVar("T")


@dataclass(slots=True)
class _Shared(Generic[T]):
    task: asyncio.Task[T]
    waiting: int = 0


class SharedWork(Generic[T]):
    """Tasks by key."""

    def __init__(self) -> None:
        self._running: dict[Hashable, _Shared[T]] = {}

    async def result(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of the work under this key: of what runs already, or of `work`, started now.

        Cancelling the last one who waits cancels the work and returns when that has cleaned up.
        """
        shared = self._running.get(key)
        if shared is None:
            with deadline_after(None):  # others may wait longer than who came first
                shared = _Shared(asyncio.create_task(work()))
            self._running[key] = shared
            shared.task.add_done_callback(lambda task: self._forget(key, task))
        shared.waiting += 1
        try:
            return await asyncio.shield(shared.task)
        except asyncio.CancelledError:
            if shared.waiting == 1 and not shared.task.done():
                self._forget(key, shared.task)  # who comes now starts anew
                shared.task.cancel()
                await asyncio.wait({shared.task})
            raise
        finally:
            shared.waiting -= 1

    def _forget(self, key: Hashable, task: asyncio.Task[T]) -> None:
        shared = self._running.get(key)
        if shared is not None and shared.task is task:
            del self._running[key]
        if task.done() and not task.cancelled():
            task.exception()  # seen: also where everybody has gone
