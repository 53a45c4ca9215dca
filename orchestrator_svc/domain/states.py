"""The state machines of run, phase and attempt, one table per noun.

Any transition that is not in its table is refused, wherever it is tried.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from autopack.errors import FailedPrecondition, Reason


class RunState(StrEnum):
    """Where a run stands."""

    RUNNING = "RUNNING"
    WAITING_APPROVAL = "WAITING_APPROVAL"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class PhaseState(StrEnum):
    """Where a phase stands."""

    QUEUED = "QUEUED"
    BUILDING = "BUILDING"
    AUDITING = "AUDITING"
    GATING = "GATING"
    WAITING_APPROVAL = "WAITING_APPROVAL"
    LANDING = "LANDING"
    LANDED = "LANDED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    CANCELLED = "CANCELLED"


class AttemptState(StrEnum):
    """Where an attempt stands."""

    BUILDING = "BUILDING"
    JUDGING = "JUDGING"
    ACCEPTED = "ACCEPTED"
    WAITING_APPROVAL = "WAITING_APPROVAL"
    REFUSED = "REFUSED"
    LANDED = "LANDED"
    CANCELLED = "CANCELLED"


_RUN: Mapping[str, frozenset[str]] = {
    RunState.RUNNING: frozenset(
        {RunState.WAITING_APPROVAL, RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED}
    ),
    RunState.WAITING_APPROVAL: frozenset({RunState.RUNNING, RunState.CANCELLED}),
    RunState.SUCCEEDED: frozenset(),
    RunState.FAILED: frozenset(),
    RunState.CANCELLED: frozenset(),
}

_P = PhaseState
_PHASE: Mapping[str, frozenset[str]] = {
    _P.QUEUED: frozenset({_P.BUILDING, _P.SKIPPED, _P.FAILED, _P.CANCELLED}),
    # A refused attempt goes back to the queue, or fails the phase when nothing is left to spend.
    _P.BUILDING: frozenset({_P.AUDITING, _P.QUEUED, _P.FAILED, _P.CANCELLED}),
    _P.AUDITING: frozenset({_P.GATING, _P.QUEUED, _P.FAILED, _P.CANCELLED}),
    # Back to AUDITING: the prediction did not hold, the change waits for another one.
    _P.GATING: frozenset({_P.AUDITING, _P.LANDING, _P.WAITING_APPROVAL, _P.QUEUED, _P.FAILED, _P.CANCELLED}),
    _P.WAITING_APPROVAL: frozenset({_P.AUDITING, _P.FAILED, _P.CANCELLED}),
    # Cancelled, or judged again because the gate has lost its store, only before its commit is on the branch.
    _P.LANDING: frozenset({_P.LANDED, _P.GATING, _P.CANCELLED}),
    # Only while the run goes on: the branch that it is to move has moved, and the train goes again on it.
    _P.LANDED: frozenset({_P.GATING}),
    _P.FAILED: frozenset(),
    _P.SKIPPED: frozenset(),
    _P.CANCELLED: frozenset(),
}

_A = AttemptState
_ATTEMPT: Mapping[str, frozenset[str]] = {
    _A.BUILDING: frozenset({_A.JUDGING, _A.REFUSED, _A.CANCELLED}),
    _A.JUDGING: frozenset({_A.ACCEPTED, _A.WAITING_APPROVAL, _A.REFUSED, _A.CANCELLED}),
    _A.WAITING_APPROVAL: frozenset({_A.JUDGING, _A.REFUSED, _A.CANCELLED}),
    _A.ACCEPTED: frozenset({_A.LANDED, _A.JUDGING, _A.CANCELLED}),
    _A.REFUSED: frozenset(),
    _A.LANDED: frozenset({_A.JUDGING}),
    _A.CANCELLED: frozenset(),
}

State = TypeVar("State", RunState, PhaseState, AttemptState)
_TABLES: Mapping[type, Mapping[str, frozenset[str]]] = {
    RunState: _RUN,
    PhaseState: _PHASE,
    AttemptState: _ATTEMPT,
}

ENDED_RUNS = frozenset(state for state, following in _RUN.items() if not following)
ENDED_PHASES = frozenset({_P.LANDED, _P.FAILED, _P.SKIPPED, _P.CANCELLED})


def check_transition(old: State, new: State) -> State:
    """The new state, if it may follow the old one.

    Raises:
        FailedPrecondition: `TRANSITION_FORBIDDEN`, if it may not.
    """
    if new not in _TABLES[type(old)][old]:
        raise FailedPrecondition(
            Reason(
                "TRANSITION_FORBIDDEN",
                f"{type(old).__name__} cannot go from {old} to {new}.",
                "This is a fault of Autopack's own or of a concurrent change: read the run again.",
            )
        )
    return new
