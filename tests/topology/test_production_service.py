"""One service as it runs in production: it lists what it offers, and says when its database is gone."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from autopack.rpc.health import LIVENESS
from autopack.rpc.tls import channel_credentials
from autopack.testing.certificates import Authority
from autopack.testing.postgres import start_postgres

SECONDS = 60.0


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Ends what a test has started."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def start_service(start_topology: Any, tmp_path: Path, stack: ExitStack) -> Any:
    """Starts one service on a database of its own."""

    def start(service: str, **settings: str) -> Any:
        tls = Authority(tmp_path, "authority").issue("everybody")
        running = start_topology(tls, tmp_path)
        stack.callback(running.close)
        running.start(service, tmp_path / service, settings)
        return running

    return start


def test_a_server_lists_its_services_with_their_methods(start_service: Any, stack: ExitStack) -> None:
    running = start_service("auditor")
    credentials = channel_credentials(running.tls)
    channel = stack.enter_context(grpc.secure_channel(running.addresses["auditor"], credentials))
    listing = ProtoReflectionDescriptorDatabase(channel)
    assert sorted(listing.get_services()) == [
        "autopack.api.auditor.v1.AuditorService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    ]
    service = DescriptorPool(listing).FindServiceByName("autopack.api.auditor.v1.AuditorService")
    assert {"StartAudit", "WaitAudit", "GetSarif"} <= set(service.methods_by_name)


def test_health_says_when_the_database_is_gone_but_the_process_is_not(
    start_service: Any, free_port: Any, tmp_path: Path, stack: ExitStack
) -> None:
    address = f"127.0.0.1:{free_port()}"
    with start_postgres(tmp_path / "postgres") as url:
        start_service("builder", AUTOPACK_DATABASE_URL=url, AUTOPACK_HEALTH_ADDRESS=address)
        # Without a certificate, as a kubelet asks.
        health = HealthStub(stack.enter_context(grpc.insecure_channel(address)))
        told = health.Watch(HealthCheckRequest(), wait_for_ready=True, timeout=SECONDS)
        assert next(told).status == HealthCheckResponse.SERVING
    assert next(told).status == HealthCheckResponse.NOT_SERVING
    alive = health.Check(HealthCheckRequest(service=LIVENESS), timeout=SECONDS)
    assert alive.status == HealthCheckResponse.SERVING
