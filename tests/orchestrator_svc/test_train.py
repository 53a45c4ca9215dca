"""The landing train: whatever the order in which work ends, the same comes out."""

import random
from dataclasses import dataclass, replace

from hypothesis import given
from hypothesis import strategies as st

from orchestrator_svc.domain.run import Attempt, Judged, Phase
from orchestrator_svc.domain.states import AttemptState, PhaseState
from orchestrator_svc.domain.train import (
    Action,
    Build,
    Judge,
    Prediction,
    Settle,
    Skip,
    dependents,
    next_actions,
    slots_after_approval,
)

ACCEPT, REJECT = "ACCEPT", "REJECT"


@dataclass(frozen=True)
class Planned:
    """A phase of a generated plan: what it depends on, and how its attempts fare at the gate."""

    depends_on: tuple[str, ...]
    refusals: int
    """Attempts that the gate refuses before it accepts; of two that there are."""


@st.composite
def plans(draw: st.DrawFn) -> list[Planned]:
    count = draw(st.integers(1, 7))
    return [
        Planned(
            tuple(draw(st.sets(st.sampled_from([f"p{i}" for i in range(number)])))) if number else (),
            draw(st.sampled_from([0, 0, 0, 1, 2])),
        )
        for number in range(count)
    ]


class Simulation:
    """Does the train's actions one at a time, in an order that chance picks."""

    def __init__(self, plan: list[Planned], chance: random.Random) -> None:
        self.plan = {f"p{number}": planned for number, planned in enumerate(plan)}
        self.chance = chance
        self.phases = {
            name: Phase(name, number, number + 1, PhaseState.QUEUED, planned.depends_on)
            for number, (name, planned) in enumerate(self.plan.items())
        }
        self.head = ""
        self.landed: list[str] = []
        self.judgements = 0

    def run(self) -> tuple[list[str], dict[str, PhaseState]]:
        while due := list(self.due()):
            self.do(self.chance.choice(due))
        return self.landed, {name: phase.state for name, phase in self.phases.items()}

    def due(self) -> list[Action]:
        ended = {PhaseState.LANDED, PhaseState.FAILED, PhaseState.SKIPPED}
        line = [phase for phase in self.phases.values() if phase.state not in ended]
        lost = {n for n, p in self.phases.items() if p.state in {PhaseState.FAILED, PhaseState.SKIPPED}}
        return list(next_actions(line, self.predict(line, lost), set(self.landed), lost))

    def predict(self, line: list[Phase], lost: set[str]) -> dict[str, Prediction]:
        """A tree is the names of the changes in it."""
        predictions, tree = {}, self.head
        for phase in line:
            if lost & set(phase.depends_on):
                continue
            if phase.state not in {PhaseState.AUDITING, PhaseState.GATING}:
                break
            change = f"{phase.phase_id}@{len(phase.attempts)} "
            predictions[phase.phase_id] = Prediction(tree, tree + change)
            tree += change
        return predictions

    def do(self, action: Action) -> None:
        phase = self.phases[action.phase_id]
        match action:
            case Skip():
                new = replace(phase, state=PhaseState.SKIPPED)
            case Build() if phase.state is PhaseState.QUEUED:
                attempt = Attempt(len(phase.attempts) + 1, AttemptState.BUILDING, base=self.head)
                new = replace(phase, state=PhaseState.BUILDING, attempts=(*phase.attempts, attempt))
            case Build():
                new = replace(phase, state=PhaseState.AUDITING)
            case Judge(prediction=prediction):
                self.judgements += 1
                refused = len(phase.attempts) <= self.plan[action.phase_id].refusals
                decision = REJECT if refused else ACCEPT
                assert prediction.tree is not None
                judged = Judged(decision, prediction.base_tree, prediction.tree, "", "", 0)
                new = replace(phase, state=PhaseState.GATING, judged=judged)
            case Settle(prediction=prediction):
                new = self.settle(phase, prediction)
        self.phases[action.phase_id] = new

    def settle(self, phase: Phase, prediction: Prediction) -> Phase:
        assert prediction.base_tree == self.head, "settled on something else than the real head"
        assert phase.judged is not None
        if phase.judged.decision == ACCEPT:
            assert phase.judged.tree == prediction.tree, "would land a tree that nobody judged"
            self.head = phase.judged.tree
            self.landed.append(phase.phase_id)
            return replace(phase, state=PhaseState.LANDED)
        again = len(phase.attempts) < 2
        return replace(phase, state=PhaseState.QUEUED if again else PhaseState.FAILED, judged=None)


@given(plans(), st.integers(), st.integers())
def test_the_order_in_which_work_ends_changes_nothing(plan: list[Planned], one: int, two: int) -> None:
    first, second = Simulation(plan, random.Random(one)), Simulation(plan, random.Random(two))

    assert first.run() == second.run()
    assert first.head == second.head


@given(plans(), st.integers())
def test_every_phase_ends_and_what_lands_is_in_the_order_of_slots(plan: list[Planned], seed: int) -> None:
    landed, states = Simulation(plan, random.Random(seed)).run()

    assert set(states.values()) <= {PhaseState.LANDED, PhaseState.FAILED, PhaseState.SKIPPED}
    assert landed == [name for name, state in states.items() if state is PhaseState.LANDED]
    for number, planned in enumerate(plan):
        if states[f"p{number}"] is PhaseState.LANDED:
            assert planned.refusals < 2
            assert set(planned.depends_on) <= set(landed)


def test_without_refusals_every_change_is_judged_once() -> None:
    simulation = Simulation([Planned((), 0)] * 10, random.Random(7))

    simulation.run()

    assert simulation.judgements == 10


def test_an_approved_phase_and_those_behind_it_get_slots_that_nobody_had() -> None:
    phases = [
        Phase("a", 0, None, PhaseState.WAITING_APPROVAL),
        Phase("b", 1, None, PhaseState.QUEUED, ("a",)),
        Phase("c", 2, 3, PhaseState.QUEUED),
        Phase("d", 3, None, PhaseState.QUEUED, ("b", "c")),
    ]

    assert slots_after_approval(phases, "a", 5) == {"a": 5, "b": 6, "d": 7}


def test_what_waits_behind_another_approval_gets_no_slot_yet() -> None:
    phases = [
        Phase("a", 0, None, PhaseState.WAITING_APPROVAL),
        Phase("b", 1, None, PhaseState.WAITING_APPROVAL),
        Phase("c", 2, None, PhaseState.QUEUED, ("a", "b")),
    ]

    assert slots_after_approval(phases, "a", 4) == {"a": 4}


def test_dependents_are_found_through_others() -> None:
    phases = [
        Phase("a", 0, 1, PhaseState.QUEUED),
        Phase("b", 1, 2, PhaseState.QUEUED, ("a",)),
        Phase("c", 2, 3, PhaseState.QUEUED, ("b",)),
        Phase("d", 3, 4, PhaseState.QUEUED),
    ]

    assert dependents(phases, "a") == {"b", "c"}


def test_a_build_on_the_head_is_the_same_action_once_it_is_begun() -> None:
    refused = Phase("p0", 0, 1, PhaseState.QUEUED, (), (Attempt(1, AttemptState.REFUSED, "base"),))
    begun = replace(
        refused,
        state=PhaseState.BUILDING,
        attempts=(*refused.attempts, Attempt(2, AttemptState.BUILDING, "head")),
    )

    (before,) = next_actions([refused], {}, set(), set(), {"p0"})
    (after,) = next_actions([begun], {}, set(), set())

    assert before == after
    assert isinstance(before, Build)
    assert before.on_head
