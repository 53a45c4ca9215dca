"""Spans kept locally: whole, in order, bounded, and never in the way of the work."""

import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from autopack.telemetry import names, spans
from autopack.telemetry.context import serving_as, trace_parent
from autopack.telemetry.metrics import use_meter_provider
from autopack.telemetry.setup import Telemetry, configure, span, tracer
from autopack.telemetry.spans import StoredSpan, spans_of_trace
from autopack.telemetry.tracing import choose_ids, record_span

TRACE, PARENT = "ab" * 16, "cd" * 8


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "spans.db"


@pytest.fixture
def telemetry(path: Path) -> Iterator[Telemetry]:
    configured = configure("test", path, {})
    yield configured
    configured.close()


@pytest.fixture
def stored(telemetry: Telemetry, path: Path) -> Callable[[], tuple[StoredSpan, ...]]:
    """Closes telemetry; the spans of the test's trace."""

    def read() -> tuple[StoredSpan, ...]:
        telemetry.close()
        return spans_of_trace(path, TRACE)

    return read


Stored = Callable[[], tuple[StoredSpan, ...]]


def test_a_span_is_kept_whole(stored: Stored) -> None:
    with trace_parent(TRACE, PARENT), span("autopack.gate.check", {"a": 1, "b": ["x", "y"]}) as current:
        current.add_event("retried", {"after": 2})
    (kept,) = stored()
    assert (kept.name, kept.parent_span_id, kept.kind, kept.service) == (
        "autopack.gate.check",
        PARENT,
        "INTERNAL",
        "test",
    )
    assert (kept.attributes, kept.status) == ({"a": 1, "b": ["x", "y"]}, "UNSET")
    assert [(event["name"], event["attributes"]) for event in kept.events] == [("retried", {"after": 2})]
    assert 0 < kept.start_nanoseconds <= kept.end_nanoseconds


def test_a_span_around_a_failure_says_so_and_lets_it_through(stored: Stored) -> None:
    with pytest.raises(KeyError), trace_parent(TRACE, PARENT), span("autopack.land"):
        raise KeyError("ref")
    (kept,) = stored()
    assert (kept.status, kept.status_message) == ("ERROR", "KeyError: 'ref'")


def test_spans_come_in_order_of_their_start(stored: Stored) -> None:
    with trace_parent(TRACE, PARENT), span("outer"), span("inner"):
        pass
    assert [kept.name for kept in stored()] == ["outer", "inner"]


def test_a_span_carries_the_service_that_the_task_works_for(stored: Stored) -> None:
    with trace_parent(TRACE, PARENT), serving_as("gate_svc"), span("autopack.gate"):
        pass
    (kept,) = stored()
    assert kept.service == "gate_svc"
    assert names.SERVICE not in kept.attributes


def test_a_long_span_is_recorded_at_its_end_under_ids_chosen_at_its_start(stored: Stored) -> None:
    trace_id, root = TRACE, PARENT
    with trace_parent(trace_id, root), span("autopack.phase"):
        pass
    record_span(
        names.RUN_SPAN,
        trace_id=trace_id,
        span_id=root,
        start_time=1000.5,
        end_time=2000.25,
        attributes={names.RUN_ID: "r"},
        error="2 phases failed",
    )
    run, phase = stored()
    assert (run.span_id, run.parent_span_id, phase.parent_span_id) == (root, "", root)
    assert (run.start_nanoseconds, run.end_nanoseconds) == (1_000_500_000_000, 2_000_250_000_000)
    assert (run.status, run.status_message) == ("ERROR", "2 phases failed")


def test_a_recorded_span_may_have_a_parent(stored: Stored) -> None:
    record_span("x", trace_id=TRACE, span_id="12" * 8, parent_span_id=PARENT, start_time=1, end_time=2)
    (kept,) = stored()
    assert (kept.span_id, kept.parent_span_id, kept.status) == ("12" * 8, PARENT, "OK")


