"""The spans of a run: ids derive from the run, so that whoever goes on adds to the same trace."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from opentelemetry.util.types import AttributeValue

from autopack.errors import Reason
from autopack.telemetry import names
from autopack.telemetry.context import serving_as, trace_parent
from autopack.telemetry.metrics import metrics
from autopack.telemetry.tracing import record_span, span
from orchestrator_svc.domain.run import Phase, Run
from orchestrator_svc.domain.states import PhaseState, RunState
from orchestrator_svc.domain.train import Action, Build, Judge, Settle, Skip

SERVICE = "orchestrator_svc"
LARGE_RUN = 200
"""Phases above which each has a trace of its own, found by the run's id."""
_STEPS = {
    Build: names.BUILD_SPAN,
    Judge: names.JUDGE_SPAN,
    Settle: names.LAND_SPAN,
    Skip: names.PHASE_SPAN,
}


def trace_id_of(run_id: str, submit_time: float) -> str:
    """The trace of a run, 32 hex digits."""
    return _digest("trace", run_id, repr(submit_time))[:32]


@dataclass(frozen=True, slots=True)
class RunTrace:
    """Where the spans of one run go."""

    run_id: str
    trace_id: str
    phase_count: int

    @property
    def root(self) -> str:
        """Span id of the run."""
        return _digest("run", self.run_id)[:16]

    def phase_trace(self, phase_id: str) -> str:
        """The trace that a phase belongs to: the run's, or its own in a very large run."""
        if self.phase_count <= LARGE_RUN:
            return self.trace_id
        return _digest("trace", self.trace_id, phase_id)[:32]

    def phase_span(self, phase_id: str) -> str:
        """Span id of a phase."""
        return _digest("phase", self.run_id, phase_id)[:16]

    @contextmanager
    def step(self, action: Action, phase: Phase) -> Iterator[None]:
        """Around one effect on a phase."""
        attributes: dict[str, AttributeValue] = {
            names.RUN_ID: self.run_id,
            names.PHASE_ID: phase.phase_id,
            names.ATTEMPT: phase.attempts[-1].number if phase.attempts else 1,
        }
        parent = trace_parent(self.phase_trace(phase.phase_id), self.phase_span(phase.phase_id))
        with serving_as(SERVICE), parent, span(_STEPS[type(action)], attributes):
            yield

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Around what concerns the run and no phase of it."""
        with serving_as(SERVICE), trace_parent(self.trace_id, self.root):
            yield

    def phase_ended(
        self, phase: Phase, state: PhaseState, end_time: float, reasons: tuple[Reason, ...], commit: str = ""
    ) -> None:
        """Records the phase's span, whose children are there already."""
        metrics().phases.add(1, {names.STATE: state})
        landed = state is PhaseState.LANDED
        with serving_as(SERVICE):
            record_span(
                names.PHASE_SPAN,
                trace_id=self.phase_trace(phase.phase_id),
                span_id=self.phase_span(phase.phase_id),
                parent_span_id=self.root if self.phase_count <= LARGE_RUN else "",
                start_time=phase.start_time or end_time,
                end_time=end_time,
                attributes={
                    **self._common(),
                    names.PHASE_ID: phase.phase_id,
                    names.STATE: state,
                    **({names.COMMIT: commit} if commit else {}),
                    **({names.REASON: reasons[0].code} if reasons and not landed else {}),
                },
                error="" if landed else str(state),
            )

    def run_ended(self, run: Run, state: RunState, end_time: float) -> None:
        """Records the root of the trace."""
        metrics().runs.add(1, {names.STATE: state})
        with serving_as(SERVICE):
            record_span(
                names.RUN_SPAN,
                trace_id=self.trace_id,
                span_id=self.root,
                start_time=run.submit_time,
                end_time=end_time,
                attributes={**self._common(), names.STATE: state, names.BASE: run.base},
                error="" if state is RunState.SUCCEEDED else str(state),
            )

    def _common(self) -> Mapping[str, AttributeValue]:
        return {names.RUN_ID: self.run_id}


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
