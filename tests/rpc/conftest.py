"""A real server on a Unix socket whose answers each test writes by itself."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest

from autopack.api.git.v1 import git_service_pb2, git_service_pb2_grpc
from autopack.api.memory.v1 import memory_service_pb2, memory_service_pb2_grpc
from autopack.rpc.channel import create_channel
from autopack.rpc.server import Server, ServerSettings, Service, create_server

MEMORY = "autopack.api.memory.v1.MemoryService"
GIT = "autopack.api.git.v1.GitService"


async def _empty(request: Any, context: Any) -> memory_service_pb2.RecallResponse:
    return memory_service_pb2.RecallResponse()


class Memory(memory_service_pb2_grpc.MemoryServiceServicer):
    """Recall does what the test says."""

    def __init__(self) -> None:
        self.recall: Callable[[Any, Any], Awaitable[memory_service_pb2.RecallResponse]] = _empty

    async def Recall(self, request: Any, context: Any) -> memory_service_pb2.RecallResponse:
        return await self.recall(request, context)


class Git(git_service_pb2_grpc.GitServiceServicer):
    """Both streams: one out, one in."""

    def __init__(self) -> None:
        self.cleaned = asyncio.Event()
        self.sent = asyncio.Event()
        self.hold = asyncio.Event()
        self.refusal: Exception | None = None
        self.failure: Exception | None = None
        self.calls = 0
        self.received: list[bytes] = []

    async def GetPack(self, request: Any, context: Any) -> AsyncIterator[git_service_pb2.GetPackResponse]:
        self.calls += 1
        if self.refusal is not None:
            raise self.refusal
        try:
            yield git_service_pb2.GetPackResponse(chunk=b"one")
            self.sent.set()
            if self.failure is not None:
                raise self.failure
            await self.hold.wait()
            yield git_service_pb2.GetPackResponse(chunk=b"two")
        finally:
            self.cleaned.set()

    async def PutPack(
        self, request_iterator: AsyncIterator[git_service_pb2.PutPackRequest], context: Any
    ) -> git_service_pb2.PutPackResponse:
        async for request in request_iterator:
            self.received.append(request.chunk)
        return git_service_pb2.PutPackResponse(objects=len(self.received))


@dataclass
class Served:
    """A running server with its servicers, and stubs to call it by."""

    server: Server
    memory: Memory
    git: Git
    channel: grpc.aio.Channel
    recall: Any = field(init=False)
    get_pack: Any = field(init=False)
    put_pack: Any = field(init=False)

    def __post_init__(self) -> None:
        git: Any = git_service_pb2_grpc.GitServiceStub(self.channel)
        self.recall = memory_service_pb2_grpc.MemoryServiceStub(self.channel).Recall
        self.get_pack, self.put_pack = git.GetPack, git.PutPack


def services(memory: Memory, git: Git) -> Sequence[Service]:
    """Both of them, as a server takes them."""
    return [
        Service(
            MEMORY,
            lambda server: memory_service_pb2_grpc.add_MemoryServiceServicer_to_server(memory, server),
            memory_service_pb2.DESCRIPTOR,
        ),
        Service(
            GIT,
            lambda server: git_service_pb2_grpc.add_GitServiceServicer_to_server(git, server),
            git_service_pb2.DESCRIPTOR,
        ),
    ]


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Served]]]:
    """Starts a server with the settings and checks given; all are stopped in the end."""
    started: list[Served] = []

    async def start(
        checks: dict[str, Callable[[], Awaitable[None]]] | None = None, **settings: Any
    ) -> Served:
        memory, git = Memory(), Git()  # type: ignore[abstract]  # the others answer UNIMPLEMENTED
        address = settings.pop("address", f"unix:{tmp_path}/{len(started)}.sock")
        settings.setdefault("drain_seconds", 0.0)
        server = create_server(ServerSettings(address, **settings), services(memory, git), checks or {})
        await server.start()
        started.append(Served(server, memory, git, create_channel(server.address)))
        return started[-1]

    yield start
    for served in started:
        await served.channel.close(None)
        await served.server.stop()


@pytest.fixture
async def served(serve: Callable[..., Awaitable[Served]]) -> Served:
    """A server with the usual settings."""
    return await serve()


QUERY = memory_service_pb2.RecallRequest(project_id="p", query="q")
WANTS = git_service_pb2.GetPackRequest(project_id="p", wants=["0" * 40])
