"""The one way in which rows change: compare-and-swap on state and fence, with the events in
the same transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from autopack.attestation.log import digest_of
from autopack.errors import FailedPrecondition, Reason
from orchestrator_svc.domain.run import Attempt
from orchestrator_svc.domain.states import (
    ENDED_PHASES,
    ENDED_RUNS,
    AttemptState,
    PhaseState,
    RunState,
    check_transition,
)
from orchestrator_svc.storage.rows import reasons_to_json
from orchestrator_svc.storage.tables import attempts, events, handoffs, phases, runs


@dataclass(frozen=True, slots=True)
class AttemptChange:
    """An attempt moves on, begins where `old` is None, or stays where `new` is the same."""

    number: int
    old: AttemptState | None
    new: AttemptState
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PhaseChange:
    """A phase moves through one or more states at once; an empty path only sets values."""

    phase_id: str
    old: PhaseState
    path: tuple[PhaseState, ...]
    message: str = ""
    reasons: tuple[Reason, ...] = ()
    values: Mapping[str, object] = field(default_factory=dict)
    attempt: AttemptChange | None = None


def apply(
    connection: sa.Connection,
    run_id: str,
    now: float,
    changes: Sequence[PhaseChange],
    *,
    fence: int | None = None,
    run: tuple[RunState, RunState] | None = None,
    run_values: Mapping[str, object] | None = None,
    run_reasons: tuple[Reason, ...] = (),
    message: str = "",
) -> None:
    """Applies the changes to one run, all or none.

    Args:
        connection: inside a transaction.
        run_id: the run.
        now: Unix time, seconds.
        changes: phases that move.
        fence: the driver's; None where a person acts.
        run: old and new state, where the run as a whole moves.
        run_values: other columns of the run.
        run_reasons: why the run moves.
        message: what is said of the run's move.

    Raises:
        FailedPrecondition: `FENCED` if another driver has claimed the run since, `STATE_CHANGED`
            if a row is not in the state that the change starts from, `TRANSITION_FORBIDDEN` if
            no such transition exists.
    """
    lines = [
        (change.phase_id, change.attempt.number if change.attempt else 0, f"PHASE_STATE_{state}", change)
        for change in changes
        for state in change.path
    ]
    count = len(lines) + (run is not None)
    values: dict[str, object] = {**(run_values or {}), "next_sequence": runs.c.next_sequence + count}
    statement = sa.update(runs).where(runs.c.run_id == run_id)
    if fence is not None:
        statement = statement.where(runs.c.fence == fence)
    if run is not None:
        old_state, new_state = run
        values["state"] = check_transition(old_state, new_state)
        values["reasons"] = reasons_to_json(run_reasons)
        if new_state in ENDED_RUNS:
            values["end_time"] = now
        statement = statement.where(runs.c.state == old_state)
    row = connection.execute(statement.values(values).returning(runs.c.next_sequence)).one_or_none()
    if row is None:
        raise FailedPrecondition(
            Reason(
                "FENCED",
                f"Run {run_id} is driven by another orchestrator by now, or has moved on.",
                "Read the run again.",
            )
        )
    if run is not None and run[1] in ENDED_RUNS:
        connection.execute(sa.delete(handoffs).where(handoffs.c.run_id == run_id))
    for change in changes:
        _apply_phase(connection, run_id, change)
    first = row.next_sequence - count
    rows = [
        {
            "run_id": run_id,
            "sequence": first + index,
            "time": now,
            "phase_id": phase_id,
            "attempt": attempt,
            "state": state,
            "message": change.message,
            "reasons": reasons_to_json(change.reasons),
        }
        for index, (phase_id, attempt, state, change) in enumerate(lines)
    ]
    if run is not None:
        rows.append(
            {
                "run_id": run_id,
                "sequence": first + count - 1,
                "time": now,
                "phase_id": "",
                "attempt": 0,
                "state": f"RUN_STATE_{run[1]}",
                "message": message,
                "reasons": reasons_to_json(run_reasons),
            }
        )
    if rows:
        connection.execute(sa.insert(events), _chained(connection, run_id, first, rows))


def _chained(
    connection: sa.Connection, run_id: str, first: int, rows: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The events with their digests, each over the one before."""
    before = sa.select(events.c.digest).where(events.c.run_id == run_id, events.c.sequence == first - 1)
    digest = connection.execute(before).scalar_one()
    chained = []
    for row in rows:
        digest = digest_of(digest, row)
        chained.append({**row, "digest": digest})
    return chained


def _apply_phase(connection: sa.Connection, run_id: str, change: PhaseChange) -> None:
    state = change.old
    for following in change.path:
        state = check_transition(state, following)
    values = {**change.values, "state": state, "ended": state in ENDED_PHASES}
    if state in ENDED_PHASES and state is not PhaseState.LANDED:
        values["reasons"] = reasons_to_json(change.reasons)
    moved = connection.execute(
        sa.update(phases)
        .where(phases.c.run_id == run_id, phases.c.phase_id == change.phase_id, phases.c.state == change.old)
        .values(values)
    )
    if moved.rowcount != 1:
        raise _changed(f"Phase {change.phase_id} of run {run_id} is no longer {change.old}.")
    if change.attempt is not None:
        _apply_attempt(connection, run_id, change.phase_id, change.attempt)


def _apply_attempt(connection: sa.Connection, run_id: str, phase_id: str, change: AttemptChange) -> None:
    if change.old is None:
        beginning = {
            "run_id": run_id,
            "phase_id": phase_id,
            "number": change.number,
            "state": change.new,
            "change": "",
            "reasons": [],
            "usage": {},
            "reserved_tokens": 0,
            "upload_token": "",
            "faults": 0,
        }
        connection.execute(sa.insert(attempts).values({**beginning, **change.values}))
        return
    state = change.new if change.new is change.old else check_transition(change.old, change.new)
    moved = connection.execute(
        sa.update(attempts)
        .where(
            attempts.c.run_id == run_id,
            attempts.c.phase_id == phase_id,
            attempts.c.number == change.number,
            attempts.c.state == change.old,
        )
        .values({**change.values, "state": state})
    )
    if moved.rowcount != 1:
        raise _changed(f"Attempt {change.number} of {phase_id} in run {run_id} is no longer {change.old}.")


def attempt_moves(attempt: Attempt, new: AttemptState, **values: object) -> AttemptChange:
    """The change that takes this attempt to its next state."""
    return AttemptChange(attempt.number, attempt.state, new, values)


def _changed(message: str) -> FailedPrecondition:
    return FailedPrecondition(Reason("STATE_CHANGED", message, "Read the run again."))
