"""Health says what the dependencies say; reflection lists what is served."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub

from autopack.api.memory.v1 import memory_service_pb2
from autopack.rpc import health

SERVING, NOT_SERVING = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING
MEMORY = "autopack.api.memory.v1.MemoryService"


class Dependency:
    """Works or not, as the test says."""

    def __init__(self, works: bool = True) -> None:
        self.works = works

    async def __call__(self) -> None:
        if not self.works:
            raise ConnectionError("refused")


async def status(served: Any, service: str = "") -> int:
    answer = await HealthStub(served.channel).Check(HealthCheckRequest(service=service))
    return int(answer.status)


async def watched(served: Any) -> AsyncIterator[int]:
    async for answer in HealthStub(served.channel).Watch(HealthCheckRequest()):
        yield answer.status


@pytest.mark.parametrize("service", ["", MEMORY])
async def test_a_server_without_dependencies_serves(served: Any, service: str) -> None:
    assert await status(served, service) == SERVING


async def test_a_service_that_is_not_offered_is_unknown(served: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await status(served, "autopack.api.dream.v1.DreamService")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("service", ["", MEMORY])
async def test_one_dependency_down_is_down_for_all(serve: Any, service: str) -> None:
    served = await serve({"database": Dependency(), "index": Dependency(works=False)})
    assert await status(served, service) == NOT_SERVING


async def test_health_follows_a_dependency_down_and_up(serve: Any) -> None:
    dependency = Dependency()
    served = await serve({"database": dependency}, check_seconds=0.01)
    statuses = watched(served)
    assert await anext(statuses) == SERVING
    dependency.works = False
    assert await asyncio.wait_for(anext(statuses), 5) == NOT_SERVING
    dependency.works = True
    assert await asyncio.wait_for(anext(statuses), 5) == SERVING


async def test_a_dependency_that_hangs_is_down(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CHECK_TIMEOUT_SECONDS", 0.01)

    async def hang() -> None:
        await asyncio.Event().wait()

    assert await status(await serve({"database": hang})) == NOT_SERVING


async def test_health_answers_when_calls_are_over_the_limit(serve: Any) -> None:
    served = await serve(maximum_concurrent_rpcs=1)
    begun = asyncio.Event()

    async def recall(request: Any, context: Any) -> Any:
        begun.set()
        await asyncio.Event().wait()

    served.memory.recall = recall
    running = served.recall(memory_service_pb2.RecallRequest(project_id="p", query="q"))
    task = asyncio.ensure_future(running.code())
    await begun.wait()
    assert await status(served) == SERVING
    running.cancel()
    await task


async def test_a_watcher_learns_of_the_stop_and_does_not_hold_it_up(serve: Any) -> None:
    served = await serve(drain_seconds=60)
    watch = HealthStub(served.channel).Watch(HealthCheckRequest())
    assert (await watch.read()).status == SERVING
    await asyncio.wait_for(served.server.stop(), 10)
    assert await watch.code() is grpc.StatusCode.UNAVAILABLE


async def reflect(served: Any, request: ServerReflectionRequest) -> Any:
    async def requests() -> AsyncIterator[ServerReflectionRequest]:
        yield request

    answers = ServerReflectionStub(served.channel).ServerReflectionInfo(requests())
    return await anext(aiter(answers))


async def test_reflection_lists_every_service(served: Any) -> None:
    answer = await reflect(served, ServerReflectionRequest(list_services=""))
    assert {service.name for service in answer.list_services_response.service} == {
        MEMORY,
        "autopack.api.git.v1.GitService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }


async def test_reflection_has_the_contract_of_a_service(served: Any) -> None:
    answer = await reflect(served, ServerReflectionRequest(file_containing_symbol=MEMORY))
    files = [
        FileDescriptorProto.FromString(file) for file in answer.file_descriptor_response.file_descriptor_proto
    ]
    methods = [method.name for file in files for service in file.service for method in service.method]
    assert "Recall" in methods
