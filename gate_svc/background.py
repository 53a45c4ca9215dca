"""Runs beside each other that end with the block they are started in."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Background(Generic[T]):
    """Runs beside each other; what is not awaited by the end is stopped."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[T]] = []

    def start(self, run: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Starts a run."""
        self._tasks.append(asyncio.create_task(run))
        return self._tasks[-1]

    async def __aenter__(self) -> "Background[T]":
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
