"""An all-in-one that stays, for benchmarks that ask it by its sockets."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from autopack.api.orchestrator.v1 import orchestrator_service_pb2 as messages
from autopack.api.orchestrator.v1 import run_pb2
from autopack.api.orchestrator.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from autopack.errors import NotFound
from autopack.host.places import SERVICES, Places
from autopack.rpc.channel import create_channel
from autopack.rpc.errors import call
from benchmarks.project import Bench

if TYPE_CHECKING:  # known to type checkers only
    from autopack.api.orchestrator.v1.orchestrator_service_pb2_grpc import OrchestratorServiceAsyncStub

READY_SECONDS = 120.0
LOOK_SECONDS = 0.02


def start_host(bench: Bench, environ: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """`autopack serve all`; what it logs goes to host.log in the scratch directory."""
    with (bench.directory / "host.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "autopack.cli", "serve", "all"],
            env={**bench.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


@asynccontextmanager
async def orchestrator(bench: Bench) -> AsyncIterator["OrchestratorServiceAsyncStub"]:
    """A client of the host's orchestrator, when all services are up."""
    sockets = Places(Path(bench.environ["AUTOPACK_HOME"])).sockets()
    async with asyncio.timeout(READY_SECONDS):
        # Another process makes them: no event of ours can tell.
        while not all((sockets / f"{service}.sock").exists() for service in SERVICES):  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)
    async with create_channel(f"unix:{sockets}/orchestrator.sock") as channel:
        await channel.channel_ready()
        yield OrchestratorServiceStub(channel)


async def ended(stub: "OrchestratorServiceAsyncStub", run_id: str, look_seconds: float = 0.2) -> run_pb2.Run:
    """The run once it has ended, waits for a person, or was halted."""
    while True:
        try:
            request = messages.GetRunRequest(run_id=run_id)
            run: run_pb2.Run = (await call(stub.GetRun(request))).run
        except NotFound:
            run = run_pb2.Run(state=run_pb2.RUN_STATE_RUNNING)
        if run.state != run_pb2.RUN_STATE_RUNNING or (run.reasons and not run.driven):
            return run
        await asyncio.sleep(look_seconds)
