"""The metrics that exist; they record nothing until `configure` finds an endpoint for them."""

from dataclasses import dataclass

from opentelemetry.metrics import Counter, Histogram, Meter, MeterProvider, NoOpMeterProvider

from autopack.telemetry import names


@dataclass(frozen=True, slots=True)
class Metrics:
    """One attribute per metric; the attributes that each carries are named beside it."""

    runs: Counter
    """Runs that ended; STATE."""
    phases: Counter
    """Phases that ended; STATE."""
    attempts: Counter
    """Attempts that ended; STATE, BUILDER_KIND."""
    verdicts: Counter
    """Verdicts of the gate; VERDICT."""
    check_seconds: Histogram
    """Time of one check; CHECK_NAME, CHECK_OUTCOME."""
    rpc_server: Histogram
    """Time of one call served, milliseconds; RPC_SERVICE, RPC_METHOD, RPC_GRPC_STATUS_CODE."""
    rpc_client: Histogram
    """Time of one call made, milliseconds; RPC_SERVICE, RPC_METHOD, RPC_GRPC_STATUS_CODE."""
    spans_dropped: Counter
    """Spans that the local store could not keep."""


def _instruments(meter: Meter) -> Metrics:
    return Metrics(
        runs=meter.create_counter(names.RUNS_METRIC, "{run}", "Runs that ended"),
        phases=meter.create_counter(names.PHASES_METRIC, "{phase}", "Phases that ended"),
        attempts=meter.create_counter(names.ATTEMPTS_METRIC, "{attempt}", "Attempts that ended"),
        verdicts=meter.create_counter(names.VERDICTS_METRIC, "{verdict}", "Verdicts of the gate"),
        check_seconds=meter.create_histogram(names.CHECK_SECONDS_METRIC, "s", "Time of one check"),
        rpc_server=meter.create_histogram(names.RPC_SERVER_METRIC, "ms", "Time of one call served"),
        rpc_client=meter.create_histogram(names.RPC_CLIENT_METRIC, "ms", "Time of one call made"),
        spans_dropped=meter.create_counter(names.SPANS_DROPPED_METRIC, "{span}", "Spans not kept locally"),
    )


_metrics = _instruments(NoOpMeterProvider().get_meter("autopack"))


def metrics() -> Metrics:
    """The metrics in use."""
    return _metrics


def use_meter_provider(provider: MeterProvider) -> None:
    """Makes the provider the one that the metrics are recorded by."""
    global _metrics
    _metrics = _instruments(provider.get_meter("autopack"))
