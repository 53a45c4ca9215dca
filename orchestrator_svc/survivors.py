"""Goes on with runs that nobody drives: what a dead orchestrator left, and what waited for room."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from autopack.errors import AutopackError
from orchestrator_svc.control import Control

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Survivors:
    """A task that looks for undriven runs every few seconds."""

    control: Control
    clock: Callable[[], float]
    seconds: float
    _task: asyncio.Task[None] | None = field(default=None)

    def start(self) -> None:
        """Begins to look."""
        self._task = asyncio.create_task(self._look())

    async def stop(self) -> None:
        """Ends the looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _look(self) -> None:
        room_came = False
        while True:
            # Before looking: room that comes meanwhile is not missed.
            self.control.drivers.room.clear()
            try:
                await self.control.drivers.recover()
                await self.control.engine.start()
                for run_id in await self.control.rows.undriven(self.clock(), halted_too=not room_came):
                    await self.control.drive(run_id)
            except AutopackError as error:
                log.warning("could not look for undriven runs: %s", error)
            # Not `wait_for`, which swallows a cancellation that comes together with the event.
            try:
                async with asyncio.timeout(self.seconds):
                    await self.control.drivers.room.wait()
                # The end of a run that was halted makes room too: it is not tried again for that.
                room_came = True
            except TimeoutError:
                room_came = False
