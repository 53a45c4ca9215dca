"""Puts the gate together; the only place that constructs its parts."""

import asyncio
import os
import secrets
import time
from pathlib import Path

from autopack.api.auditor.v1.auditor_service_pb2_grpc import AuditorServiceStub
from autopack.api.gate.v1 import gate_service_pb2, gate_service_pb2_grpc
from autopack.database.database import Database
from autopack.database.operations import Operations
from autopack.database.retention import Retention
from autopack.gitstore.checkouts import Checkouts
from autopack.gitstore.copies import Copies
from autopack.rpc.alone import run_alone
from autopack.rpc.channel import create_channel
from autopack.rpc.lifetime import RunningService, close_all
from autopack.rpc.server import ServerSettings, Service, create_server
from gate_svc.audits import Audits
from gate_svc.checks import Checks
from gate_svc.config import Config
from gate_svc.environments import Environments
from gate_svc.judges import Judges
from gate_svc.judging import Judging
from gate_svc.machine import machine_digest
from gate_svc.probes import Probes
from gate_svc.sandboxes import Sandboxes
from gate_svc.service import GateServiceServicer
from gate_svc.signing.process import Signer, leave_key_behind
from gate_svc.slots import FairSlots
from gate_svc.storage.check_results import CheckResults
from gate_svc.trees import Trees

MIGRATIONS = Path(__file__).parent / "storage" / "migrations"


async def start(config: Config) -> RunningService:
    """Starts the gate: database, sandboxes, server."""
    directory = config.directory
    database = await asyncio.to_thread(Database.open, config.url, MIGRATIONS)
    results = CheckResults(database, time.time)
    environments = Environments(directory / "environments")
    await asyncio.to_thread(environments.prune, time.time())
    checkouts = await asyncio.to_thread(Checkouts, directory / "checkouts", config.checkouts_bytes)
    auditor = create_channel(config.auditor_address, config.tls)
    copies = Copies(directory / "git", config.tls, config.git_directory)
    sandboxes = Sandboxes(config.sandbox_tier)
    checks = Checks(results, FairSlots(config.concurrent_checks))
    signer = Signer(config.key_source)
    operations = Operations(database, time.time, "gate")
    judging = Judging(
        copies=copies,
        audits=Audits(AuditorServiceStub(auditor), config.audit_patience_seconds, time.monotonic),
        sandboxes=sandboxes,
        environments=environments,
        trees=Trees(checkouts),
        judges=Judges(secrets.token_bytes(32)),
        checks=checks,
        probes=Probes(checks, results, signer.secret),
        machine=await asyncio.to_thread(machine_digest),
    )
    servicer = GateServiceServicer(operations, judging, sandboxes, signer, time.time)
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
                "autopack.api.gate.v1.GateService",
                lambda server: gate_service_pb2_grpc.add_GateServiceServicer_to_server(servicer, server),
                gate_service_pb2.DESCRIPTOR,
            )
        ],
        {"database": database.ping},
    )
    await server.start()
    retention = Retention(config.retention_days, time.time, [operations.prune, results.prune])
    if config.warm:
        sandboxes.warm()

    async def close_auditor() -> None:
        await auditor.close(None)

    async def close() -> None:
        await close_all(
            server.stop,
            retention.close,
            operations.close,
            checks.close,
            sandboxes.close,
            signer.close,
            copies.close,
            close_auditor,
            database.close,
        )

    return RunningService(server, close)


async def main() -> None:
    """Serves until SIGTERM."""
    environ = dict(os.environ)
    leave_key_behind(environ)
    await run_alone("gate_svc", Config.from_environ(environ), environ, start)


if __name__ == "__main__":
    asyncio.run(main())
