"""Kept spans, sent on to a collector by OTLP over gRPC."""

from collections.abc import Iterable, Sequence
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.resource.v1 import resource_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

from autopack.api.orchestrator.v1 import run_pb2
from autopack.cli.waterfall import value_of
from autopack.errors import InvalidInput, Reason, Unavailable
from autopack.telemetry import names

SEND_SECONDS = 30.0
SPANS_AT_ONCE = 500
_KINDS = {
    "INTERNAL": trace_pb2.Span.SPAN_KIND_INTERNAL,
    "SERVER": trace_pb2.Span.SPAN_KIND_SERVER,
    "CLIENT": trace_pb2.Span.SPAN_KIND_CLIENT,
    "PRODUCER": trace_pb2.Span.SPAN_KIND_PRODUCER,
    "CONSUMER": trace_pb2.Span.SPAN_KIND_CONSUMER,
}
_STATUSES = {"OK": trace_pb2.Status.STATUS_CODE_OK, "ERROR": trace_pb2.Status.STATUS_CODE_ERROR}


def send(endpoint: str, spans: Sequence[run_pb2.Span]) -> None:
    """Sends all spans. Raises InvalidInput ENDPOINT_INVALID and Unavailable OTLP_FAILED."""
    scheme, separator, rest = endpoint.partition("://")
    address = (rest if separator else endpoint).rstrip("/")
    if (separator and scheme not in ("http", "https")) or not address.rpartition(":")[2].isdecimal():
        raise InvalidInput(
            Reason("ENDPOINT_INVALID", f"{endpoint!r} is no OTLP/gRPC endpoint", "give http://HOST:4317")
        )
    secure = scheme == "https" and bool(separator)
    credentials = grpc.ssl_channel_credentials()
    channel = grpc.secure_channel(address, credentials) if secure else grpc.insecure_channel(address)
    with channel:
        stub = trace_service_pb2_grpc.TraceServiceStub(channel)  # type: ignore[no-untyped-call]  # generated
        for start in range(0, len(spans), SPANS_AT_ONCE):
            try:
                stub.Export(request_of(spans[start : start + SPANS_AT_ONCE]), timeout=SEND_SECONDS)
            except grpc.RpcError as error:
                detail = error.details() if isinstance(error, grpc.Call) else str(error)
                message = f"{endpoint} did not take the spans: {detail}"
                raise Unavailable(
                    Reason("OTLP_FAILED", message, "check that a collector listens there for OTLP over gRPC")
                ) from error


def request_of(spans: Iterable[run_pb2.Span]) -> trace_service_pb2.ExportTraceServiceRequest:
    """The spans as OTLP has them, by service."""
    by_service: dict[str, list[trace_pb2.Span]] = {}
    for span in spans:
        by_service.setdefault(span.service, []).append(_span(span))
    return trace_service_pb2.ExportTraceServiceRequest(
        resource_spans=[
            trace_pb2.ResourceSpans(
                resource=resource_pb2.Resource(attributes=[_attribute(names.SERVICE_NAME, service)]),
                scope_spans=[
                    trace_pb2.ScopeSpans(scope=common_pb2.InstrumentationScope(name="autopack"), spans=found)
                ],
            )
            for service, found in by_service.items()
        ]
    )


def _span(span: run_pb2.Span) -> trace_pb2.Span:
    return trace_pb2.Span(
        trace_id=bytes.fromhex(span.trace_id),
        span_id=bytes.fromhex(span.span_id),
        parent_span_id=bytes.fromhex(span.parent_span_id),
        name=span.name,
        kind=_KINDS.get(span.kind, trace_pb2.Span.SPAN_KIND_UNSPECIFIED),
        start_time_unix_nano=span.start_time_unix_nano,
        end_time_unix_nano=span.end_time_unix_nano,
        attributes=[_attribute(key, value_of(text)) for key, text in sorted(span.attributes.items())],
        status=trace_pb2.Status(code=_STATUSES.get(span.status, trace_pb2.Status.STATUS_CODE_UNSET)),
    )


def _attribute(key: str, value: Any) -> common_pb2.KeyValue:
    return common_pb2.KeyValue(key=key, value=_any(value))


def _any(value: Any) -> common_pb2.AnyValue:
    match value:
        case bool():
            return common_pb2.AnyValue(bool_value=value)
        case int():
            return common_pb2.AnyValue(int_value=value)
        case float():
            return common_pb2.AnyValue(double_value=value)
        case list():
            return common_pb2.AnyValue(array_value=common_pb2.ArrayValue(values=map(_any, value)))
        case _:
            return common_pb2.AnyValue(string_value=str(value))
