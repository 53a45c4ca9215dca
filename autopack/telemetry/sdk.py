"""What the OpenTelemetry SDK is extended with; imported only where spans are recorded."""

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from autopack.telemetry import names
from autopack.telemetry.context import chosen_ids, current_service


class ChosenIds(RandomIdGenerator):
    """Random ids, unless the span is being recorded under ids that were chosen before."""

    def generate_trace_id(self) -> int:
        """The chosen trace id, or a random one."""
        chosen = chosen_ids.get()
        return chosen[0] if chosen else super().generate_trace_id()

    def generate_span_id(self) -> int:
        """The chosen span id, or a random one."""
        chosen = chosen_ids.get()
        return chosen[1] if chosen else super().generate_span_id()


class ServiceName(SpanProcessor):
    """Puts the service on every span: the resource's name is the process', which may host five."""

    def __init__(self, process: str) -> None:
        self._process = process

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Names the service that the task works for."""
        span.set_attribute(names.SERVICE, current_service() or self._process)

    def on_end(self, span: ReadableSpan) -> None:
        """Nothing."""
