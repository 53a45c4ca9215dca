"""What a build has spent, kept before it is spent: started again after a crash, it gets what is left."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from builder_svc.domain.builder import Record

FIRST_SECONDS = 1.0
"""A build that is done sooner costs no write; a crash before it refunds less than this."""
PERIOD_SECONDS = 5.0
"""Reserved ahead each time, so that a crash refunds nothing; at most this much of it is lost."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds, and tokens both ways."""

    seconds: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0


class Spending(Protocol):
    """Keeps what builds have spent, by request id."""

    async def of(self, request_id: str) -> Spent:
        """What was kept last; nothing for a build that is new."""
        ...

    async def keep(self, request_id: str, spent: Spent) -> None:
        """Stores it durably in place of what was kept before."""
        ...


class Account:
    """The spending of one build."""

    def __init__(
        self, spending: Spending, request_id: str, record: Record, clock: Callable[[], float]
    ) -> None:
        """`record` says what was spent; its seconds are set here. `clock` gives seconds."""
        self._spending = spending
        self._request_id = request_id
        self._record = record
        self._clock = clock
        self._reserved = (0, 0)

    @asynccontextmanager
    async def reserved(self, input_tokens: int, output_tokens: int) -> AsyncIterator[None]:
        """Around a call that takes at most so many tokens, and then adds what it took to the record."""
        self._reserved = (input_tokens, output_tokens)
        await self.keep()
        try:
            yield
        finally:
            self._reserved = (0, 0)

    @asynccontextmanager
    async def timed(self) -> AsyncIterator[None]:
        """Counts the seconds within it."""
        before, started = self._record.seconds, self._clock()
        metering = asyncio.create_task(self._meter(before, started))
        try:
            yield
        finally:
            metering.cancel()
            self._record.seconds = before + self._clock() - started

    async def _meter(self, before: float, started: float) -> None:
        pause = FIRST_SECONDS
        while True:
            await asyncio.sleep(pause)
            self._record.seconds = before + self._clock() - started
            await self.keep(PERIOD_SECONDS)
            pause = PERIOD_SECONDS

    async def keep(self, seconds_ahead: float = 0.0) -> None:
        """Stores what is spent and reserved at present."""
        record, (inwards, outwards) = self._record, self._reserved
        spent = Spent(
            record.seconds + seconds_ahead, record.input_tokens + inwards, record.output_tokens + outwards
        )
        await self._spending.keep(self._request_id, spent)
