"""A run as it is submitted: inserted once, found again by whoever submits the same."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from autopack.attestation.log import digest_of
from autopack.errors import AlreadyExists, Reason, ResourceExhausted
from autopack.text import counted
from orchestrator_svc.domain.states import PhaseState, RunState
from orchestrator_svc.storage.tables import events, phases, runs

RETRY_SECONDS = 10.0
"""After which somebody who was refused may ask again."""


@dataclass(frozen=True, slots=True)
class NewPhase:
    """A phase as it is submitted."""

    phase_id: str
    depends_on: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Submission:
    """A run as it is submitted; phases in topological order."""

    run_id: str
    project_id: str
    plan: bytes
    plan_name: str
    plan_digest: str
    base: str
    base_branch: str
    submit_time: float
    trace_id: str
    phases: Sequence[NewPhase]
    replay: bytes | None = None
    """What the builders of an earlier run gave, serialized."""


def is_known(connection: sa.Connection, run_id: str, plan_digest: str, project_id: str) -> bool:
    """Whether this very run was submitted before.

    Raises:
        AlreadyExists: `RUN_ID_IN_USE`, if the id has another plan or project.
    """
    found = connection.execute(
        sa.select(runs.c.plan_digest, runs.c.project_id).where(runs.c.run_id == run_id)
    ).one_or_none()
    if found is None:
        return False
    if (found.plan_digest, found.project_id) != (plan_digest, project_id):
        raise AlreadyExists(
            Reason(
                "RUN_ID_IN_USE",
                f"Run {run_id} exists already, with another plan or repository.",
                "Choose another --run-id, or leave it out to be given one.",
            )
        )
    return True


def submit(connection: sa.Connection, submission: Submission, admitted: int) -> bool:
    """Inserts the run with its phases, or finds it.

    Returns:
        Whether it is new.

    Raises:
        AlreadyExists: `RUN_ID_IN_USE`, if the id has another plan or project.
        ResourceExhausted: `TOO_MANY_RUNS`, if as many as are `admitted` are going on.
    """
    if is_known(connection, submission.run_id, submission.plan_digest, submission.project_id):
        return False
    query = sa.select(sa.func.count()).where(runs.c.state == RunState.RUNNING)
    going_on = connection.execute(query).scalar_one()
    if going_on >= admitted:
        reason = Reason("TOO_MANY_RUNS", f"{going_on} runs are going on already.", "Submit it again later.")
        raise ResourceExhausted(reason, retry_after_seconds=RETRY_SECONDS)
    connection.execute(
        sa.insert(runs).values(
            run_id=submission.run_id,
            project_id=submission.project_id,
            plan=submission.plan,
            plan_name=submission.plan_name,
            plan_digest=submission.plan_digest,
            base=submission.base,
            base_branch=submission.base_branch,
            head=submission.base,
            state=RunState.RUNNING,
            submit_time=submission.submit_time,
            trace_id=submission.trace_id,
            reasons=[],
            next_slot=len(submission.phases) + 1,
            next_sequence=2,
            fence=0,
            owner="",
            lease_until=0.0,
            replay=submission.replay,
        )
    )
    connection.execute(
        sa.insert(phases),
        [
            {
                "run_id": submission.run_id,
                "phase_id": phase.phase_id,
                "position": index,
                "slot": index + 1,
                "state": PhaseState.QUEUED,
                "ended": False,
                "depends_on": list(phase.depends_on),
                "commit": "",
                "approvals": 0,
                "reasons": [],
            }
            for index, phase in enumerate(submission.phases)
        ],
    )
    event = {
        "sequence": 1,
        "time": submission.submit_time,
        "phase_id": "",
        "attempt": 0,
        "state": "RUN_STATE_RUNNING",
        "message": f"Submitted with {counted(len(submission.phases), 'phase')}.",
        "reasons": [],
    }
    connection.execute(
        sa.insert(events).values(run_id=submission.run_id, digest=digest_of("", event), **event)
    )
    return True
