"""What follows a refusal: another attempt only where it can come out otherwise."""

import pytest

from autopack.errors import Reason
from orchestrator_svc.domain.refusal import can_differ
from orchestrator_svc.domain.run import Attempt
from orchestrator_svc.domain.states import AttemptState

BASE = "a" * 40
OTHER = "b" * 40
FAILED = (Reason("COMMAND_FAILED", "the command ended with exit status 1", "mend it"),)


def attempts(*reasons: tuple[Reason, ...], base: str = BASE) -> tuple[Attempt, ...]:
    """Refused attempts, and the one that is being refused now."""
    refused = [Attempt(n, AttemptState.REFUSED, base, reasons=why) for n, why in enumerate(reasons, 1)]
    return (*refused, Attempt(len(reasons) + 1, AttemptState.BUILDING, BASE))


@pytest.mark.parametrize("builder", ["command", "named", "patch"])
@pytest.mark.parametrize("code", ["NO_CHECKS", "UNKNOWN_BUILDER", "HOST_NOT_ALLOWED"])
def test_what_follows_from_plan_and_policy_is_not_tried_again(builder: str, code: str) -> None:
    assert not can_differ(builder, attempts(), OTHER, (Reason(code, "m"),))


def test_a_patch_is_tried_again_on_another_base_only() -> None:
    assert not can_differ("patch", attempts(), BASE, (Reason("NO_CHANGE", "m"),))
    assert can_differ("patch", attempts(), OTHER, (Reason("MERGE_CONFLICT", "m"),))


def test_a_command_that_does_the_very_same_again_is_not_tried_a_third_time() -> None:
    assert can_differ("command", attempts(), BASE, FAILED)
    assert not can_differ("command", attempts(FAILED), BASE, FAILED)
    assert not can_differ("command", attempts(FAILED), BASE, (Reason("SAME_CHANGE_AGAIN", "m"), *FAILED))
    assert can_differ("command", attempts(FAILED), BASE, (Reason("COMMAND_FAILED", "exit status 2"),))
    assert can_differ("command", attempts(FAILED, base=OTHER), BASE, FAILED)


def test_a_model_may_answer_otherwise_each_time() -> None:
    assert can_differ("named", attempts(FAILED), BASE, FAILED)
