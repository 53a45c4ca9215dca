"""The state machines of run, phase and attempt."""

from typing import TypeVar

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from autopack.errors import FailedPrecondition
from orchestrator_svc.domain.states import (
    ENDED_PHASES,
    ENDED_RUNS,
    AttemptState,
    PhaseState,
    RunState,
    check_transition,
)


@given(st.sampled_from(sorted(ENDED_PHASES)), st.sampled_from(PhaseState))
def test_nothing_follows_an_ended_phase(old: PhaseState, new: PhaseState) -> None:
    assume((old, new) != (PhaseState.LANDED, PhaseState.GATING))  # the branch to move has moved
    with pytest.raises(FailedPrecondition, match="TRANSITION_FORBIDDEN"):
        check_transition(old, new)


@given(st.sampled_from(sorted(ENDED_RUNS)), st.sampled_from(RunState))
def test_nothing_follows_an_ended_run(old: RunState, new: RunState) -> None:
    with pytest.raises(FailedPrecondition, match="TRANSITION_FORBIDDEN"):
        check_transition(old, new)


def test_a_phase_lands_only_out_of_landing() -> None:
    before = [state for state in PhaseState if _allowed(state, PhaseState.LANDED)]

    assert before == [PhaseState.LANDING]


def test_a_phase_is_landing_only_after_it_was_gated() -> None:
    before = [state for state in PhaseState if _allowed(state, PhaseState.LANDING)]

    assert before == [PhaseState.GATING]


def test_an_attempt_lands_only_after_it_was_accepted() -> None:
    before = [state for state in AttemptState if _allowed(state, AttemptState.LANDED)]

    assert before == [AttemptState.ACCEPTED]


@given(st.sampled_from(PhaseState))
def test_every_phase_that_has_not_ended_can_be_cancelled(state: PhaseState) -> None:
    assert _allowed(state, PhaseState.CANCELLED) == (state not in ENDED_PHASES)


State = TypeVar("State", PhaseState, AttemptState)


def _allowed(old: State, new: State) -> bool:
    try:
        check_transition(old, new)
    except FailedPrecondition:
        return False
    return True
