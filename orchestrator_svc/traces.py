"""The spans of a run, as this machine kept them."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from autopack.api.orchestrator.v1 import run_pb2
from autopack.telemetry.spans import spans_of_trace
from orchestrator_svc.storage.runs import RunStore
from orchestrator_svc.tracing import RunTrace


@dataclass(frozen=True, slots=True)
class Traces:
    """Reads the local span store."""

    rows: RunStore
    spans: Path | None
    flush: Callable[[], object]
    """Has spans that wait for the disk written."""

    async def of_run(self, run_id: str) -> list[run_pb2.Span]:
        """Spans in order of start; none where nothing was kept.

        Raises:
            NotFound: `RUN_NOT_FOUND`.
        """
        run = await self.rows.get(run_id, now=0.0)
        if self.spans is None:
            return []
        trace = RunTrace(run_id, run.trace_id, len(run.phases))
        ids = {run.trace_id, *(trace.phase_trace(phase.phase_id) for phase in run.phases)}
        return await asyncio.to_thread(self._read, sorted(ids))

    def _read(self, trace_ids: list[str]) -> list[run_pb2.Span]:
        if self.spans is None:
            return []
        self.flush()
        found = [span for trace_id in trace_ids for span in spans_of_trace(self.spans, trace_id)]
        return [
            run_pb2.Span(
                trace_id=span.trace_id,
                span_id=span.span_id,
                parent_span_id=span.parent_span_id,
                name=span.name,
                service=span.service,
                start_time_unix_nano=span.start_nanoseconds,
                end_time_unix_nano=span.end_nanoseconds,
                attributes={name: json.dumps(value) for name, value in span.attributes.items()},
                status=span.status,
                kind=span.kind,
            )
            for span in sorted(found, key=lambda span: span.start_nanoseconds)
        ]
