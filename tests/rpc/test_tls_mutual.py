"""Mutual TLS, with certificates made here: who has none of the authority's gets nothing."""

from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub

from autopack.api.memory.v1 import memory_service_pb2, memory_service_pb2_grpc
from autopack.errors import InvalidInput, Unavailable
from autopack.rpc.channel import create_channel
from autopack.rpc.errors import call
from autopack.rpc.health import LIVENESS
from autopack.rpc.tls import TlsSettings
from autopack.testing.certificates import Authority

QUERY = memory_service_pb2.RecallRequest(project_id="p", query="q")


async def ask(address: str, tls: TlsSettings | None) -> Any:
    async with create_channel(address, tls) as channel:
        stub = memory_service_pb2_grpc.MemoryServiceStub(channel)
        return await call(stub.Recall(QUERY, timeout=5))


async def test_both_ends_with_certificates_of_the_authority_speak(serve: Any, tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ours")
    served = await serve(address="127.0.0.1:0", tls=authority.issue("server"))
    assert await ask(served.server.address, authority.issue("client")) is not None


async def test_a_client_without_a_certificate_is_refused(serve: Any, tmp_path: Path) -> None:
    served = await serve(address="127.0.0.1:0", tls=Authority(tmp_path, "ours").issue("server"))
    with pytest.raises(Unavailable):
        await ask(served.server.address, None)


async def test_a_client_of_another_authority_is_refused(serve: Any, tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    served = await serve(address="127.0.0.1:0", tls=ours.issue("server"))
    client = theirs.issue("client")
    with pytest.raises(Unavailable):
        await ask(served.server.address, TlsSettings(client.certificate, client.key, ours.issue("x").ca))


async def test_a_server_of_another_authority_is_refused(serve: Any, tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    client = ours.issue("client")
    served = await serve(address="127.0.0.1:0", tls=theirs.issue("server"))
    with pytest.raises(Unavailable):
        await ask(served.server.address, client)


def test_the_environment_names_all_three_files_or_none() -> None:
    names = ("AUTOPACK_TLS_CERTIFICATE", "AUTOPACK_TLS_KEY", "AUTOPACK_TLS_CA")
    assert TlsSettings.from_environ({}) is None
    everything = TlsSettings.from_environ({name: f"/{name}" for name in names})
    assert everything == TlsSettings(*(Path(f"/{name}") for name in names))
    with pytest.raises(InvalidInput, match="AUTOPACK_TLS_KEY, AUTOPACK_TLS_CA"):
        TlsSettings.from_environ({"AUTOPACK_TLS_CERTIFICATE": "/x"})


async def test_a_probe_without_a_certificate_is_told_of_health_and_of_nothing_else(
    serve: Any, tmp_path: Path
) -> None:
    settings = Authority(tmp_path, "ours").issue("server")
    served = await serve(address="127.0.0.1:0", tls=settings, health_address="127.0.0.1:0")
    async with grpc.aio.insecure_channel(served.server.health_address) as channel:
        for name in ("", LIVENESS):
            answer = await HealthStub(channel).Check(HealthCheckRequest(service=name))
            assert answer.status == HealthCheckResponse.SERVING
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await memory_service_pb2_grpc.MemoryServiceStub(channel).Recall(QUERY, timeout=5)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_dependency_that_is_down_leaves_the_process_alive(serve: Any) -> None:
    async def down() -> None:
        raise ConnectionError("refused")

    served = await serve({"database": down}, health_address="127.0.0.1:0")
    async with grpc.aio.insecure_channel(served.server.health_address) as channel:
        ready = await HealthStub(channel).Check(HealthCheckRequest())
        alive = await HealthStub(channel).Check(HealthCheckRequest(service=LIVENESS))
    assert ready.status == HealthCheckResponse.NOT_SERVING
    assert alive.status == HealthCheckResponse.SERVING
