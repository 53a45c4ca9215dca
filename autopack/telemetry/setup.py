"""Sets up traces, metrics and logs of a process; only what is asked for is imported."""

import logging
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from autopack import __version__
from autopack.errors import InvalidInput, Reason
from autopack.telemetry import names
from autopack.telemetry.logs import JsonFormatter
from autopack.telemetry.metrics import use_meter_provider
from autopack.telemetry.tracing import span, tracer, tracer_provider, use_provider

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

__all__ = ["Telemetry", "configure", "span", "tracer"]

logger = logging.getLogger(__name__)

CLOSE_SECONDS = 5.0
"""For the last spans and metrics to reach the collector; one that is down must not hold a command."""


class Telemetry:
    """What `configure` has set up; close it last."""

    def __init__(self) -> None:
        self._closers = ExitStack()

    def add(self, closer: Callable[[], object]) -> None:
        """Has something closed too, before all that was added earlier."""
        self._closers.callback(closer)

    def close(self) -> None:
        """Writes and sends what is left, and puts back what was set up before."""
        self._closers.close()


def configure(service: str, spans: Path | None, environ: Mapping[str, str]) -> Telemetry:
    """Sets up telemetry for this process.

    Spans go to the SQLite file `spans` if there is one; spans and metrics go by OTLP over
    gRPC if `OTEL_EXPORTER_OTLP_ENDPOINT` (or its `_TRACES_` or `_METRICS_` form) is set.
    `OTEL_SDK_DISABLED=true` turns both off. `AUTOPACK_TRACE_SQL=1` makes spans of SQL
    statements, for databases opened later. `AUTOPACK_LOG_LEVEL` is INFO if not set.

    Raises:
        InvalidInput: `SETTING_INVALID`, which names the variable.
    """
    telemetry = Telemetry()
    try:
        _configure_logs(telemetry, service, environ)
        if environ.get("OTEL_SDK_DISABLED", "").strip().lower() != "true":
            _configure_sdk(telemetry, service, spans, environ)
    except BaseException:
        telemetry.close()
        raise
    return telemetry


def _configure_logs(telemetry: Telemetry, service: str, environ: Mapping[str, str]) -> None:
    level = environ.get("AUTOPACK_LOG_LEVEL", "INFO").strip().upper()
    if level not in logging.getLevelNamesMapping():
        raise InvalidInput(
            Reason(
                "SETTING_INVALID", f"AUTOPACK_LOG_LEVEL is {level!r}", "Use DEBUG, INFO, WARNING or ERROR."
            )
        )
    root, handler = logging.getLogger(), logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service))
    telemetry.add(lambda level=root.level: root.setLevel(level))  # type: ignore[misc]  # binds the present one
    telemetry.add(lambda: root.removeHandler(handler))
    root.setLevel(level)
    root.addHandler(handler)


def _configure_sdk(
    telemetry: Telemetry, service: str, spans: Path | None, environ: Mapping[str, str]
) -> None:
    traces, measures = _endpoint(environ, "TRACES"), _endpoint(environ, "METRICS")
    if spans is None and not traces and not measures:
        return
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource

    # Not Resource.create, which looks through all installed packages for detectors.
    resource = Resource({names.SERVICE_NAME: service, names.SERVICE_VERSION: __version__})
    resource = resource.merge(OTELResourceDetector().detect())
    if measures:
        _configure_metrics(telemetry, resource, measures)
    if spans is not None or traces:
        _configure_traces(telemetry, resource, service, spans, traces)
        if environ.get("AUTOPACK_TRACE_SQL") == "1":
            _trace_sql(telemetry)


def _endpoint(environ: Mapping[str, str], signal: str) -> str:
    """Where the signal goes; empty if nowhere."""
    endpoint = environ.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT") or environ.get(
        "OTEL_EXPORTER_OTLP_ENDPOINT"
    )
    if not endpoint or environ.get(f"OTEL_{signal}_EXPORTER", "otlp") != "otlp":
        return ""
    common = environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    protocol = environ.get(f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", common)
    if protocol != "grpc":
        raise InvalidInput(
            Reason(
                "SETTING_INVALID",
                f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol!r}",
                "Use grpc, and the collector's gRPC port (4317).",
            )
        )
    return endpoint


def _configure_traces(
    telemetry: Telemetry, resource: "Resource", service: str, spans: Path | None, endpoint: str
) -> None:
    from opentelemetry.sdk.trace import TracerProvider

    from autopack.telemetry.sdk import ChosenIds, ServiceName
    from autopack.telemetry.spans import SpanStore

    provider = TracerProvider(resource=resource, id_generator=ChosenIds(), shutdown_on_exit=False)
    provider.add_span_processor(ServiceName(service))
    if spans is not None:
        provider.add_span_processor(SpanStore(spans))
    if endpoint:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint)))
    telemetry.add(lambda: _within(CLOSE_SECONDS, "traces", provider.shutdown))
    before = use_provider(provider)
    telemetry.add(lambda: use_provider(before))


def _configure_metrics(telemetry: Telemetry, resource: "Resource", endpoint: str) -> None:
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.metrics import NoOpMeterProvider
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    reader = PeriodicExportingMetricReader(OTLPMetricExporter(endpoint))
    provider = MeterProvider([reader], resource, shutdown_on_exit=False)
    telemetry.add(lambda: _within(CLOSE_SECONDS, "metrics", provider.shutdown))
    use_meter_provider(provider)
    telemetry.add(lambda: use_meter_provider(NoOpMeterProvider()))


def _trace_sql(telemetry: Telemetry) -> None:
    # It takes 240 ms to import.
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor

    instrumentor = SQLAlchemyInstrumentor()
    instrumentor.instrument(tracer_provider=tracer_provider())
    telemetry.add(instrumentor.uninstrument)


def _within(seconds: float, what: str, close: Callable[[], None]) -> None:
    """Closes in a thread that is left behind if it takes longer."""
    thread = threading.Thread(target=close, name=f"close-{what}", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        logger.warning("the last %s could not be sent within %g s", what, seconds)
