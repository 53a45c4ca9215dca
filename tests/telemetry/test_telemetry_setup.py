"""What is set up, by which variables; OTLP is received by a real gRPC server."""

import asyncio
import io
import json
import logging
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from autopack.database.database import Database
from autopack.errors import InvalidInput
from autopack.telemetry import names, setup
from autopack.telemetry.context import serving_as, trace_parent
from autopack.telemetry.metrics import metrics
from autopack.telemetry.setup import configure, span
from autopack.telemetry.spans import spans_of_trace
from autopack.telemetry.tracing import tracer_provider

TRACE, PARENT = "ab" * 16, "cd" * 8


class Collector(trace_service_pb2_grpc.TraceServiceServicer, metrics_service_pb2_grpc.MetricsServiceServicer):
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.resources: list[dict[str, str]] = []
        self.metrics: dict[str, Any] = {}

    def Export(self, request: Any, context: Any) -> Any:
        if isinstance(request, trace_service_pb2.ExportTraceServiceRequest):
            for resource in request.resource_spans:
                attributes = resource.resource.attributes
                self.resources.append({entry.key: entry.value.string_value for entry in attributes})
                self.spans += [span for scope in resource.scope_spans for span in scope.spans]
            return trace_service_pb2.ExportTraceServiceResponse()
        for resource in request.resource_metrics:
            self.metrics |= {
                metric.name: metric for scope in resource.scope_metrics for metric in scope.metrics
            }
        return metrics_service_pb2.ExportMetricsServiceResponse()


@pytest.fixture
def collector() -> Iterator[tuple[str, Collector]]:
    """A collector with its endpoint."""
    server, receiving = grpc.server(ThreadPoolExecutor(2)), Collector()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(receiving, server)  # type: ignore[no-untyped-call]
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(receiving, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"http://127.0.0.1:{port}", receiving
    server.stop(None).wait()


def test_spans_and_metrics_reach_a_collector(collector: tuple[str, Collector], tmp_path: Path) -> None:
    endpoint, receiving = collector
    telemetry = configure("gate", tmp_path / "spans.db", {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint})
    with trace_parent(TRACE, PARENT), serving_as("gate_svc"), span("autopack.gate"):
        metrics().verdicts.add(1, {names.VERDICT: "ACCEPT"})
    telemetry.close()
    (sent,) = receiving.spans
    assert (sent.name, sent.trace_id.hex(), sent.parent_span_id.hex()) == ("autopack.gate", TRACE, PARENT)
    assert {entry.key: entry.value.string_value for entry in sent.attributes}[names.SERVICE] == "gate_svc"
    assert receiving.resources[0][names.SERVICE_NAME] == "gate"
    (point,) = receiving.metrics[names.VERDICTS_METRIC].sum.data_points
    assert point.as_int == 1
    assert len(spans_of_trace(tmp_path / "spans.db", TRACE)) == 1


@pytest.mark.parametrize(
    ("environ", "has_spans", "has_metrics"),
    [
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "URL"}, True, False),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "URL"}, False, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "URL", "OTEL_METRICS_EXPORTER": "none"}, True, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "URL", "OTEL_TRACES_EXPORTER": "none"}, False, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "URL", "OTEL_SDK_DISABLED": "true"}, False, False),
        ({}, False, False),
    ],
)
def test_the_standard_variables_say_what_is_sent(
    collector: tuple[str, Collector], environ: dict[str, str], has_spans: bool, has_metrics: bool
) -> None:
    endpoint, receiving = collector
    telemetry = configure("x", None, {key: value.replace("URL", endpoint) for key, value in environ.items()})
    with span("x"):
        metrics().runs.add(1, {names.STATE: "SUCCEEDED"})
    telemetry.close()
    assert (bool(receiving.spans), bool(receiving.metrics)) == (has_spans, has_metrics)


def test_a_collector_that_is_down_does_not_hold_a_command_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "CLOSE_SECONDS", 0.2)
    telemetry = configure("x", None, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9"})
    with span("x"):
        pass
    before = time.monotonic()
    telemetry.close()
    assert time.monotonic() - before < 5


def test_a_protocol_that_is_not_spoken_is_named() -> None:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
    with pytest.raises(InvalidInput, match=r"SETTING_INVALID.*http/protobuf"):
        configure("x", None, environ)


def test_a_log_level_that_does_not_exist_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"SETTING_INVALID.*LOUD"):
        configure("x", None, {"AUTOPACK_LOG_LEVEL": "loud"})


def test_closing_puts_back_what_was_there(tmp_path: Path) -> None:
    before = (tracer_provider(), logging.getLogger().level, list(logging.getLogger().handlers))
    configure("x", tmp_path / "spans.db", {"AUTOPACK_LOG_LEVEL": "DEBUG"}).close()
    assert (tracer_provider(), logging.getLogger().level, list(logging.getLogger().handlers)) == before


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """What is logged within the test; filled as it is read."""
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())

    class Lines(list[dict[str, Any]]):
        def __iter__(self) -> Iterator[dict[str, Any]]:
            return (json.loads(line) for line in stream.getvalue().splitlines())

    telemetry = configure("autopack", None, {})
    yield Lines()
    telemetry.close()


def test_a_log_line_is_json_with_its_trace_and_service(lines: list[dict[str, Any]]) -> None:
    with trace_parent(TRACE, PARENT), serving_as("gate_svc"):
        logging.getLogger("gate_svc.checks").warning("check %s failed", "tests")
    (line,) = lines
    time_of_it = line.pop("time")
    assert line == {
        "level": "WARNING",
        "service": "gate_svc",
        "logger": "gate_svc.checks",
        "message": "check tests failed",
        "trace_id": TRACE,
        "span_id": PARENT,
    }
    assert time_of_it.endswith("Z")


def test_a_line_outside_of_all_services_has_the_process_name(lines: list[dict[str, Any]]) -> None:
    logging.getLogger("x").info("hello")
    (line,) = lines
    assert (line["service"], "trace_id" in line) == ("autopack", False)


def test_what_is_logged_cannot_move_the_terminal_or_forge_a_line(lines: list[dict[str, Any]]) -> None:
    logging.getLogger("x").info("\x1b[2J\n{}\r\u202e")
    (line,) = lines
    assert line["message"] == "\x1b[2J\n{}\r\u202e"


def test_an_exception_is_part_of_its_line(lines: list[dict[str, Any]]) -> None:
    try:
        raise KeyError("ref")
    except KeyError:
        logging.getLogger("x").exception("failed")
    (line,) = lines
    assert "KeyError: 'ref'" in line["exception"]


@pytest.mark.parametrize(("asked", "expected"), [("1", True), ("0", False)])
async def test_sql_is_traced_where_asked(tmp_path: Path, asked: str, expected: bool) -> None:
    telemetry = configure("x", tmp_path / "spans.db", {"AUTOPACK_TRACE_SQL": asked})
    migrations = Path(__file__).parent.parent / "database" / "migrations"
    database = await asyncio.to_thread(Database.open, f"sqlite:///{tmp_path}/x.db", migrations)
    with trace_parent(TRACE, PARENT):
        await database.ping()
    await database.close()
    telemetry.close()
    kept = spans_of_trace(tmp_path / "spans.db", TRACE)
    statements = [str(span.attributes.get("db.statement")) for span in kept]
    assert ("SELECT 1" in statements) is expected
    assert all(span.parent_span_id == PARENT for span in kept)
