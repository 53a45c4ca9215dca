"""Puts the auditor together; the only place that constructs its parts."""

import asyncio
import logging
import os
import time
from pathlib import Path

from auditor_svc.analyzers.dependencies import Advisories
from auditor_svc.analyzers.in_worker import WorkerScanner
from auditor_svc.analyzers.ruff import RuffScanner
from auditor_svc.analyzers.scanner import Scanner
from auditor_svc.analyzers.worker_process import WorkerPool
from auditor_svc.auditing import Auditing
from auditor_svc.config import Config
from auditor_svc.reviewers.panel import Panel
from auditor_svc.service import AuditorServiceServicer
from auditor_svc.storage.audits import AuditStore
from autopack.api.auditor.v1 import auditor_service_pb2, auditor_service_pb2_grpc
from autopack.database.database import Database
from autopack.database.operations import Operations
from autopack.database.retention import Retention
from autopack.errors import Unavailable
from autopack.gitstore.copies import Copies
from autopack.rpc.alone import run_alone
from autopack.rpc.lifetime import RunningService, close_all
from autopack.rpc.server import ServerSettings, Service, create_server

MIGRATIONS = Path(__file__).parent / "storage" / "migrations"
logger = logging.getLogger(__name__)


async def start(config: Config) -> RunningService:
    """Starts the auditor: database, analyzers, server."""
    database = await asyncio.to_thread(Database.open, config.url, MIGRATIONS)
    store = AuditStore(database, time.time)
    operations = Operations(database, time.time, "audit")
    copies = Copies(config.directory / "git", config.tls, config.git_directory)
    in_worker = WorkerScanner(WorkerPool(config.workers))
    scanners: list[Scanner] = [in_worker, RuffScanner(config.directory / "files")]
    auditing = Auditing(
        copies, scanners, Panel(config.secrets), Advisories(config.advisories), config.concurrent_audits
    )
    servicer = AuditorServiceServicer(operations, auditing, store)
    warming = asyncio.create_task(warm(in_worker if config.warm else None))

    async def analyzers() -> None:
        """Unhealthy while the analyzers cannot be started; they are tried again each time."""
        if warming.done() and not warming.result():
            await in_worker.versions()

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
                "autopack.api.auditor.v1.AuditorService",
                lambda server: auditor_service_pb2_grpc.add_AuditorServiceServicer_to_server(
                    servicer, server
                ),
                auditor_service_pb2.DESCRIPTOR,
            )
        ],
        {"database": database.ping, "analyzers": analyzers},
    )
    await server.start()
    retention = Retention(config.retention_days, time.time, [operations.prune, store.prune])

    async def stop_warming() -> None:
        warming.cancel()
        await asyncio.gather(warming, return_exceptions=True)

    async def close() -> None:
        await close_all(
            server.stop,
            retention.close,
            operations.close,
            stop_warming,
            *(scanner.close for scanner in scanners),
            copies.close,
            database.close,
        )

    return RunningService(server, close)


async def warm(scanner: WorkerScanner | None) -> bool:
    """Starts the worker ahead of the first audit; whether there is nothing wrong with it."""
    if scanner is not None:
        try:
            await scanner.versions()
        except Unavailable:
            logger.exception("the analyzers could not be started")
            return False
    return True


async def main() -> None:
    """Serves until SIGTERM."""
    environ = dict(os.environ)
    await run_alone("auditor_svc", Config.from_environ(environ), environ, start)


if __name__ == "__main__":
    asyncio.run(main())
