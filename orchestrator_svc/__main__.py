"""Puts the orchestrator together; the only place that constructs its parts."""

import asyncio
import hmac
import os
import time
from collections.abc import Callable
from pathlib import Path

from opentelemetry.sdk.trace import TracerProvider

from autopack.api.git.v1 import git_service_pb2, git_service_pb2_grpc
from autopack.api.git.v1.git_service_pb2 import PutPackHeader
from autopack.api.orchestrator.v1 import orchestrator_service_pb2, orchestrator_service_pb2_grpc
from autopack.database.database import Database
from autopack.database.retention import Retention
from autopack.errors import PermissionDenied, Reason
from autopack.gitstore.maintenance import Upkeep
from autopack.gitstore.service import GitServiceServicer
from autopack.gitstore.store import GitStore
from autopack.rpc.alone import run_alone
from autopack.rpc.lifetime import RunningService, close_all
from autopack.rpc.server import ServerSettings, Service, create_server
from autopack.telemetry.tracing import tracer_provider
from orchestrator_svc.config import Config
from orchestrator_svc.control import Control
from orchestrator_svc.drivers import Drivers
from orchestrator_svc.engine import Engine
from orchestrator_svc.ledgers import Ledgers
from orchestrator_svc.notifier import Notifier
from orchestrator_svc.projects import Projects
from orchestrator_svc.service import OrchestratorServicer
from orchestrator_svc.services import Services
from orchestrator_svc.storage.runs import RunStore
from orchestrator_svc.survivors import Survivors
from orchestrator_svc.traces import Traces

MIGRATIONS = Path(__file__).parent / "storage" / "migrations"
SCAN_SECONDS = 5.0


async def start(config: Config, clock: Callable[[], float] = time.time) -> RunningService:
    """Starts the orchestrator: database, services, server, then the runs that were left."""
    database = await asyncio.to_thread(Database.open, config.url, MIGRATIONS)
    services = Services.connect(config, config.tls)
    rows = RunStore(database)
    projects = Projects(database, config.directory / "git", config.allow_paths, config.credentials)
    notifier = Notifier()
    drivers = Drivers(config, rows, projects, services, notifier, clock)
    engine = Engine(config.url, config.executor_id, drivers.drive)
    control = Control(rows, projects, drivers, engine, notifier, clock)
    ledgers = Ledgers(control)
    upkeep = Upkeep()

    async def authorize(header: PutPackHeader) -> None:
        tokens = (ledgers.upload_token(header.request_id), await rows.upload_token_of(header.request_id))
        if not any(token and hmac.compare_digest(token, header.upload_token) for token in tokens):
            raise PermissionDenied(
                Reason("UPLOAD_REFUSED", "The upload token is not that of a running attempt.", "")
            )

    async def received(header: PutPackHeader, store: GitStore) -> None:
        """The objects are in the store; the attempt's row names the commit once its build has ended."""
        upkeep.came(store)

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
                "autopack.api.orchestrator.v1.OrchestratorService",
                lambda server: orchestrator_service_pb2_grpc.add_OrchestratorServiceServicer_to_server(
                    OrchestratorServicer(control, ledgers, Traces(rows, config.spans, _flush_spans)), server
                ),
                orchestrator_service_pb2.DESCRIPTOR,
            ),
            Service(
                "autopack.api.git.v1.GitService",
                lambda server: git_service_pb2_grpc.add_GitServiceServicer_to_server(
                    GitServiceServicer(projects.store, authorize, received), server
                ),
                git_service_pb2.DESCRIPTOR,
            ),
        ],
        {"database": database.ping},
    )
    await server.start()
    drivers.git_address = config.git_address or server.address
    retention = Retention(config.retention_days, clock, [rows.prune, engine.prune])
    survivors = Survivors(control, clock, min(SCAN_SECONDS, config.lease_seconds / 3))
    if config.drive_at_start:
        survivors.start()

    async def close() -> None:
        await close_all(
            survivors.stop,
            server.stop,
            retention.close,
            drivers.stop,
            engine.stop,
            upkeep.close,
            services.close,
            database.close,
        )

    return RunningService(server, close)


def _flush_spans() -> None:
    provider = tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.force_flush()


async def main() -> None:
    """Serves until SIGTERM."""
    environ = dict(os.environ)
    await run_alone("orchestrator_svc", Config.from_environ(environ), environ, start)


if __name__ == "__main__":
    asyncio.run(main())
