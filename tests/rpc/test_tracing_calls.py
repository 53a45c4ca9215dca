"""Spans of calls: one on each end, in one trace, with the status that the call had."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest
from grpc_health.v1.health_pb2_grpc import HealthStub
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from autopack.api.git.v1 import git_service_pb2
from autopack.api.memory.v1 import memory_service_pb2
from autopack.errors import AutopackError, Internal, InvalidInput, NotFound, Reason, Unavailable
from autopack.rpc.errors import call
from autopack.telemetry import names
from autopack.telemetry.context import trace_parent
from autopack.telemetry.metrics import use_meter_provider
from autopack.telemetry.setup import configure, span
from autopack.telemetry.spans import StoredSpan, spans_of_trace

QUERY = memory_service_pb2.RecallRequest(project_id="p", query="q")
WANTS = git_service_pb2.GetPackRequest(project_id="p", wants=["0" * 40])
RECALL = "autopack.api.memory.v1.MemoryService/Recall"
TRACE, PARENT = "ab" * 16, "cd" * 8

Spans = Callable[[], tuple[StoredSpan, ...]]


@pytest.fixture
def spans(tmp_path: Path) -> Iterator[Spans]:
    """Closes telemetry and returns the spans of the trace that the test's calls are part of."""
    telemetry = configure("test", tmp_path / "spans.db", {})

    def read() -> tuple[StoredSpan, ...]:
        telemetry.close()
        return spans_of_trace(tmp_path / "spans.db", TRACE)

    with trace_parent(TRACE, PARENT):
        yield read
    telemetry.close()


def by_kind(spans: tuple[StoredSpan, ...], kind: str) -> StoredSpan:
    (found,) = (span for span in spans if span.kind == kind)
    return found


async def answered(served: Any, request: Any) -> Any:
    return memory_service_pb2.RecallResponse()


async def test_a_call_is_a_client_span_with_a_server_span_below(spans: Spans, served: Any) -> None:
    await call(served.recall(QUERY))
    recorded = spans()
    client, server = by_kind(recorded, "CLIENT"), by_kind(recorded, "SERVER")
    assert (client.name, server.name) == (RECALL, RECALL)
    assert (client.parent_span_id, server.parent_span_id) == (PARENT, client.span_id)
    assert (client.service, server.service) == ("test", "memory_svc")
    expected = {
        names.RPC_SYSTEM: "grpc",
        names.RPC_SERVICE: "autopack.api.memory.v1.MemoryService",
        names.RPC_METHOD: "Recall",
        names.RPC_GRPC_STATUS_CODE: 0,
    }
    assert (client.attributes, server.attributes) == (expected, expected)
    assert (client.status, server.status) == ("UNSET", "UNSET")


@pytest.mark.parametrize(
    ("error", "code", "server_status"),
    [
        (InvalidInput(Reason("NO", "no")), 3, "UNSET"),
        (NotFound(Reason("NO", "no")), 5, "UNSET"),
        (Internal(Reason("NO", "no")), 13, "ERROR"),
    ],
)
async def test_a_refusal_is_on_both_spans(
    spans: Spans, served: Any, error: AutopackError, code: int, server_status: str
) -> None:
    async def recall(request: Any, context: Any) -> Any:
        raise error

    served.memory.recall = recall
    with pytest.raises(AutopackError):
        await call(served.recall(QUERY))
    recorded = spans()
    client, server = by_kind(recorded, "CLIENT"), by_kind(recorded, "SERVER")
    assert client.attributes[names.RPC_GRPC_STATUS_CODE] == code
    assert server.attributes[names.RPC_GRPC_STATUS_CODE] == code
    assert server.attributes[names.REASON] == "NO"
    # By the conventions a caller's mistake is an error of the client only.
    assert (client.status, server.status) == ("ERROR", server_status)


