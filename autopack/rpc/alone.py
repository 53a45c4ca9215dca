"""Runs one service in a process of its own: telemetry, start, serve until a signal, close."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

from autopack.rpc.lifetime import RunningService, stop_signal
from autopack.telemetry.setup import configure


class Settings(Protocol):
    """What every service's settings have."""

    @property
    def directory(self) -> Path: ...
    @property
    def spans(self) -> Path | None: ...


Config = TypeVar("Config", bound=Settings)


async def run_alone(
    name: str,
    config: Config,
    environ: Mapping[str, str],
    start: Callable[[Config], Awaitable[RunningService]],
) -> None:
    """Serves until SIGTERM or SIGINT, which is obeyed as soon as the service has started."""
    await asyncio.to_thread(config.directory.mkdir, parents=True, exist_ok=True)
    telemetry = configure(name, config.spans, environ)
    try:
        with stop_signal() as stop:
            running = await start(config)
            try:
                await stop.wait()
            finally:
                await running.close()
    finally:
        telemetry.close()
