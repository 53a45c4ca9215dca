"""Making spans: as a context manager, or whole after the fact with ids chosen before."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, TracerProvider
from opentelemetry.util.types import AttributeValue

from autopack.telemetry.context import chosen_ids, parent_context

_provider: TracerProvider = trace.NoOpTracerProvider()
_tracer: Tracer = _provider.get_tracer("autopack")


def use_provider(provider: TracerProvider) -> TracerProvider:
    """Makes the provider the one that new spans come from; returns the one before.

    OpenTelemetry's own global provider can be set only once in a process.
    """
    global _provider, _tracer
    before, _provider = _provider, provider
    _tracer = provider.get_tracer("autopack")
    return before


def tracer_provider() -> TracerProvider:
    """The provider in use, for instrumentations; one that records nothing before `configure`."""
    return _provider


def tracer() -> Tracer:
    """The tracer in use; one that records nothing before `configure`."""
    return _tracer


@contextmanager
def span(name: str, attributes: Mapping[str, AttributeValue] | None = None) -> Iterator[Span]:
    """A span around a block; an exception marks it as failed and goes on."""
    with _tracer.start_as_current_span(name, attributes=attributes) as current:
        yield current


def choose_ids(randomness: random.Random) -> tuple[str, str]:
    """A trace id and a span id, in hex, for a span that is recorded when it has ended."""
    return f"{randomness.getrandbits(128) or 1:032x}", f"{randomness.getrandbits(64) or 1:016x}"


def record_span(
    name: str,
    *,
    trace_id: str,
    span_id: str,
    parent_span_id: str = "",
    start_time: float,
    end_time: float,
    attributes: Mapping[str, AttributeValue] | None = None,
    error: str = "",
) -> None:
    """Records a span that has ended, under ids chosen at its start; times in Unix seconds.

    This is how what lasts longer than a process (a run, a phase) becomes one span.
    """
    context = parent_context(trace_id, parent_span_id) if parent_span_id else Context()
    token = chosen_ids.set((int(trace_id, 16), int(span_id, 16)))
    try:
        current = _tracer.start_span(
            name, context, SpanKind.INTERNAL, attributes, start_time=round(start_time * 1e9)
        )
    finally:
        chosen_ids.reset(token)
    current.set_status(Status(StatusCode.ERROR, error) if error else Status(StatusCode.OK))
    current.end(round(end_time * 1e9))