async def test_a_repeated_call_is_one_client_span_with_a_server_span_for_each_try(
    spans: Spans, served: Any
) -> None:
    calls = 0

    async def recall(request: Any, context: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise Unavailable(Reason("LATER", "later"))
        return memory_service_pb2.RecallResponse()

    served.memory.recall = recall
    await call(served.recall(QUERY))
    recorded = spans()
    client = by_kind(recorded, "CLIENT")
    tries = [span.attributes[names.RPC_GRPC_STATUS_CODE] for span in recorded if span.kind == "SERVER"]
    assert client.attributes[names.RPC_GRPC_STATUS_CODE] == 0
    assert tries == [14, 0]


async def test_a_stream_is_one_span_on_each_end(spans: Spans, served: Any) -> None:
    served.git.hold.set()
    assert [answer.chunk async for answer in served.get_pack(WANTS)] == [b"one", b"two"]
    recorded = spans()
    client, server = by_kind(recorded, "CLIENT"), by_kind(recorded, "SERVER")
    assert client.attributes[names.RPC_GRPC_STATUS_CODE] == 0
    assert server.attributes[names.RPC_GRPC_STATUS_CODE] == 0
    assert server.parent_span_id == client.span_id


async def test_a_stream_that_fails_midway_has_its_status(spans: Spans, served: Any) -> None:
    served.git.failure = NotFound(Reason("GONE", "gone"))
    stream = served.get_pack(WANTS)
    await call(stream.read())
    with pytest.raises(NotFound, match="GONE"):
        await call(stream.read())
    recorded = spans()
    assert [span.attributes[names.RPC_GRPC_STATUS_CODE] for span in recorded] == [5, 5]


async def test_a_request_stream_is_one_span_on_each_end(spans: Spans, served: Any) -> None:
    async def requests() -> AsyncIterator[git_service_pb2.PutPackRequest]:
        yield git_service_pb2.PutPackRequest(chunk=b"one")

    await call(served.put_pack(requests()))
    assert sorted(span.kind for span in spans()) == ["CLIENT", "SERVER"]


async def test_a_cancelled_call_is_cancelled_on_both_spans(spans: Spans, served: Any) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def recall(request: Any, context: Any) -> Any:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    served.memory.recall = recall
    running = asyncio.create_task(call(served.recall(QUERY)))
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await asyncio.wait_for(ended.wait(), 5)
    await served.server.stop()
    recorded = spans()
    assert [span.attributes[names.RPC_GRPC_STATUS_CODE] for span in recorded] == [1, 1]


async def test_a_call_that_is_late_says_so_on_both_spans(spans: Spans, served: Any) -> None:
    async def recall(request: Any, context: Any) -> Any:
        await asyncio.Event().wait()

    served.memory.recall = recall
    with pytest.raises(Unavailable, match="DEADLINE_EXCEEDED"):
        await call(served.recall(QUERY, timeout=0.1))
    await served.server.stop()
    recorded = spans()
    assert [span.attributes[names.RPC_GRPC_STATUS_CODE] for span in recorded] == [4, 4]


async def test_what_a_handler_does_is_below_its_span_and_carries_its_service(
    spans: Spans, serve: Any
) -> None:
    near, far = await serve(), await serve(name="far_svc")

    async def recall(request: Any, context: Any) -> Any:
        with span("search"):
            return await far.recall(request)

    near.memory.recall = recall
    await call(near.recall(QUERY))
    chain = [(span.kind, span.service, span.name.rpartition("/")[2]) for span in spans()]
    assert chain == [
        ("CLIENT", "test", "Recall"),
        ("SERVER", "memory_svc", "Recall"),
        ("INTERNAL", "memory_svc", "search"),
        ("CLIENT", "memory_svc", "Recall"),
        ("SERVER", "far_svc", "Recall"),
    ]


async def test_probes_leave_no_spans(spans: Spans, served: Any) -> None:
    await HealthStub(served.channel).Check(HealthCheckRequest())
    assert spans() == ()


async def test_the_duration_of_a_call_is_measured_on_both_ends(served: Any) -> None:
    reader = InMemoryMetricReader()
    use_meter_provider(provider := MeterProvider([reader], shutdown_on_exit=False))
    try:
        await call(served.recall(QUERY))
        await served.server.stop()
        data = reader.get_metrics_data()
    finally:
        use_meter_provider(NoOpMeterProvider())
        provider.shutdown()
    assert data is not None
    points: dict[str, Any] = {
        metric.name: metric.data.data_points[0]
        for metric in data.resource_metrics[0].scope_metrics[0].metrics
        if metric.data.data_points
    }
    assert set(points) == {names.RPC_SERVER_METRIC, names.RPC_CLIENT_METRIC}
    for point in points.values():
        assert point.count == 1
        assert point.sum > 0
        assert point.attributes[names.RPC_METHOD] == "Recall"
        assert point.attributes[names.RPC_GRPC_STATUS_CODE] == 0


async def test_a_call_without_a_trace_does_not_join_the_one_that_the_server_was_started_in(
    serve: Any, spans: Spans, tmp_path: Path
) -> None:
    served = await serve()
    async with grpc.aio.insecure_channel(served.server.address) as channel:
        method = channel.unary_unary(
            f"/{RECALL}",
            memory_service_pb2.RecallRequest.SerializeToString,
            memory_service_pb2.RecallResponse.FromString,
        )
        await method(QUERY)
    assert spans() == ()
