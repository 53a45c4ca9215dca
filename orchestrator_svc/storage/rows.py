"""Rows to domain objects and back, nowhere else."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from autopack.errors import Reason
from orchestrator_svc.domain.run import Attempt, Event, Judged, Phase, Run, Usage
from orchestrator_svc.domain.states import ENDED_RUNS, AttemptState, PhaseState, RunState

Row = sa.Row[Any]
LONGEST_LEASE_SECONDS = 120.0
"""A lease that would last longer was given before the clock went back, and binds nobody any more."""


def reasons_to_json(reasons: Iterable[Reason]) -> list[dict[str, object]]:
    """Reasons as a JSON column keeps them."""
    return [asdict(reason) for reason in reasons]


def reasons_from_json(rows: Sequence[Mapping[str, Any]]) -> tuple[Reason, ...]:
    """Reasons out of a JSON column."""
    return tuple(Reason(**row) for row in rows)


def judged_to_json(judged: Judged) -> dict[str, object]:
    """A verdict's columns, without its serialized whole."""
    values = asdict(judged)
    del values["verdict"]
    return values


def attempt_from_row(row: Row) -> Attempt:
    """One attempt."""
    return Attempt(
        number=row.number,
        state=AttemptState(row.state),
        base=row.base,
        change=row.change,
        reasons=reasons_from_json(row.reasons),
        usage=Usage(**row.usage),
        reserved_tokens=row.reserved_tokens,
        faults=row.faults,
        builder_kind=row.builder_kind,
        exchange_digest=row.exchange_digest,
        upload_token=row.upload_token,
    )


def phase_from_row(row: Row, attempts: Sequence[Attempt]) -> Phase:
    """One phase with its attempts, in order."""
    judged = None
    if row.judged is not None:
        values = dict(row.judged)
        reasons = reasons_from_json(values.pop("reasons"))
        judged = Judged(**values, reasons=reasons, verdict=row.verdict or b"")
    return Phase(
        phase_id=row.phase_id,
        position=row.position,
        slot=row.slot,
        state=PhaseState(row.state),
        depends_on=tuple(row.depends_on),
        attempts=tuple(attempts),
        commit=row.commit,
        judged=judged,
        approvals=row.approvals,
        reasons=reasons_from_json(row.reasons),
        start_time=row.start_time,
    )


def run_from_row(row: Row, now: float, phases: Sequence[Phase] = ()) -> Run:
    """One run, with the phases given."""
    state = RunState(row.state)
    return Run(
        run_id=row.run_id,
        project_id=row.project_id,
        plan_name=row.plan_name,
        plan_digest=row.plan_digest,
        state=state,
        base=row.base,
        head=row.head,
        submit_time=row.submit_time,
        trace_id=row.trace_id,
        fence=row.fence,
        driven=state not in ENDED_RUNS and row.owner != "" and _holds(row, now),
        end_time=row.end_time,
        reasons=reasons_from_json(row.reasons),
        phases=tuple(phases),
    )


def _holds(row: Row, now: float) -> bool:
    held: bool = now < row.lease_until <= now + LONGEST_LEASE_SECONDS
    return held


def event_from_row(row: Row) -> Event:
    """One event."""
    return Event(
        sequence=row.sequence,
        time=row.time,
        phase_id=row.phase_id,
        attempt=row.attempt,
        state=row.state,
        message=row.message,
        reasons=reasons_from_json(row.reasons),
        digest=row.digest,
    )
