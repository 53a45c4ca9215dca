"""Puts the builder together; the only place that constructs its parts."""

import asyncio
import os
import time
from contextlib import AsyncExitStack
from pathlib import Path

from autopack.api.builder.v1 import builder_service_pb2, builder_service_pb2_grpc
from autopack.database.database import Database
from autopack.database.operations import Operations
from autopack.database.retention import Retention
from autopack.gitstore.checkouts import Checkouts
from autopack.gitstore.copies import Copies
from autopack.rpc.alone import run_alone
from autopack.rpc.lifetime import RunningService, close_all
from autopack.rpc.server import ServerSettings, Service, create_server
from autopack.sandbox import Sandboxes
from builder_svc.builders.selection import Selection
from builder_svc.config import Config
from builder_svc.domain.building import Building
from builder_svc.service import BuilderServicer
from builder_svc.storage.exchanges import ExchangeStore
from builder_svc.storage.spending import SpendingStore

MIGRATIONS = Path(__file__).parent / "storage" / "migrations"


async def start(config: Config) -> RunningService:
    """Starts the builder; ready when this returns."""
    async with AsyncExitStack() as undo:
        database = await asyncio.to_thread(Database.open, config.url, MIGRATIONS)
        undo.push_async_callback(database.close)
        checkouts = await asyncio.to_thread(Checkouts, config.directory / "checkouts", config.checkouts_bytes)
        copies = Copies(config.directory / "git", config.tls, config.git_directory)
        undo.push_async_callback(copies.close)
        exchanges = ExchangeStore(database, time.time)
        selection = Selection(
            Sandboxes(config.sandbox_tier),
            checkouts,
            config.secrets,
            config.maximum_prompt_bytes,
            config.agents,
            exchanges.find,
        )
        undo.push_async_callback(selection.close)
        spending = SpendingStore(database)
        building = Building(
            copies,
            exchanges,
            spending,
            selection.select,
            config.concurrent_builds,
            time.monotonic,
            config.prices,
        )
        operations = Operations(database, time.time, "StartBuild")
        undo.push_async_callback(operations.close)
        servicer = BuilderServicer(building, operations)
        server = create_server(
            ServerSettings(
                config.address,
                maximum_concurrent_rpcs=config.maximum_concurrent_rpcs,
                tls=config.tls,
                insecure=config.insecure,
                health_address=config.health_address,
            ),
            [
                Service(
                    "autopack.api.builder.v1.BuilderService",
                    lambda server: builder_service_pb2_grpc.add_BuilderServiceServicer_to_server(
                        servicer, server
                    ),
                    builder_service_pb2.DESCRIPTOR,
                )
            ],
            {"database": database.ping},
        )
        await server.start()
        prunes = [operations.prune, exchanges.prune, spending.prune]
        retention = Retention(config.retention_days, time.time, prunes)
        undo.pop_all()

    async def close() -> None:
        await close_all(
            server.stop, retention.close, operations.close, selection.close, copies.close, database.close
        )

    return RunningService(server, close)


async def main() -> None:
    """Serves until SIGTERM."""
    environ = dict(os.environ)
    await run_alone("builder_svc", Config.from_environ(environ), environ, start)


if __name__ == "__main__":
    asyncio.run(main())
