"""What follows a refusal: another attempt, the end of the phase, or a stop of the whole run."""

from collections.abc import Sequence

from autopack.errors import AutopackError, Reason
from orchestrator_svc.domain.run import Attempt

_INFRASTRUCTURE = frozenset(
    {
        "ABORTED",
        "CANCELLED",
        "DATABASE_BUSY",
        "DATABASE_CORRUPT",
        "DATABASE_READ_ONLY",
        "DEADLINE_EXCEEDED",
        "DISK_FULL",
        "INTERNAL",
        "MODEL_ACCESS_REFUSED",
        "MODEL_NOT_FOUND",
        "OPERATION_FAILED",
        "OVERLOADED",
        "SECRET_MISSING",
        "SECRET_NOT_GRANTED",
        "SERVICE_STOPPING",
    }
)
CONFLICT = "MERGE_CONFLICT"


class Halt(AutopackError):
    """The run cannot go on by a fault that no change is to blame for; it can be resumed."""


def is_infrastructure(reasons: Sequence[Reason]) -> bool:
    """Whether the machine or a service failed, rather than the change: that burns no attempt."""
    return any(reason.code in _INFRASTRUCTURE or reason.code.endswith("_UNAVAILABLE") for reason in reasons)


def can_differ(builder: str, attempts: Sequence[Attempt], base: str) -> bool:
    """Whether building again, on this base, can give another change.

    Args:
        builder: kind of builder, as the plan's field is called.
        attempts: those made so far.
        base: commit that the next one would be built on.
    """
    # A patch is what it is: only another base can make another change of it.
    return builder not in {"patch", "ledger"} or all(attempt.base != base for attempt in attempts)


def did_not_fit(attempt: Attempt | None) -> bool:
    """Whether the attempt was refused because it did not fit on the branch."""
    return attempt is not None and any(reason.code == CONFLICT for reason in attempt.reasons)


def waiting_helps(reason: Reason) -> bool:
    """Whether a fault of the machine may mend itself within seconds."""
    return reason.code not in {
        "MODEL_ACCESS_REFUSED",
        "MODEL_NOT_FOUND",
        "SANDBOX_UNAVAILABLE",
        "SECRET_MISSING",
        "SECRET_NOT_GRANTED",
    }
