"""Traces: the waterfall's order and bars, and spans sent on to a real OTLP receiver."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from queue import Queue
from types import MappingProxyType
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from autopack.api.orchestrator.v1.run_pb2 import Span
from autopack.cli import waterfall
from autopack.cli.otlp import send
from autopack.errors import InvalidInput, Unavailable

NONE: Mapping[str, str] = MappingProxyType({})


def span(
    name: str, parent: str = "", start: int = 0, end: int = 10, attributes: Mapping[str, str] = NONE
) -> Span:
    """A span whose id is made of its name."""
    return Span(
        trace_id="a" * 32,
        span_id=name.encode().hex().ljust(16, "0")[:16],
        parent_span_id=parent.encode().hex().ljust(16, "0")[:16] if parent else "",
        name=name,
        service="gate_svc",
        kind="INTERNAL",
        status="OK",
        start_time_unix_nano=start,
        end_time_unix_nano=end,
        attributes=attributes,
    )


def test_children_come_below_their_parent_in_order_of_start() -> None:
    spans = [
        span("b", "root", 5),
        span("root"),
        span("a", "root", 1),
        span("leaf", "b", 6),
        span("lost", "gone", 9),
    ]
    ordered = [(depth, each.name) for depth, each in waterfall.in_tree_order(spans)]
    assert ordered == [(0, "root"), (1, "a"), (1, "b"), (2, "leaf"), (0, "lost")]


def test_calls_between_services_are_left_out_and_what_they_led_to_is_kept() -> None:
    spans = [span("run"), span("p.S/C", "run"), span("p.S/D", "p.S/C"), span("gate", "p.S/D")]
    kept = waterfall.without_calls(spans)
    assert [(depth, each.name) for depth, each in waterfall.in_tree_order(kept)] == [(0, "run"), (1, "gate")]


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 1000))
def test_a_bar_is_always_as_wide_as_the_axis(start: int, length: int, rest: int) -> None:
    drawn = waterfall.bar(span("a", start=start, end=start + length), 0, start + length + rest)
    assert len(drawn) == waterfall.BAR_WIDTH
    assert "█" in drawn


def test_names_and_attributes_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    waterfall.print_waterfall(
        [span("a\x1b[2J", attributes={"autopack.reason": '"b\\u001b[31m"'})], calls=True
    )
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "a\\x1b[2J" in printed
    assert "b\\x1b[31m" in printed


def test_a_run_without_spans_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    waterfall.print_waterfall([], calls=False)
    assert "no spans" in capsys.readouterr().out


class Receiver(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.requests: Queue[trace_service_pb2.ExportTraceServiceRequest] = Queue()

    def Export(self, request: Any, context: Any) -> trace_service_pb2.ExportTraceServiceResponse:
        self.requests.put(request)
        return trace_service_pb2.ExportTraceServiceResponse()


def test_spans_are_sent_by_otlp() -> None:
    receiver = Receiver()
    server = grpc.server(ThreadPoolExecutor(1))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(receiver, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        attributes = {"autopack.slot": "3", "autopack.run_id": '"demo"', "autopack.check.cached": "true"}
        send(f"http://127.0.0.1:{port}", [span("root"), span("leaf", "root", 1, 2, attributes)])
    finally:
        server.stop(None).wait()
    (resource,) = receiver.requests.get_nowait().resource_spans
    assert resource.resource.attributes[0].value.string_value == "gate_svc"
    root, leaf = resource.scope_spans[0].spans
    assert leaf.parent_span_id == root.span_id
    assert (leaf.start_time_unix_nano, leaf.end_time_unix_nano) == (1, 2)
    values = {entry.key: entry.value for entry in leaf.attributes}
    assert values["autopack.slot"].int_value == 3
    assert values["autopack.run_id"].string_value == "demo"
    assert values["autopack.check.cached"].bool_value is True


@pytest.mark.parametrize("endpoint", ["nonsense", "ftp://x:4317", "http://x", ""])
def test_an_endpoint_that_is_none_is_told(endpoint: str) -> None:
    with pytest.raises(InvalidInput, match="ENDPOINT_INVALID"):
        send(endpoint, [])


def test_a_collector_that_is_not_there_is_told() -> None:
    with pytest.raises(Unavailable, match="OTLP_FAILED"):
        send("http://127.0.0.1:1", [span("a")])
