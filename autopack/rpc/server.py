"""Makes the servers: limits, keepalive, TLS, health, reflection and the one interceptor."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, TracebackType

import grpc
from google.protobuf.descriptor import FileDescriptor

from autopack.errors import InvalidInput, Reason
from autopack.rpc.address import UNIX, in_use, prepare_socket, stays_on_this_machine
from autopack.rpc.tls import TlsSettings, server_credentials
from autopack.rpc.transport import SERVER_OPTIONS

logger = logging.getLogger(__name__)

PROBE_HEADROOM = 32
"""Calls above the limit that gRPC still lets in, so that probes are answered under load."""
STOP_MARGIN_SECONDS = 2.0
"""After the drain, for the last answers to get out."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How one server runs."""

    address: str
    """ "unix:/path/x.sock" or "host:port"; port 0 picks a free one."""
    maximum_concurrent_rpcs: int = 200
    """More are answered with RESOURCE_EXHAUSTED `OVERLOADED`."""
    drain_seconds: float = 10.0
    """How long running calls may go on after the stop."""
    tls: TlsSettings | None = None
    """Mutual TLS; None only for Unix sockets and loopback."""
    insecure: bool = False
    """Allows plain text on any address; for networks that encrypt by themselves."""
    check_seconds: float = 5.0
    """How often the dependencies are asked."""
    name: str = ""
    """What traces call it; empty: the package of its first service, as in builder_svc."""
    health_address: str = ""
    """Where health alone is told in plain text to probes that have no certificate; empty: nowhere."""


@dataclass(frozen=True, slots=True)
class Service:
    """One gRPC service for a server to offer."""

    full_name: str
    """With its package, for health and reflection."""
    add: Callable[[grpc.aio.Server], None]
    """As `lambda server: add_BuilderServiceServicer_to_server(servicer, server)`."""
    descriptor: FileDescriptor
    """Of the file that declares it, so that reflection finds it."""


class Server:
    """A server: started on enter, drained on exit. Make it with `create_server`."""

    def __init__(
        self,
        settings: ServerSettings,
        services: Sequence[Service],
        checks: Mapping[str, Callable[[], Awaitable[None]]],
    ) -> None:
        # These are only needed where something is served, and cost a client 100 ms.
        from autopack.rpc.health import DependencyHealth
        from autopack.rpc.interceptor import CallInterceptor

        self.address = settings.address
        """What to dial; with the real port once it has started."""
        self.drain_seconds = settings.drain_seconds
        self._settings = settings
        self._services = services
        names = [service.full_name for service in services]
        package = names[0].split(".")[-3] if names and names[0].count(".") >= 2 else "server"
        self._interceptor = CallInterceptor(
            settings.name or f"{package}_svc", settings.maximum_concurrent_rpcs
        )
        self._health = DependencyHealth(names, checks, settings.check_seconds)
        self._server: grpc.aio.Server | None = None
        self._health_server: grpc.aio.Server | None = None
        self.health_address = settings.health_address
        """Where probes ask; with the real port once it has started."""

    async def start(self) -> None:
        """Listens, and returns when calls are served; a second time does nothing.

        Raises:
            FailedPrecondition: `ADDRESS_IN_USE`, `SOCKET_DIRECTORY_OPEN`.
            InvalidInput: `SOCKET_PATH_TOO_LONG`.
        """
        if self._server is not None:
            return
        # Made here, since it belongs to the running loop.
        server = grpc.aio.server(
            interceptors=[self._interceptor],
            options=SERVER_OPTIONS,
            maximum_concurrent_rpcs=self._settings.maximum_concurrent_rpcs + PROBE_HEADROOM,
        )
        for service in self._services:
            service.add(server)
        self._add_infrastructure(server)
        self.address = await asyncio.to_thread(self._listen, server)
        self._server = server
        # Before anybody can ask: the servicer says SERVING until it is told otherwise.
        await self._health.start()
        await server.start()
        if self._settings.health_address:
            try:
                await self._start_health(self._settings.health_address)
            except BaseException:
                await self.stop()
                raise
        logger.info("serving on %s", self.address)

    async def _start_health(self, address: str) -> None:
        from grpc_health.v1 import health_pb2_grpc

        server = grpc.aio.server(options=SERVER_OPTIONS, maximum_concurrent_rpcs=PROBE_HEADROOM)
        health_pb2_grpc.add_HealthServicer_to_server(self._health.servicer, server)
        try:
            port = server.add_insecure_port(address)
        except RuntimeError as error:
            raise in_use(address) from error
        self.health_address = f"{address.rpartition(':')[0]}:{port}"
        await server.start()
        self._health_server = server

    def _add_infrastructure(self, server: grpc.aio.Server) -> None:
        from grpc_health.v1 import health, health_pb2_grpc
        from grpc_reflection.v1alpha import reflection

        health_pb2_grpc.add_HealthServicer_to_server(self._health.servicer, server)
        names = [service.full_name for service in self._services]
        reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server)

    def _listen(self, server: grpc.aio.Server) -> str:
        address = self._settings.address
        socket = Path(address.removeprefix(UNIX)) if address.startswith(UNIX) else None
        if socket is not None:
            prepare_socket(socket)
        try:
            if self._settings.tls is not None:
                port = server.add_secure_port(address, server_credentials(self._settings.tls))
            else:
                port = server.add_insecure_port(address)
        except RuntimeError as error:
            raise in_use(address) from error
        if socket is not None:
            socket.chmod(0o600)
            return address
        return f"{address.rpartition(':')[0]}:{port}"

    async def stop(self) -> None:
        """Says NOT_SERVING, takes no more calls, lets running ones end, then closes."""
        if self._server is None:
            return
        await self._health.stop()
        grace = self._settings.drain_seconds + STOP_MARGIN_SECONDS
        stopping = asyncio.create_task(self._server.stop(grace))
        await self._interceptor.drain(self._settings.drain_seconds)
        await stopping
        if self._health_server is not None:
            await self._health_server.stop(None)
        logger.info("stopped serving on %s", self.address)

    async def wait_for_termination(self) -> None:
        """Returns when the server has stopped."""
        if self._server is not None:
            await self._server.wait_for_termination()

    async def __aenter__(self) -> "Server":
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()


def create_server(
    settings: ServerSettings,
    services: Sequence[Service],
    checks: Mapping[str, Callable[[], Awaitable[None]]] = MappingProxyType({}),
) -> Server:
    """A server, not started yet; `checks` raise while what the services need is down.

    Raises:
        InvalidInput: `TLS_REQUIRED`, for an address that other machines reach.
    """
    if settings.tls is None and not settings.insecure and not stays_on_this_machine(settings.address):
        raise InvalidInput(
            Reason(
                "TLS_REQUIRED",
                f"{settings.address} can be reached from other machines and has no TLS",
                "Give certificate, key and CA, or listen on 127.0.0.1 or a Unix socket.",
            )
        )
    return Server(settings, services, checks)
