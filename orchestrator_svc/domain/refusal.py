"""What follows a refusal: another attempt, the end of the phase, or a stop of the whole run."""

import errno
from collections.abc import Sequence
from dataclasses import replace

from autopack.errors import AutopackError, Reason
from orchestrator_svc.domain.run import Attempt

_INFRASTRUCTURE = frozenset(
    {
        "ABORTED",
        "ADAPTER_INVALID",
        "AGENT_NOT_INSTALLED",
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
OF_PLAN_AND_POLICY = frozenset(
    {
        "BUILDER_NOT_AVAILABLE",
        "ENDPOINT_INVALID",
        "HOST_NOT_ALLOWED",
        "NO_CHECKS",
        "NOT_RECORDED",
        "PHASE_INVALID",
        "POLICY_INVALID",
        "PRICE_UNKNOWN",
        "RECORDING_UNREADABLE",
        "REPLAY_DIVERGED",
        "SECRET_IN_PLAIN_TEXT",
        "UNKNOWN_ADAPTER",
        "UNKNOWN_BUILDER",
    }
)
"""What is pinned for the whole run: no change can mend it."""
_EXHAUSTED = {
    errno.EMFILE: Reason("OUT_OF_FILES", "", "Raise the limit of open files (ulimit -n)."),
    errno.ENFILE: Reason("OUT_OF_FILES", "", "Close files, or raise fs.file-max."),
    errno.EAGAIN: Reason("OUT_OF_PROCESSES", "", "End some, or raise their limit (ulimit -u, pids.max)."),
    errno.ENOMEM: Reason("OUT_OF_MEMORY", "", "Free memory."),
    errno.ENOSPC: Reason("DISK_FULL", "", "Make room on the disk."),
}
"""What the machine has no more of; the run is tried again by itself."""
CONFLICT = "MERGE_CONFLICT"
SAME_CHANGE = "SAME_CHANGE_AGAIN"


class Halt(AutopackError):
    """The run cannot go on by a fault that no change is to blame for; it can be resumed."""


def is_infrastructure(reasons: Sequence[Reason]) -> bool:
    """Whether the machine or a service failed, rather than the change: that burns no attempt."""
    return any(reason.code in _INFRASTRUCTURE or reason.code.endswith("_UNAVAILABLE") for reason in reasons)


def can_differ(
    builder: str, attempts: Sequence[Attempt], base: str, reasons: tuple[Reason, ...] = ()
) -> bool:
    """Whether another attempt, on this base, can come out otherwise.

    Args:
        builder: kind of builder, as the plan's field is called.
        attempts: those made so far, with the one that is being refused.
        base: commit that the next one would be built on.
        reasons: why it is refused.
    """
    codes = {reason.code for reason in reasons}
    if codes & OF_PLAN_AND_POLICY:
        return False
    # A patch is what it is: only another base can make another change of it.
    if builder in {"patch", "ledger"}:
        return all(attempt.base != base for attempt in attempts)
    if builder == "command":
        # It was told why it was refused, and did the very same.
        again = any(attempt.base == base and attempt.reasons == reasons for attempt in attempts[:-1])
        return not again and SAME_CHANGE not in codes
    return True


def did_not_fit(attempt: Attempt | None) -> bool:
    """Whether the attempt was refused because it did not fit on the branch."""
    return attempt is not None and any(reason.code == CONFLICT for reason in attempt.reasons)


def unexpected(error: Exception) -> Reason:
    """Why a run was halted by what nobody had foreseen, or by a machine that has no more to give."""
    if isinstance(error, OSError) and error.errno in _EXHAUSTED:
        return replace(_EXHAUSTED[error.errno], message=str(error))
    return Reason("INTERNAL", f"{type(error).__name__}: {error}", "This is a fault of Autopack: see its log.")


def waiting_helps(reason: Reason) -> bool:
    """Whether a fault of the machine may mend itself within seconds."""
    return reason.code not in {
        "ADAPTER_INVALID",
        "AGENT_NOT_INSTALLED",
        "MODEL_ACCESS_REFUSED",
        "MODEL_NOT_FOUND",
        "SANDBOX_UNAVAILABLE",
        "SECRET_MISSING",
        "SECRET_NOT_GRANTED",
    }
