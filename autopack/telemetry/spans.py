"""Keeps spans in a SQLite file of the process, so that a trace can be shown with no collector."""

import json
import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import format_span_id, format_trace_id

from autopack.telemetry import names
from autopack.telemetry.metrics import metrics

logger = logging.getLogger(__name__)

QUEUE_SPANS = 20_000
"""Spans that may wait for the disk; more are dropped and counted, nobody waits."""
WRITE_SECONDS = 0.25
"""How long a span waits for others, to be written with them."""
KEEP_SECONDS = 30 * 24 * 3600
"""Older spans are removed when a process keeps its first one."""
BUSY_SECONDS = 5.0
"""How long to wait for a reader's lock."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS spans (
    trace_id TEXT NOT NULL, span_id TEXT NOT NULL, parent_span_id TEXT NOT NULL,
    name TEXT NOT NULL, kind TEXT NOT NULL, service TEXT NOT NULL,
    start_nanoseconds INTEGER NOT NULL, end_nanoseconds INTEGER NOT NULL,
    status TEXT NOT NULL, status_message TEXT NOT NULL, attributes TEXT NOT NULL, events TEXT NOT NULL,
    PRIMARY KEY (trace_id, span_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS spans_by_end ON spans (end_nanoseconds);
"""
_COLUMNS = (
    "trace_id, span_id, parent_span_id, name, kind, service,"
    " start_nanoseconds, end_nanoseconds, status, status_message, attributes, events"
)


@dataclass(frozen=True, slots=True)
class StoredSpan:
    """One span as it was kept; ids are in hex, times in Unix nanoseconds."""

    trace_id: str
    span_id: str
    parent_span_id: str
    """Empty for the root."""
    name: str
    kind: str
    """INTERNAL, SERVER, CLIENT, PRODUCER or CONSUMER."""
    service: str
    start_nanoseconds: int
    end_nanoseconds: int
    status: str
    """UNSET, OK or ERROR."""
    status_message: str
    attributes: Mapping[str, Any]
    events: tuple[Mapping[str, Any], ...]
    """Each with name, time in Unix nanoseconds, and attributes."""


def spans_of_trace(path: Path, trace_id: str) -> tuple[StoredSpan, ...]:
    """All spans kept of a trace, in order of start; none where nothing was ever kept."""
    if not path.exists():
        return ()
    with _connect(path) as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute(
            f"SELECT {_COLUMNS} FROM spans WHERE trace_id = ? ORDER BY start_nanoseconds, span_id",
            (trace_id,),
        ).fetchall()
    return tuple(_stored(row) for row in rows)


def _stored(row: sqlite3.Row) -> StoredSpan:
    attributes, events = json.loads(row["attributes"]), tuple(json.loads(row["events"]))
    return StoredSpan(**{**dict(row), "attributes": attributes, "events": events})


class SpanStore(SpanProcessor):
    """Writes ended spans in a thread of its own, many at a time."""

    def __init__(
        self, path: Path, clock: Callable[[], float] = time.time, queue_spans: int = QUEUE_SPANS
    ) -> None:
        self.dropped = 0
        """Spans that found the queue full or the disk unwilling."""
        self._path = path
        self._clock = clock
        self._limit = queue_spans
        self._queue: deque[ReadableSpan] = deque()
        self._wake = threading.Event()
        self._prepared = False
        self._stopping = False
        self._writing = threading.Lock()
        self._thread = threading.Thread(target=self._write_on, name="span-store", daemon=True)
        self._thread.start()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing: a span is kept when it has ended."""

    def on_end(self, span: ReadableSpan) -> None:
        """Takes the span; returns at once."""
        if self._stopping or len(self._queue) >= self._limit:
            self._drop(1)
        else:
            self._queue.append(span)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Writes what has been taken so far; False if the disk refused."""
        return self._write()

    def shutdown(self) -> None:
        """Writes what is left, and ends the thread."""
        self._stopping = True
        self._wake.set()
        self._thread.join()

    def _write_on(self) -> None:
        while not self._stopping:
            self._wake.wait(WRITE_SECONDS)
            self._write()
        self._write()

    def _write(self) -> bool:
        with self._writing:
            batch = [self._queue.popleft() for _ in range(len(self._queue))]
            if not batch:
                return True
            marks = ", ".join("?" * 12)
            try:
                self._prepare()
                with _connect(self._path) as connection:
                    connection.executemany(
                        f"INSERT OR REPLACE INTO spans ({_COLUMNS}) VALUES ({marks})",
                        [_row(span) for span in batch],
                    )
            except (sqlite3.Error, OSError) as error:
                # Telemetry must not stop the work: what is lost is counted and said.
                logger.warning("%d spans could not be kept in %s: %s", len(batch), self._path, error)
                self._drop(len(batch))
                return False
            return True

    def _prepare(self) -> None:
        if self._prepared:
            return
        oldest = round((self._clock() - KEEP_SECONDS) * 1e9)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with _connect(self._path) as connection:
            connection.executescript(_SCHEMA)
            connection.execute("DELETE FROM spans WHERE end_nanoseconds < ?", (oldest,))
        self._prepared = True

    def _drop(self, count: int) -> None:
        self.dropped += count
        metrics().spans_dropped.add(count)


@contextmanager
def _connect(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection with one transaction: losing the last spans in a power cut is no harm."""
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=OFF")
        with connection:
            yield connection


def _row(span: ReadableSpan) -> tuple[str | int, ...]:
    context, parent, attributes = span.get_span_context(), span.parent, dict(span.attributes or {})
    assert context is not None, "an ended span has its ids"
    events = [
        {"name": event.name, "time": event.timestamp, "attributes": dict(event.attributes or {})}
        for event in span.events
    ]
    return (
        format_trace_id(context.trace_id),
        format_span_id(context.span_id),
        format_span_id(parent.span_id) if parent else "",
        span.name,
        span.kind.name,
        str(attributes.pop(names.SERVICE, "")),
        span.start_time or 0,
        span.end_time or 0,
        span.status.status_code.name,
        span.status.description or "",
        json.dumps(attributes),
        json.dumps(events),
    )
