"""What can go wrong, as one exception tree that names no transport.

`autopack.rpc.errors` maps the classes to gRPC status codes, `autopack.cli` to exit codes.

AutopackError
 +- InvalidInput          the caller must change what it sent (INVALID_ARGUMENT, exit 2)
 +- NotFound              what was named does not exist (NOT_FOUND, exit 2)
 +- AlreadyExists         the name is taken by something else (ALREADY_EXISTS, exit 2)
 +- FailedPrecondition    not in this state (FAILED_PRECONDITION, exit 1)
 +- PermissionDenied      not by this caller (PERMISSION_DENIED, exit 1)
 +- ResourceExhausted     over a limit (RESOURCE_EXHAUSTED, exit 4)
 +- Unavailable           a dependency is down; trying again may help (UNAVAILABLE, exit 4)
 +- Internal              a fault of ours; the trace id finds it (INTERNAL, exit 4)
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something was refused: a stable code, what was found, what to do, and where."""

    code: str
    """UPPER_SNAKE, stable: what scripts match on."""
    message: str
    """What was found."""
    fix: str = ""
    """What to do about it."""
    path: str = ""
    """Path in the repository or of the document, where there is one."""
    line: int = 0
    """Line in that path, from 1; 0 where there is none."""


class AutopackError(Exception):
    """A refusal with at least one reason; the first one names it."""

    def __init__(self, *reasons: Reason, retry_after_seconds: float | None = None) -> None:
        super().__init__("; ".join(f"{reason.code}: {reason.message}" for reason in reasons))
        self.reasons = reasons
        self.retry_after_seconds = retry_after_seconds


class InvalidInput(AutopackError):
    """The caller must change what it sent."""


class NotFound(AutopackError):
    """What was named does not exist."""


class AlreadyExists(AutopackError):
    """The name is taken by something else."""


class FailedPrecondition(AutopackError):
    """Not allowed in the present state."""


class PermissionDenied(AutopackError):
    """Not allowed to this caller."""


class ResourceExhausted(AutopackError):
    """Over a limit."""


class Unavailable(AutopackError):
    """A dependency is down; trying again may help."""


class Internal(AutopackError):
    """A fault of ours; the trace id finds it."""
