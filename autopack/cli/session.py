"""What a command talks to: one orchestrator by its address, or the all-in-one that it holds."""

import os
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self

from autopack.errors import InvalidInput, Reason
from autopack.host.client import Host
from autopack.host.places import SERVICES, places_of

if TYPE_CHECKING:
    import grpc

    from autopack.api.auditor.v1.auditor_service_pb2_grpc import AuditorServiceAsyncStub
    from autopack.api.gate.v1.gate_service_pb2_grpc import GateServiceAsyncStub
    from autopack.api.memory.v1.memory_service_pb2_grpc import MemoryServiceAsyncStub
    from autopack.api.orchestrator.v1.orchestrator_service_pb2_grpc import OrchestratorServiceAsyncStub


class Session:
    """Stubs of the services that a command needs; made before what is slow to import is imported."""

    def __init__(
        self, server: str = "", start: Iterable[str] = SERVICES, environ: Mapping[str, str] = os.environ
    ) -> None:
        """With a server's address nothing is started; otherwise the all-in-one begins to start at once."""
        self.server = server
        self._start = tuple(start)
        self._environ = environ
        self._host = None if server else Host(places_of(environ), environ, self._start)
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._closers = AsyncExitStack()

    @property
    def all_in_one(self) -> bool:
        """Whether this is the all-in-one, which can read repositories by their path."""
        return self._host is not None

    @property
    def host_gone(self) -> bool:
        """Whether the all-in-one that this held has ended under us."""
        return self._host is not None and self._host.gone

    async def __aenter__(self) -> Self:
        if self._host is not None:
            self._closers.push_async_callback(self._host.close)
            await self._host.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._closers.aclose()

    async def started(self) -> None:
        """Returns when every service that was asked for is up. Raises Unavailable with why one is not."""
        if self._host is not None:
            for service in self._start:
                await self._host.address(service)

    async def orchestrator(self) -> "OrchestratorServiceAsyncStub":
        """The orchestrator."""
        from autopack.api.orchestrator.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub

        return OrchestratorServiceStub(await self._channel("orchestrator"))

    async def auditor(self) -> "AuditorServiceAsyncStub":
        """The all-in-one's auditor."""
        from autopack.api.auditor.v1.auditor_service_pb2_grpc import AuditorServiceStub

        return AuditorServiceStub(await self._channel("auditor"))

    async def gate(self) -> "GateServiceAsyncStub":
        """The all-in-one's gate."""
        from autopack.api.gate.v1.gate_service_pb2_grpc import GateServiceStub

        return GateServiceStub(await self._channel("gate"))

    async def memory(self) -> "MemoryServiceAsyncStub":
        """The all-in-one's memory."""
        from autopack.api.memory.v1.memory_service_pb2_grpc import MemoryServiceStub

        return MemoryServiceStub(await self._channel("memory"))

    async def _channel(self, service: str) -> "grpc.aio.Channel":
        from autopack.rpc.channel import create_channel
        from autopack.rpc.tls import TlsSettings

        if service not in self._channels:
            if self._host is not None:
                channel = create_channel(await self._host.address(service))
            else:
                channel = create_channel(_checked(self.server), TlsSettings.from_environ(self._environ))
            self._channels[service] = channel
            self._closers.push_async_callback(channel.close, None)
        return self._channels[service]


def _checked(address: str) -> str:
    host, colon, port = address.rpartition(":")
    if address.startswith(("unix:", "dns:")) or (host and colon and port.isdecimal()):
        return address
    raise InvalidInput(
        Reason(
            "ADDRESS_INVALID",
            f"{address!r} is no server's address",
            "give HOST:PORT, dns:///NAME:PORT or unix:PATH",
        )
    )
