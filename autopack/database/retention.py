"""Forgets what is older than an installation keeps it: soon after a service has started, then each day.

Ledgers, memory and what is in a repository are no business of it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from autopack.errors import AutopackError

logger = logging.getLogger(__name__)

DAYS = 90
DAY_SECONDS = 24 * 3600.0
FIRST_SECONDS = 2.0
"""After the start, in which there is enough to do."""

Prune = Callable[[float], Awaitable[None]]
"""Forgets what nobody has used since a time, in Unix seconds; again does no harm."""


class Retention:
    """Prunes one service's stores for as long as it runs."""

    def __init__(self, days: int, clock: Callable[[], float], prunes: Sequence[Prune]) -> None:
        """`clock` gives Unix seconds."""
        self._days = days
        self._clock = clock
        self._prunes = prunes
        self._task = asyncio.create_task(self._run())

    async def prune(self) -> None:
        """Prunes now. What fails is logged, and tried again the next time."""
        before = self._clock() - self._days * DAY_SECONDS
        for prune in self._prunes:
            try:
                await prune(before)
            except AutopackError:
                logger.exception("pruning failed")

    async def close(self) -> None:
        """Ends it."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        pause = FIRST_SECONDS
        while True:
            await asyncio.sleep(pause)
            await self.prune()
            pause = DAY_SECONDS
