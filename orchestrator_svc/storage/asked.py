"""What a person asks of a run: approve, reject, cancel, resume. The same request_id is done once."""

import hashlib

import sqlalchemy as sa

from autopack.errors import AlreadyExists, FailedPrecondition, Reason
from orchestrator_svc.domain.run import Phase
from orchestrator_svc.domain.states import AttemptState, PhaseState, RunState
from orchestrator_svc.domain.train import dependents, slots_after_approval
from orchestrator_svc.storage import changes
from orchestrator_svc.storage.changes import PhaseChange, attempt_moves
from orchestrator_svc.storage.rows import reasons_to_json
from orchestrator_svc.storage.runs import RunStore, one_phase
from orchestrator_svc.storage.tables import approvals, requests, runs
from orchestrator_svc.storage.tables import phases as phases_table


def first_time(connection: sa.Connection, request_id: str, run_id: str, content: bytes) -> bool:
    """Notes the request; False where it has been done already.

    Raises:
        AlreadyExists: `REQUEST_ID_REUSED`, if the id was used with other content.
    """
    digest = hashlib.sha256(content).hexdigest()
    found = connection.execute(
        sa.select(requests.c.digest).where(requests.c.request_id == request_id)
    ).one_or_none()
    if found is None:
        connection.execute(sa.insert(requests).values(request_id=request_id, digest=digest, run_id=run_id))
        return True
    if found.digest != digest:
        raise AlreadyExists(
            Reason("REQUEST_ID_REUSED", f"Request {request_id} was made with other content.", "Use a new id.")
        )
    return False


def approve(
    connection: sa.Connection,
    run_id: str,
    phase_id: str,
    now: float,
    *,
    change_digest: str,
    approver: str,
    key_id: str,
    signature: bytes,
    proven: bool,
) -> None:
    """Keeps the approval; phase and run go on, the phase in a new slot.

    Raises:
        NotFound: `RUN_NOT_FOUND`, `PHASE_NOT_FOUND`.
        FailedPrecondition: `NOT_WAITING`, `APPROVAL_STALE`.
    """
    run = RunStore.head_of(connection, run_id)
    phase = _waiting(connection, run_id, phase_id)
    asked = phase.judged.change_digest if phase.judged else ""
    if asked != change_digest:
        raise FailedPrecondition(
            Reason(
                "APPROVAL_STALE",
                f"{phase_id} waits with change {asked}, not {change_digest}.",
                f"Look at it (`autopack diff {run_id} {phase_id}`), then approve --digest {asked}.",
            )
        )
    number = phase.approvals + 1
    connection.execute(
        sa.insert(approvals).values(
            run_id=run_id,
            phase_id=phase_id,
            number=number,
            change_digest=change_digest,
            approver=approver,
            time=now,
            key_id=key_id,
            signature=signature,
        )
    )
    next_slot = connection.execute(sa.select(runs.c.next_slot).where(runs.c.run_id == run_id)).scalar_one()
    slots = slots_after_approval(RunStore.unfinished(connection, run_id), phase_id, next_slot)
    proof = f"with key {key_id}" if proven else "unproven: no key is registered"
    changes.apply(
        connection,
        run_id,
        now,
        [
            PhaseChange(
                phase_id,
                PhaseState.WAITING_APPROVAL,
                (PhaseState.AUDITING,),
                f"Approved by {approver} ({proof}); slot {slots[phase_id]}.",
                values={"approvals": number},
                attempt=attempt_moves(phase.attempts[-1], AttemptState.JUDGING),
            )
        ],
        run=(run.state, RunState.RUNNING) if run.state is RunState.WAITING_APPROVAL else None,
        run_values={"next_slot": next_slot + len(slots)},
        message="Goes on after an approval.",
    )
    for moved, slot in slots.items():
        connection.execute(
            sa.update(phases_table)
            .where(phases_table.c.run_id == run_id, phases_table.c.phase_id == moved)
            .values(slot=slot)
        )


