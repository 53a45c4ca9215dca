"""Spans and durations of calls, by OpenTelemetry's RPC conventions, on both ends.

The contrib interceptors cost 70 ms to import, leave the status of cancelled calls open and
break context when a stream is dropped; these are shared by all four shapes of a call.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.metrics import Histogram
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from autopack.telemetry import names
from autopack.telemetry.metrics import metrics
from autopack.telemetry.tracing import tracer

INFRASTRUCTURE = ("/grpc.health.", "/grpc.reflection.")
"""Probes and listings: not traced, and on the server not limited and not validated either."""

_PROPAGATOR = TraceContextTextMapPropagator()
# What the conventions call an error of the server; the others are the caller's doing.
_SERVER_FAULTS = {
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
}


def split_method(path: str) -> tuple[str, str]:
    """Service and method of "/package.Service/Method"."""
    service, _, method = path.removeprefix("/").partition("/")
    return service, method


@dataclass(slots=True)
class CallSpan:
    """One call's span and how it ended."""

    path: str
    span: Span
    kind: SpanKind
    started: float = field(default_factory=time.perf_counter)

    def end(self, code: grpc.StatusCode, detail: str = "", reason: str = "") -> None:
        """Ends the span with the call's status, and records its duration."""
        self.span.set_attribute(names.RPC_GRPC_STATUS_CODE, code.value[0])
        if reason:
            self.span.set_attribute(names.REASON, reason)
        if code is not grpc.StatusCode.OK and (self.kind is SpanKind.CLIENT or code in _SERVER_FAULTS):
            self.span.set_attribute(names.ERROR_TYPE, code.name)
            self.span.set_status(Status(StatusCode.ERROR, detail or code.name))
        self.span.end()
        attributes = {**_attributes(self.path), names.RPC_GRPC_STATUS_CODE: code.value[0]}
        self._histogram().record((time.perf_counter() - self.started) * 1000, attributes)

    def _histogram(self) -> Histogram:
        return metrics().rpc_client if self.kind is SpanKind.CLIENT else metrics().rpc_server


def _attributes(path: str) -> dict[str, str | int]:
    service, method = split_method(path)
    return {names.RPC_SYSTEM: names.GRPC, names.RPC_SERVICE: service, names.RPC_METHOD: method}


@contextmanager
def server_span(path: str, metadata: grpc.aio.Metadata | None) -> Iterator[CallSpan]:
    """The span of a call being served, as child of the caller's; the block must end it."""
    # Text values only: a binary one is never part of a trace context.
    carrier = {key: value for key, value in metadata or () if isinstance(value, str)}
    # From an empty context: the task may have inherited a span from where the server started.
    parent = _PROPAGATOR.extract(carrier, Context())
    span = tracer().start_span(path.removeprefix("/"), parent, SpanKind.SERVER, _attributes(path))
    with trace.use_span(span, end_on_exit=False, record_exception=False, set_status_on_exception=False):
        yield CallSpan(path, span, SpanKind.SERVER)


def client_span(path: str, metadata: grpc.aio.Metadata) -> CallSpan:
    """The span of a call being made; adds its trace context to the metadata."""
    if path.startswith(INFRASTRUCTURE):
        return CallSpan(path, trace.INVALID_SPAN, SpanKind.CLIENT)
    span = tracer().start_span(path.removeprefix("/"), None, SpanKind.CLIENT, _attributes(path))
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier, trace.set_span_in_context(span))
    for key, value in carrier.items():
        metadata.add(key, value)
    return CallSpan(path, span, SpanKind.CLIENT)
