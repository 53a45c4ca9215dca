"""Health that says what the dependencies say: probes poll them, the answer is their worst."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from grpc_health.v1 import health
from grpc_health.v1.health_pb2 import HealthCheckResponse

logger = logging.getLogger(__name__)

Check = Callable[[], Awaitable[None]]
"""Returns if the dependency works, raises otherwise."""

LIVENESS = "liveness"
"""Asked for by this name, a server that answers at all is healthy: a restart mends no dependency."""
CHECK_TIMEOUT_SECONDS = 2.0
"""A dependency that takes longer to answer is down."""


class DependencyHealth:
    """Polls the checks and sets the health of every service by them."""

    def __init__(self, services: Sequence[str], checks: Mapping[str, Check], interval_seconds: float) -> None:
        self.servicer: Any = health.aio.HealthServicer()  # type: ignore[attr-defined]  # not in the stubs
        self._names = ["", *services]
        self._checks = checks
        self._interval = interval_seconds
        self._failing: dict[str, str] = {}
        self._poller: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Sets the health for the first time, and goes on polling."""
        await self.servicer.set(LIVENESS, HealthCheckResponse.SERVING)
        await self._set(HealthCheckResponse.NOT_SERVING)
        await self._poll()
        self._poller = asyncio.create_task(self._poll_on())

    async def stop(self) -> None:
        """Says NOT_SERVING from here on."""
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.wait({self._poller})
        await self.servicer.enter_graceful_shutdown()

    async def _poll_on(self) -> None:
        while self._checks:
            await asyncio.sleep(self._interval)
            await self._poll()

    async def _poll(self) -> None:
        names = list(self._checks)
        outcomes = await asyncio.gather(*(self._probe(name) for name in names))
        failing = {name: outcome for name, outcome in zip(names, outcomes, strict=True) if outcome}
        if failing != self._failing:
            logger.log(
                logging.WARNING if failing else logging.INFO,
                "dependencies: %s",
                "; ".join(f"{name}: {why}" for name, why in failing.items()) or "all answer",
            )
        self._failing = failing
        await self._set(HealthCheckResponse.NOT_SERVING if failing else HealthCheckResponse.SERVING)

    async def _probe(self, name: str) -> str:
        """What is wrong with the dependency; empty if nothing."""
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
                await self._checks[name]()
        except TimeoutError:
            return f"no answer within {CHECK_TIMEOUT_SECONDS:g} s"
        except Exception as error:  # whatever a dependency raises means that it is down
            return f"{type(error).__name__}: {error}"
        return ""

    async def _set(self, status: HealthCheckResponse.ServingStatus.ValueType) -> None:
        for name in self._names:
            await self.servicer.set(name, status)
