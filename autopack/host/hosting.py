"""Starts the five services in this process, each when a client first wants it."""

import asyncio
import importlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from autopack.errors import AutopackError, InvalidInput, Reason
from autopack.host.places import SERVICES, Places
from autopack.rpc.lifetime import RunningService

logger = logging.getLogger(__name__)

Start = Callable[[str], Awaitable[RunningService]]


class Hosting:
    """The services of one host, and what clients are told of them."""

    def __init__(self, start: Start, tell: Callable[[dict[str, Any]], None]) -> None:
        self._start = start
        self._tell = tell
        self._tasks: dict[str, asyncio.Task[RunningService | None]] = {}
        self._turn = asyncio.Lock()

    def want(self, services: frozenset[str]) -> None:
        """Has services started that are not yet; the orchestrator first, since clients wait for it."""
        for service in SERVICES:
            if service in services and service not in self._tasks:
                self._tasks[service] = asyncio.create_task(self._begin(service))

    async def _begin(self, service: str) -> RunningService | None:
        # One after the other: they share one interpreter, and the first is waited for.
        async with self._turn:
            try:
                running = await self._start(service)
            except asyncio.CancelledError:
                raise
            except AutopackError as error:
                self._failed(service, error.reasons, isinstance(error, InvalidInput))
                return None
            except Exception as error:
                logger.exception("%s could not start", service)
                message = f"{service} could not start: {type(error).__name__}: {error}"
                self._failed(service, (Reason("HOST_FAILED", message, "see host.log in AUTOPACK_HOME"),))
                return None
            self._tell({"service": service, "address": running.server.address})
            return running

    def _failed(self, service: str, reasons: tuple[Reason, ...], invalid: bool = False) -> None:
        logger.error("%s could not start: %s", service, reasons)
        told = [{"code": r.code, "message": r.message, "fix": r.fix, "path": r.path} for r in reasons]
        self._tell({"service": service, "reasons": told, "invalid": invalid})

    async def close(self) -> None:
        """Stops what was started, the orchestrator first: it is what gives the others work."""
        for service in SERVICES:
            task = self._tasks.get(service)
            if task is None:
                continue
            if not task.done():
                task.cancel()
            try:
                running = await task
            except asyncio.CancelledError:
                continue
            if running is not None:
                try:
                    await running.close()
                except Exception:
                    logger.exception("%s did not close cleanly", service)


async def start_service(
    service: str, places: Places, addresses: Mapping[str, str], environ: Mapping[str, str], resident: bool
) -> RunningService:
    """Starts one of the five for the all-in-one: Unix sockets, SQLite, everything below AUTOPACK_HOME.

    Its other settings come from the environment by the names that it has when it runs alone.
    Raises InvalidInput `SETTING_INVALID`, whichever of the five is wrongly set.
    """
    configs = await asyncio.to_thread(_configs, places, addresses, environ, resident)
    config = configs[service]
    module: Any = await asyncio.to_thread(importlib.import_module, f"{service}_svc.__main__")
    await asyncio.to_thread(config.directory.mkdir, mode=0o700, parents=True, exist_ok=True)
    running: RunningService = await module.start(config)
    return running


def _configs(
    places: Places, addresses: Mapping[str, str], environ: Mapping[str, str], resident: bool
) -> dict[str, Any]:
    """The settings of all five: none starts, and no run is taken, where one of them cannot be used."""
    return {service: _config(service, places, addresses, environ, resident) for service in SERVICES}


def _config(
    service: str, places: Places, addresses: Mapping[str, str], environ: Mapping[str, str], resident: bool
) -> Any:
    module: Any = importlib.import_module(f"{service}_svc.config")
    settings = {f"AUTOPACK_{name.upper()}_ADDRESS": address for name, address in addresses.items()}
    settings |= {
        "AUTOPACK_DIRECTORY": str(places.directory(service)),
        "AUTOPACK_ADDRESS": addresses[service],
        "AUTOPACK_DATABASE_URL": "",
        "AUTOPACK_GIT_ADDRESS": "",
        "AUTOPACK_GIT_DIRECTORY": str(places.directory("orchestrator") / "git"),
        "AUTOPACK_EXECUTOR_ID": "local",
        "AUTOPACK_HEALTH_ADDRESS": "",
    }
    if service == "gate":
        # Beside the services' own directories: it outlives them, and `autopack init` makes it too.
        settings["AUTOPACK_SIGNING_KEY"] = environ.get("AUTOPACK_SIGNING_KEY") or str(places.key)
    config = replace(module.Config.from_environ({**environ, **settings}), tls=None, spans=None)
    if service == "orchestrator":
        config = replace(config, spans=places.spans, allow_paths=True, drive_at_start=resident)
    return config