def test_ids_chosen_for_one_span_are_not_used_for_the_next(stored: Stored) -> None:
    record_span("x", trace_id=TRACE, span_id=PARENT, start_time=1, end_time=2)
    with trace_parent(TRACE, PARENT), span("y"):
        pass
    assert len({kept.span_id for kept in stored()}) == 2


def test_chosen_ids_depend_on_the_randomness_alone() -> None:
    first, second = choose_ids(random.Random(7)), choose_ids(random.Random(7))
    assert first == second
    assert [len(part) for part in first] == [32, 16]


def test_recording_the_same_span_again_replaces_it(stored: Stored) -> None:
    for end in (2.0, 3.0):
        record_span("x", trace_id=TRACE, span_id=PARENT, start_time=1, end_time=end)
    (kept,) = stored()
    assert kept.end_nanoseconds == 3_000_000_000


def test_spans_of_other_traces_are_not_shown(stored: Stored) -> None:
    with span("another trace"):
        pass
    assert stored() == ()


def test_a_store_that_never_was_has_no_spans(tmp_path: Path) -> None:
    assert spans_of_trace(tmp_path / "none.db", TRACE) == ()
    assert not (tmp_path / "none.db").exists()


def test_spans_can_be_read_while_the_process_runs(telemetry: Telemetry, path: Path) -> None:
    from autopack.telemetry.tracing import tracer_provider

    with trace_parent(TRACE, PARENT), span("early"):
        pass
    assert tracer_provider().force_flush()  # type: ignore[attr-defined]  # the API has it not, the SDK has
    assert [kept.name for kept in spans_of_trace(path, TRACE)] == ["early"]


def test_old_spans_are_removed_by_the_next_process(path: Path) -> None:
    now = time.time()
    for name, age in (("old", spans.KEEP_SECONDS + 60), ("young", spans.KEEP_SECONDS - 60), ("new", 0)):
        telemetry = configure("test", path, {})

        record_span(
            name, trace_id=TRACE, span_id=f"{age + 1:016x}", start_time=now - age - 1, end_time=now - age
        )
        telemetry.close()
    assert [kept.name for kept in spans_of_trace(path, TRACE)] == ["young", "new"]


@pytest.fixture
def dropped() -> Iterator[Callable[[], int]]:
    """The metric of spans that were not kept."""
    reader = InMemoryMetricReader()
    use_meter_provider(provider := MeterProvider([reader], shutdown_on_exit=False))

    def read() -> int:
        data = reader.get_metrics_data()
        if data is None:
            return 0
        metrics = data.resource_metrics[0].scope_metrics[0].metrics
        (metric,) = (metric for metric in metrics if metric.name == names.SPANS_DROPPED_METRIC)
        return int(metric.data.data_points[0].value)  # type: ignore[union-attr]  # a sum, as declared

    yield read
    from opentelemetry.metrics import NoOpMeterProvider

    use_meter_provider(NoOpMeterProvider())
    provider.shutdown()


def test_spans_beyond_the_queue_are_dropped_and_counted_and_nobody_waits(
    path: Path, dropped: Callable[[], int]
) -> None:
    from opentelemetry.sdk.trace import TracerProvider

    store = spans.SpanStore(path, queue_spans=3)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(store)
    with store._writing:  # the disk is busy
        for _ in range(5):
            provider.get_tracer("test").start_span("x").end()
    provider.shutdown()
    with sqlite3.connect(path) as connection:
        (kept,) = connection.execute("SELECT count(*) FROM spans").fetchone()
    connection.close()
    assert store.dropped == dropped()
    assert store.dropped + kept == 5
    assert 1 <= store.dropped <= 2


def test_a_disk_that_refuses_loses_spans_and_nothing_else(
    tmp_path: Path, dropped: Callable[[], int], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "spans.db").mkdir()
    telemetry = configure("test", tmp_path / "spans.db", {})
    with span("x"):
        pass
    telemetry.close()
    assert dropped() == 1
    assert "could not be kept" in caplog.text


def test_threads_may_end_spans_at_the_same_time(stored: Stored) -> None:
    def work() -> None:
        with trace_parent(TRACE, PARENT):
            for _ in range(200):
                tracer().start_span("x").end()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stored()) == 800
