"""What happened in one ended run, as the orchestrator reported it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from autopack.errors import Reason


class PhaseState(StrEnum):
    """How a phase ended."""

    LANDED = "LANDED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"
    CANCELLED = "CANCELLED"


class AttemptState(StrEnum):
    """How an attempt ended."""

    LANDED = "LANDED"
    REFUSED = "REFUSED"
    CANCELLED = "CANCELLED"


LEDGER_CATEGORY = "ledger"
"""Of the phase by which tidy itself lands."""


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One try at a phase."""

    number: int
    state: AttemptState
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """What was decided by a phase."""

    title: str
    context: str
    decision: str
    alternatives: str
    consequences: str
    supersedes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PhaseRecord:
    """One phase."""

    phase_id: str
    goal: str
    category: str
    state: PhaseState
    commit: str
    """Empty where it did not land."""
    decision_digest: str
    paths: tuple[str, ...]
    checks: tuple[str, ...]
    """Checks that accepted it, in words."""
    attempts: tuple[AttemptRecord, ...]
    decision: DecisionRecord | None = None

    @property
    def refusals(self) -> tuple[AttemptRecord, ...]:
        """Attempts that were refused with a reason."""
        return tuple(
            attempt for attempt in self.attempts if attempt.state is AttemptState.REFUSED and attempt.reasons
        )


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One ended run."""

    run_id: str
    project_id: str
    plan_name: str
    state: str
    base: str
    head: str
    """Last landed commit; empty where none landed."""
    submit_time: datetime
    phases: tuple[PhaseRecord, ...]
    tree: str = ""
    """Of the head; what is left of it where a forge squashed the commits."""

    @property
    def landed(self) -> tuple[PhaseRecord, ...]:
        """Phases that landed, in order of slots."""
        return tuple(phase for phase in self.phases if phase.state is PhaseState.LANDED)

    @property
    def internal(self) -> bool:
        """Whether it only kept the ledgers: that is no news for them."""
        return all(phase.category == LEDGER_CATEGORY for phase in self.phases)
