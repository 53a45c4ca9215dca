"""The landing train: which effects are due next, decided from states and predictions alone.

Everything that becomes part of the result is decided at the front of the train, on the
branch's real head; what happens behind the front only prepares it. So phases may finish in
any order and the commits still come out the same.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from orchestrator_svc.domain.run import Phase
from orchestrator_svc.domain.states import PhaseState


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a phase's change gives when all earlier slots have landed as they stand."""

    base_tree: str
    tree: str | None
    """None where the change cannot be put on the base tree."""
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Skip:
    """End the phase: what it depends on did not land."""

    phase_id: str
    dependency: str


@dataclass(frozen=True, slots=True)
class Build:
    """Start the next attempt, or go on with the one that is being built."""

    phase_id: str
    on_head: bool = field(default=False, compare=False)
    """Build on the branch's head, because the change did not fit on it before; once it is begun the same
    action as going on with it."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Have the change judged on its predicted tree."""

    phase_id: str
    prediction: Prediction


@dataclass(frozen=True, slots=True)
class Settle:
    """Act on the verdict: land the change, refuse it, or ask a person."""

    phase_id: str
    prediction: Prediction


Action = Skip | Build | Judge | Settle


def next_actions(
    phases: Sequence[Phase],
    predictions: Mapping[str, Prediction],
    landed: Set[str],
    lost: Set[str],
    rebuild_on_head: Set[str] = frozenset(),
) -> Iterator[Action]:
    """The effects that are due, front of the train first.

    Args:
        phases: those that have a slot and have not ended, in order of slots.
        predictions: for each phase whose earlier slots all have a change.
        landed: ids of the dependencies that landed.
        lost: ids of the dependencies that ended otherwise.
        rebuild_on_head: ids of phases whose last change did not fit on the branch.
    """
    front = True
    for phase in phases:
        gone = next((name for name in phase.depends_on if name in lost), None)
        if gone is not None:
            yield Skip(phase.phase_id, gone)
            continue
        match phase.state:
            case PhaseState.QUEUED:
                if phase.phase_id in rebuild_on_head:
                    # Only the front knows the head that the rebuilt change must fit.
                    if front:
                        yield Build(phase.phase_id, on_head=True)
                elif all(name in landed for name in phase.depends_on):
                    yield Build(phase.phase_id)
            case PhaseState.BUILDING:
                yield Build(phase.phase_id)
            case PhaseState.AUDITING | PhaseState.GATING | PhaseState.LANDING:
                prediction = predictions.get(phase.phase_id)
                if prediction is not None:
                    if prediction.tree is None or holds(phase, prediction):
                        if front:
                            yield Settle(phase.phase_id, prediction)
                    else:
                        yield Judge(phase.phase_id, prediction)
        front = False


def holds(phase: Phase, prediction: Prediction) -> bool:
    """Whether the phase's verdict was reached on this very prediction, with all approvals shown."""
    judged = phase.judged
    return (
        judged is not None
        and (judged.base_tree, judged.tree) == (prediction.base_tree, prediction.tree)
        and judged.approvals == phase.approvals
    )


def slots_after_approval(phases: Sequence[Phase], approved: str, next_slot: int) -> dict[str, int]:
    """New slots for an approved phase and for those that waited behind it, in topological order.

    Args:
        phases: all phases of the run that have not ended.
        approved: id of the phase that a person approved.
        next_slot: the first slot that nobody has had.
    """
    given = {approved: next_slot}
    for phase in sorted(phases, key=lambda phase: phase.position):
        if phase.slot is None and phase.phase_id != approved and phase.state is PhaseState.QUEUED:
            waits_for_others = _unslotted_dependencies(phase, phases) - given.keys()
            if not waits_for_others:
                given[phase.phase_id] = next_slot + len(given)
    return given


def dependents(phases: Sequence[Phase], phase_id: str) -> set[str]:
    """Ids of the phases that depend on this one, directly or not."""
    found = {phase_id}
    grown = True
    while grown:
        more = {phase.phase_id for phase in phases if found & set(phase.depends_on)} - found
        found |= more
        grown = bool(more)
    return found - {phase_id}


def _unslotted_dependencies(phase: Phase, phases: Sequence[Phase]) -> set[str]:
    unslotted = {other.phase_id for other in phases if other.slot is None}
    return {name for name in phase.depends_on if name in unslotted}
