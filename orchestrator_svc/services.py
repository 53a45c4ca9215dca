"""The services that the orchestrator calls, and how it waits for them."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import grpc

from autopack.api.auditor.v1 import auditor_service_pb2_grpc
from autopack.api.builder.v1 import builder_service_pb2_grpc
from autopack.api.gate.v1 import gate_service_pb2_grpc
from autopack.api.memory.v1 import memory_service_pb2_grpc
from autopack.errors import NotFound, Reason, Unavailable
from autopack.rpc.channel import create_channel
from autopack.rpc.errors import call
from autopack.rpc.tls import TlsSettings
from orchestrator_svc.config import Config
from orchestrator_svc.domain.refusal import Halt, waiting_helps

WAIT_SECONDS = 60.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Services:
    """Stubs, one for each service."""

    builder: "builder_service_pb2_grpc.BuilderServiceAsyncStub"
    auditor: "auditor_service_pb2_grpc.AuditorServiceAsyncStub"
    gate: "gate_service_pb2_grpc.GateServiceAsyncStub"
    memory: "memory_service_pb2_grpc.MemoryServiceAsyncStub"
    channels: tuple[grpc.aio.Channel, ...]

    @classmethod
    def connect(cls, config: Config, tls: TlsSettings | None) -> "Services":
        """Channels to the addresses of the settings; nothing is dialled before it is used."""
        builder = create_channel(config.builder_address, tls)
        auditor = create_channel(config.auditor_address, tls)
        gate = create_channel(config.gate_address, tls)
        memory = create_channel(config.memory_address, tls)
        return cls(
            builder_service_pb2_grpc.BuilderServiceStub(builder),
            auditor_service_pb2_grpc.AuditorServiceStub(auditor),
            gate_service_pb2_grpc.GateServiceStub(gate),
            memory_service_pb2_grpc.MemoryServiceStub(memory),
            (builder, auditor, gate, memory),
        )

    async def close(self) -> None:
        """Closes the channels."""
        await asyncio.gather(*(channel.close(None) for channel in self.channels))


async def ended(wait: Callable[[], Awaitable[T]]) -> T:
    """Waits for long work: a deadline that passes only means that it still runs.

    Raises:
        Unavailable: also where the service has lost the work with its store; start it again.
    """
    while True:
        try:
            return await call(wait())
        except NotFound as error:
            raise Unavailable(*error.reasons) from error
        except Unavailable as error:
            if error.reasons[0].code != "DEADLINE_EXCEEDED":
                raise


async def patiently(work: Callable[[], Awaitable[T]], patience_seconds: float) -> T:
    """Does the work, trying again while a service is away.

    Raises:
        Halt: when it was away for longer than the patience lasts.
    """
    deadline = asyncio.get_running_loop().time() + patience_seconds
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            return await work()
        except Unavailable as error:
            late = asyncio.get_running_loop().time() + pause > deadline
            if late or not waiting_helps(error.reasons[0]):
                raise Halt(
                    *error.reasons,
                    Reason(
                        "RUN_HALTED",
                        "The run stopped here; nothing is lost.",
                        "Mend it, then `autopack resume RUN`.",
                    ),
                ) from error
        # Not for secrecy: the jitter keeps many runs from coming back in step.
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