def reject(connection: sa.Connection, run_id: str, phase_id: str, now: float, why: str) -> None:
    """Fails the phase, skips what depends on it; the run goes on without them.

    Raises:
        NotFound: `RUN_NOT_FOUND`, `PHASE_NOT_FOUND`.
        FailedPrecondition: `NOT_WAITING`.
    """
    run = RunStore.head_of(connection, run_id)
    phase = _waiting(connection, run_id, phase_id)
    reason = Reason("REJECTED_BY_PERSON", why, "Change the plan and run it again.")
    unfinished = RunStore.unfinished(connection, run_id)
    behind = dependents(unfinished, phase_id)
    lost = Reason("DEPENDENCY_NOT_LANDED", f"{phase_id}, which it depends on, was rejected.", "")
    skipped = [
        PhaseChange(other.phase_id, other.state, (PhaseState.SKIPPED,), lost.message, (lost,))
        for other in unfinished
        if other.phase_id in behind
    ]
    rejected = PhaseChange(
        phase_id,
        PhaseState.WAITING_APPROVAL,
        (PhaseState.FAILED,),
        "Rejected.",
        (reason,),
        attempt=attempt_moves(phase.attempts[-1], AttemptState.REFUSED, reasons=reasons_to_json((reason,))),
    )
    changes.apply(
        connection,
        run_id,
        now,
        [rejected, *skipped],
        run=(run.state, RunState.RUNNING) if run.state is RunState.WAITING_APPROVAL else None,
        message="Goes on after a rejection.",
    )


def cancel(connection: sa.Connection, run_id: str, now: float) -> None:
    """Ends the run and all its phases; the raised fence stops whoever drives it.

    Raises:
        NotFound: `RUN_NOT_FOUND`.
        FailedPrecondition: `RUN_ENDED`.
    """
    run = RunStore.head_of(connection, run_id)
    if run.state not in {RunState.RUNNING, RunState.WAITING_APPROVAL}:
        raise FailedPrecondition(
            Reason("RUN_ENDED", f"Run {run_id} ended as {run.state}.", "There is nothing to cancel.")
        )
    reason = Reason("CANCELLED_BY_PERSON", "The run was cancelled.", "")
    ended = [
        PhaseChange(
            phase.phase_id,
            phase.state,
            (PhaseState.CANCELLED,),
            "Cancelled.",
            (reason,),
            attempt=_cancelled(phase),
        )
        for phase in RunStore.unfinished(connection, run_id)
    ]
    changes.apply(
        connection,
        run_id,
        now,
        ended,
        run=(run.state, RunState.CANCELLED),
        run_values={"fence": runs.c.fence + 1, "owner": "", "lease_until": 0.0},
        run_reasons=(reason,),
        message="Cancelled; what has landed stays.",
    )


def _cancelled(phase: Phase) -> changes.AttemptChange | None:
    attempt = phase.attempt
    if attempt is None or attempt.state in {AttemptState.REFUSED, AttemptState.LANDED}:
        return None
    return attempt_moves(attempt, AttemptState.CANCELLED)


def go_on(connection: sa.Connection, run_id: str, fence: int) -> None:
    """Takes back why a run was halted, unless somebody has claimed it meanwhile."""
    connection.execute(
        sa.update(runs).where(runs.c.run_id == run_id, runs.c.fence == fence).values(reasons=[])
    )


def _waiting(connection: sa.Connection, run_id: str, phase_id: str) -> Phase:
    phase = one_phase(connection, run_id, phase_id)
    if phase.state is not PhaseState.WAITING_APPROVAL:
        raise FailedPrecondition(
            Reason(
                "NOT_WAITING",
                f"Phase {phase_id} of run {run_id} is {phase.state}; it waits for nobody.",
                f"`autopack status {run_id}` shows where it stands.",
            )
        )
    return phase
