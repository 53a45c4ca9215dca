"""A service that answers nothing but UNAVAILABLE is asked few times, however many runs wait for it."""

from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from autopack.api.builder.v1 import builder_service_pb2, builder_service_pb2_grpc
from autopack.api.orchestrator.v1 import run_pb2
from autopack.errors import Reason, Unavailable
from autopack.rpc.server import ServerSettings, Service, create_server
from tests.orchestrator_svc.conftest import a_plan, an_orchestrator
from tests.orchestrator_svc.doubles import UNASKED, Script, doubles

RUNS = 8
PATIENCE_SECONDS = 2.0
TRIES = 6
"""Pauses of 0.1, 0.2, 0.4, 0.8 s, each with jitter, fit into the patience, and one more try at its end."""
RETRIES = 20
"""That gRPC makes of its own before its throttle stops it, for all runs together."""


class Dead(builder_service_pb2_grpc.BuilderServiceServicer):
    """Counts who asks."""

    WaitBuild = CancelBuild = UNASKED
    asked = 0

    async def StartBuild(
        self, request: builder_service_pb2.StartBuildRequest, context: object
    ) -> builder_service_pb2.StartBuildResponse:
        self.asked += 1
        raise Unavailable(Reason("BUILDER_UNAVAILABLE", "dead", ""))


async def test_calls_to_a_dead_service_are_few(
    tmp_path: Path, script: Script, database_url: str, repository: Path
) -> None:
    dead = Dead()
    service = Service(
        "autopack.api.builder.v1.BuilderService",
        lambda server: builder_service_pb2_grpc.add_BuilderServiceServicer_to_server(dead, server),
        builder_service_pb2.DESCRIPTOR,
    )
    async with AsyncExitStack() as stack:
        addresses = await stack.enter_async_context(doubles(script, tmp_path / "doubles"))
        server = await stack.enter_async_context(
            create_server(ServerSettings("127.0.0.1:0", drain_seconds=0.1), [service])
        )
        client = await stack.enter_async_context(
            an_orchestrator(
                tmp_path / "o",
                replace(addresses, builder=server.address),
                database_url,
                repository,
                patience_seconds=PATIENCE_SECONDS,
            )
        )
        for number in range(RUNS):
            await client.submit(a_plan("one"), f"r{number}")
        halted = [await client.stopped(f"r{number}") for number in range(RUNS)]
        asked = dead.asked

    assert {run.state for run in halted} == {run_pb2.RUN_STATE_RUNNING}
    assert {run.reasons[0].code for run in halted} == {"BUILDER_UNAVAILABLE"}
    assert RUNS <= asked <= RUNS * TRIES + RETRIES
