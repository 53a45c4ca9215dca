"""A landed train that goes again because the branch it was to end on has moved."""

from collections.abc import Sequence

import sqlalchemy as sa

from orchestrator_svc.domain.run import Phase, Run
from orchestrator_svc.domain.states import AttemptState, PhaseState
from orchestrator_svc.storage import changes
from orchestrator_svc.storage.changes import PhaseChange, attempt_moves
from orchestrator_svc.storage.tables import events


def times_landed(connection: sa.Connection, phase: Phase, run_id: str) -> int:
    """How often the phase has landed so far, which the events tell."""
    query = sa.select(sa.func.count()).where(
        events.c.run_id == run_id,
        events.c.phase_id == phase.phase_id,
        events.c.state == f"PHASE_STATE_{PhaseState.LANDED}",
    )
    return connection.execute(query).scalar_one()


def replay_on(
    connection: sa.Connection, run: Run, fence: int, base: str, now: float, phases: Sequence[Phase]
) -> None:
    """Takes the landed phases back to be judged on `base`, which becomes the run's; slots and changes stay.

    Raises:
        FailedPrecondition: `FENCED`, `STATE_CHANGED`.
    """
    again = [
        PhaseChange(
            phase.phase_id,
            PhaseState.LANDED,
            (PhaseState.GATING,),
            f"The base branch has moved to {base[:12]}: judged again on it.",
            values={"commit": "", "judged": None, "verdict": None},
            attempt=attempt_moves(phase.attempts[-1], AttemptState.JUDGING),
        )
        for phase in phases
    ]
    changes.apply(connection, run.run_id, now, again, fence=fence, run_values={"base": base, "head": base})
