"""Errors across the wire: one table between exception classes and status codes, both ways."""

from collections.abc import Awaitable, Iterable
from typing import Any, TypeVar

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from autopack.api.reason.v1 import reason_pb2
from autopack.errors import (
    AlreadyExists,
    AutopackError,
    FailedPrecondition,
    Internal,
    InvalidInput,
    NotFound,
    PermissionDenied,
    Reason,
    ResourceExhausted,
    Unavailable,
)

DOMAIN = "autopack.dev"
STATUS_KEY = "grpc-status-details-bin"
REQUEST_INVALID = "REQUEST_INVALID"
"""Reason of a request that breaks a validation rule; its path names the field."""

MAXIMUM_DETAIL_BYTES = 256 * 1024
"""Reasons beyond it are counted instead of sent: trailing metadata is limited."""
ANY_BYTES = 64
"""What packing a message as a detail adds to it."""
MAXIMUM_MESSAGE_CHARACTERS = 2000
"""Of a status, which has the reasons beside it."""
MAXIMUM_TEXT_CHARACTERS = 8192
MAXIMUM_PATH_CHARACTERS = 4096
"""As reason.proto limits them: a reason is sent on as feedback, and must be valid there."""

STATUS_OF: dict[type[AutopackError], grpc.StatusCode] = {
    InvalidInput: grpc.StatusCode.INVALID_ARGUMENT,
    NotFound: grpc.StatusCode.NOT_FOUND,
    AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    FailedPrecondition: grpc.StatusCode.FAILED_PRECONDITION,
    PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    ResourceExhausted: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Unavailable: grpc.StatusCode.UNAVAILABLE,
    Internal: grpc.StatusCode.INTERNAL,
}

# Codes that gRPC itself or a stranger's server sends: class, reason and what to do.
_FOREIGN: dict[grpc.StatusCode, tuple[type[AutopackError], str, str]] = {
    grpc.StatusCode.UNAVAILABLE: (
        Unavailable,
        "SERVICE_UNAVAILABLE",
        "Check that the service runs, and try again.",
    ),
    grpc.StatusCode.DEADLINE_EXCEEDED: (Unavailable, "DEADLINE_EXCEEDED", "Try again with more time."),
    grpc.StatusCode.CANCELLED: (Unavailable, "CANCELLED", "Try again."),
    grpc.StatusCode.ABORTED: (Unavailable, "ABORTED", "Try again."),
    grpc.StatusCode.RESOURCE_EXHAUSTED: (ResourceExhausted, "OVERLOADED", "Try again later."),
    grpc.StatusCode.UNIMPLEMENTED: (
        FailedPrecondition,
        "UNIMPLEMENTED",
        "The server is of another version: upgrade the older of the two.",
    ),
    grpc.StatusCode.UNAUTHENTICATED: (PermissionDenied, "UNAUTHENTICATED", "Check the certificate and key."),
    grpc.StatusCode.OUT_OF_RANGE: (InvalidInput, "OUT_OF_RANGE", ""),
}
_CLASS_OF = {status: error for error, status in STATUS_OF.items()}


def _text(value: str, limit: int = MAXIMUM_TEXT_CHARACTERS) -> str:
    """Text that a contract takes: what is no Unicode (file names) as escapes, and no longer than that."""
    text = value.encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= limit else text[: limit - 1] + "…"


def reasons_to_proto(reasons: Iterable[Reason]) -> list[reason_pb2.Reason]:
    """Reasons as the contracts have them."""
    return [
        reason_pb2.Reason(
            code=reason.code,
            message=_text(reason.message),
            fix=_text(reason.fix),
            path=_text(reason.path, MAXIMUM_PATH_CHARACTERS),
            line=reason.line,
        )
        for reason in reasons
    ]


def reasons_from_proto(reasons: Iterable[reason_pb2.Reason]) -> tuple[Reason, ...]:
    """Reasons as the domain has them."""
    return tuple(
        Reason(reason.code, reason.message, reason.fix, reason.path, reason.line) for reason in reasons
    )


def status_code(error: AutopackError) -> grpc.StatusCode:
    """Status code of an exception, by the nearest class in the table."""
    for kind in type(error).__mro__:
        if kind in STATUS_OF:
            return STATUS_OF[kind]
    return grpc.StatusCode.INTERNAL


def to_status(error: AutopackError, trace_id: str = "") -> status_pb2.Status:
    """The rich status of an exception: ErrorInfo for its first reason, then every reason."""
    first, *_ = error.reasons
    status = status_pb2.Status(
        code=status_code(error).value[0], message=_text(str(error), MAXIMUM_MESSAGE_CHARACTERS)
    )
    facts = {"fix": first.fix, "path": first.path, "line": str(first.line or ""), "trace_id": trace_id}
    info = error_details_pb2.ErrorInfo(
        reason=first.code,
        domain=DOMAIN,
        metadata={name: _text(value) for name, value in facts.items() if value},
    )
    status.details.add().Pack(info)
    violations = [reason for reason in error.reasons if reason.code == REQUEST_INVALID]
    if violations:
        bad = error_details_pb2.BadRequest()
        for reason in violations:
            bad.field_violations.add(field=_text(reason.path), description=_text(reason.message))
        status.details.add().Pack(bad)
    if error.retry_after_seconds is not None:
        delay = Duration()
        delay.FromMilliseconds(round(error.retry_after_seconds * 1000))
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    size = status.ByteSize()
    for position, packed in enumerate(reasons_to_proto(error.reasons)):
        size += packed.ByteSize() + ANY_BYTES
        if position and size > MAXIMUM_DETAIL_BYTES:
            left = len(error.reasons) - position
            omitted = reason_pb2.Reason(code="REASONS_OMITTED", message=f"{left} more reasons did not fit")
            status.details.add().Pack(omitted)
            break
        status.details.add().Pack(packed)
    return status


def to_exception(error: grpc.aio.AioRpcError) -> AutopackError:
    """What a failed call says, with the reasons that the server gave.

    Where it gave none (nothing answers, the deadline passed), the status code is the reason.
    """
    code = error.code()
    kind, name, fix = _FOREIGN.get(code, (_CLASS_OF.get(code, Internal), code.name, ""))
    reasons: list[Reason] = []
    retry_after: float | None = None
    try:
        for detail in _details(error):
            reason, retry = reason_pb2.Reason(), error_details_pb2.RetryInfo()
            if detail.Unpack(reason):
                reasons += reasons_from_proto([reason])
            elif detail.Unpack(retry):
                retry_after = retry.retry_delay.ToMilliseconds() / 1000
    except DecodeError:  # not ours: the status code says enough
        reasons = []
    if not reasons:
        reasons = [Reason(name, error.details() or "the call failed without a word", fix)]
    return kind(*reasons, retry_after_seconds=retry_after)


def _details(error: grpc.aio.AioRpcError) -> Iterable[AnyMessage]:
    metadata: Any = error.trailing_metadata() or ()  # the stubs have the type of the sync API
    for key, value in metadata:
        if key == STATUS_KEY:
            return status_pb2.Status.FromString(value).details
    return ()


Answer = TypeVar("Answer")


async def call(awaitable: Awaitable[Answer]) -> Answer:
    """Awaits a stub's call.

    Raises:
        AutopackError: what the server refused with, or why it could not be asked.
    """
    try:
        return await awaitable
    except grpc.aio.AioRpcError as error:
        raise to_exception(error) from error
