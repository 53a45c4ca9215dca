"""What the current task belongs to: a service, a trace, and ids chosen beforehand."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

_service: ContextVar[str] = ContextVar("autopack_service", default="")
chosen_ids: ContextVar[tuple[int, int] | None] = ContextVar("autopack_chosen_ids", default=None)
"""Trace and span id that the next span gets; see `autopack.telemetry.tracing.record_span`."""


def current_service() -> str:
    """Name of the service that the task works for; empty outside of all."""
    return _service.get()


@contextmanager
def serving_as(service: str) -> Iterator[None]:
    """Within it, spans and log lines carry this service's name: a process may host five."""
    token = _service.set(service)
    try:
        yield
    finally:
        _service.reset(token)


def current_trace_id() -> str:
    """The current trace's id as 32 hex digits; empty where there is none."""
    context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else ""


def current_span_id() -> str:
    """The current span's id as 16 hex digits; empty where there is none."""
    context = trace.get_current_span().get_span_context()
    return trace.format_span_id(context.span_id) if context.is_valid else ""


def parent_context(trace_id: str, span_id: str) -> otel_context.Context:
    """The context in which new spans are children of the span with these ids, in hex."""
    parent = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(1))
    return trace.set_span_in_context(NonRecordingSpan(parent), otel_context.Context())


@contextmanager
def trace_parent(trace_id: str, span_id: str) -> Iterator[None]:
    """Within it, new spans and outgoing calls are children of a stored span, ended or not."""
    token = otel_context.attach(parent_context(trace_id, span_id))
    try:
        yield
    finally:
        otel_context.detach(token)
