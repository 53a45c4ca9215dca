"""What kind of failure a refusal is, told from its reasons' codes alone."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from autopack.errors import Reason
from orchestrator_svc.domain.refusal import CONFLICT, OF_PLAN_AND_POLICY, SAME_CHANGE, is_infrastructure


class Failure(StrEnum):
    """Each has its own next steps and its own counter."""

    PROVIDER_DOWN = "provider down"
    BUDGET_GONE = "budget gone"
    PLAN_OR_POLICY = "plan or policy"
    SAME_CHANGE = "same change"
    CONFLICT = "conflict with the branch"
    DOES_NOT_APPLY = "change does not apply"
    OUT_OF_SCOPE = "out of scope"
    TRUNCATED = "truncated or too large"
    NO_CHANGE = "no change"
    ENVIRONMENT_BROKEN = "environment broken"
    AUDIT_FINDINGS = "audit findings"
    CHECKS_FAIL = "checks fail"


_CODES: Mapping[Failure, frozenset[str]] = {
    Failure.BUDGET_GONE: frozenset({"BUDGET_EXHAUSTED"}),
    Failure.PLAN_OR_POLICY: OF_PLAN_AND_POLICY,
    Failure.SAME_CHANGE: frozenset({SAME_CHANGE}),
    Failure.CONFLICT: frozenset({CONFLICT}),
    Failure.DOES_NOT_APPLY: frozenset(
        {
            "CONFLICT_MARKERS",
            "EDIT_AMBIGUOUS",
            "EDIT_DOES_NOT_APPLY",
            "MODEL_ANSWER_INVALID",
            "MODEL_RESPONSE_INVALID",
            "NO_SUCH_FILE",
            "NOT_TEXT",
            "PATCH_DOES_NOT_APPLY",
            "PATCH_INVALID",
            "PATH_NOT_FOUND",
            "PATH_TWICE",
        }
    ),
    Failure.OUT_OF_SCOPE: frozenset(
        {
            "PATH_ESCAPES",
            "PATH_INVALID",
            "PATH_NOT_ALLOWED",
            "PATH_OUT_OF_SCOPE",
            "PATH_PROTECTED",
            "PATH_THROUGH_SYMLINK",
            "SYMLINK_ESCAPES",
        }
    ),
    Failure.TRUNCATED: frozenset(
        {
            "BUILD_TIMED_OUT",
            "CHANGE_TOO_LARGE",
            "FILE_TOO_LARGE",
            "MODEL_ANSWER_TRUNCATED",
            "MODEL_CONTEXT_EXCEEDED",
            "MODEL_DID_NOT_FINISH",
            "MODEL_RESPONSE_TOO_LARGE",
            "PATCH_TOO_LARGE",
            "SCOPE_TOO_LARGE",
        }
    ),
    Failure.NO_CHANGE: frozenset({"MODEL_DECLINED", "NO_CHANGE"}),
    Failure.ENVIRONMENT_BROKEN: frozenset(
        {
            "BASELINE_UNKNOWN",
            "CHECK_CANNOT_FAIL",
            "ENVIRONMENT_PATH_TAKEN",
            "ENVIRONMENT_SETUP_FAILED",
            "SANDBOX_FAILED",
        }
    ),
    Failure.AUDIT_FINDINGS: frozenset({"AUDIT_FINDINGS", "NOT_AUDITED"}),
}


def classify(reasons: Sequence[Reason]) -> Failure:
    """The first class, in the order of `Failure`, that a reason falls into; what the gate refuses for any
    other reason, and how a builder fails otherwise, counts as failed checks."""
    if is_infrastructure(reasons):
        return Failure.PROVIDER_DOWN
    codes = {reason.code for reason in reasons}
    # A repeated change brings the reasons of the refusal that it repeats: it comes before those.
    return next((failure for failure, known in _CODES.items() if codes & known), Failure.CHECKS_FAIL)
