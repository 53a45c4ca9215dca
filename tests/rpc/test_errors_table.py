"""Errors across the wire: what a server raises is what the client catches."""

import grpc
import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from autopack.errors import (
    AutopackError,
    Internal,
    InvalidInput,
    NotFound,
    PermissionDenied,
    Reason,
    ResourceExhausted,
    Unavailable,
)
from autopack.rpc.errors import (
    DOMAIN,
    MAXIMUM_DETAIL_BYTES,
    STATUS_KEY,
    STATUS_OF,
    reasons_from_proto,
    reasons_to_proto,
    status_code,
    to_exception,
    to_status,
)
from autopack.rpc.validation import validate

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
LONG = st.builds(lambda text, times: text * times, TEXT, st.integers(0, 400))
REASONS = st.builds(
    Reason,
    code=st.from_regex(r"[A-Z][A-Z0-9_]{0,20}", fullmatch=True),
    message=TEXT,
    fix=TEXT,
    path=TEXT,
    line=st.integers(0, 2**31),
)


def over_the_wire(error: AutopackError) -> AutopackError:
    status = to_status(error)
    code = next(code for code in grpc.StatusCode if code.value[0] == status.code)
    trailing = grpc.aio.Metadata((STATUS_KEY, status.SerializeToString()))
    return to_exception(grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, status.message, None))


def bare(code: grpc.StatusCode, details: str = "says") -> AutopackError:
    return to_exception(grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details, None))


def details(status: status_pb2.Status, kind: type) -> list[object]:
    found = []
    for detail in status.details:
        message = kind()
        if detail.Unpack(message):
            found.append(message)
    return found


@given(
    kind=st.sampled_from(list(STATUS_OF)),
    reasons=st.lists(REASONS, min_size=1, max_size=5),
    milliseconds=st.none() | st.integers(0, 10**7),
)
def test_every_error_comes_back_as_it_was(
    kind: type[AutopackError], reasons: list[Reason], milliseconds: int | None
) -> None:
    seconds = None if milliseconds is None else milliseconds / 1000
    returned = over_the_wire(kind(*reasons, retry_after_seconds=seconds))
    assert type(returned) is kind
    assert returned.reasons == tuple(reasons)
    assert returned.retry_after_seconds == seconds


def test_the_table_has_every_class_and_no_status_twice() -> None:
    tree = {kind for kind in AutopackError.__subclasses__() if kind.__module__ == AutopackError.__module__}

    assert set(STATUS_OF) == tree
    assert len(set(STATUS_OF.values())) == len(STATUS_OF)


def test_a_subclass_has_the_status_of_its_parent() -> None:
    class FileMissing(NotFound):
        pass

    assert status_code(FileMissing(Reason("FILE_MISSING", "gone"))) is grpc.StatusCode.NOT_FOUND


def test_error_info_names_the_first_reason_and_where_it_is() -> None:
    error = InvalidInput(
        Reason("KEY_UNKNOWN", "what", "do this", "plan.yaml", 7),
        Reason("OTHER", "x"),
        retry_after_seconds=1.5,
    )
    status = to_status(error, trace_id="ab" * 16)
    assert status.code == code_pb2.INVALID_ARGUMENT
    (info,) = details(status, error_details_pb2.ErrorInfo)
    assert info == error_details_pb2.ErrorInfo(
        reason="KEY_UNKNOWN",
        domain=DOMAIN,
        metadata={"fix": "do this", "path": "plan.yaml", "line": "7", "trace_id": "ab" * 16},
    )
    (retry,) = details(status, error_details_pb2.RetryInfo)
    assert isinstance(retry, error_details_pb2.RetryInfo)
    assert retry.retry_delay.ToMilliseconds() == 1500


def test_a_request_that_breaks_rules_gets_a_bad_request_with_its_fields() -> None:
    status = to_status(InvalidInput(Reason("REQUEST_INVALID", "too long", path="plan.name")))
    (bad,) = details(status, error_details_pb2.BadRequest)
    assert isinstance(bad, error_details_pb2.BadRequest)
    assert [(violation.field, violation.description) for violation in bad.field_violations] == [
        ("plan.name", "too long")
    ]


def test_an_error_about_a_document_has_no_bad_request() -> None:
    assert not details(to_status(InvalidInput(Reason("CYCLE", "a, b"))), error_details_pb2.BadRequest)


def test_a_name_that_is_no_unicode_is_shown_escaped() -> None:
    returned = over_the_wire(InvalidInput(Reason("PATH_INVALID", "bad \udcff", path="a\udcff")))
    assert returned.reasons == (Reason("PATH_INVALID", "bad \\udcff", path="a\\udcff"),)


def test_reasons_beyond_what_metadata_can_carry_are_counted() -> None:
    reasons = [Reason("LINE_BAD", "x" * 1000, path=str(number)) for number in range(1000)]
    status = to_status(InvalidInput(*reasons))
    assert status.ByteSize() < MAXIMUM_DETAIL_BYTES + 5000
    returned = over_the_wire(InvalidInput(*reasons))
    *kept, last = returned.reasons
    assert kept == reasons[: len(kept)]
    assert len(kept) > 100
    assert last == Reason("REASONS_OMITTED", f"{1000 - len(kept)} more reasons did not fit")


@given(st.builds(Reason, code=st.just("LONG"), message=LONG, fix=LONG, path=LONG))
def test_a_reason_is_valid_by_its_contract_however_long_it_was(reason: Reason) -> None:
    (message,) = reasons_to_proto([reason])
    validate(message)
    assert message.message[:4000] == reason.message[:4000]


@given(st.lists(REASONS))
def test_reasons_come_back_from_the_contract_as_they_were(reasons: list[Reason]) -> None:
    assert reasons_from_proto(reasons_to_proto(reasons)) == tuple(reasons)


@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        (grpc.StatusCode.UNAVAILABLE, Unavailable, "SERVICE_UNAVAILABLE"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, Unavailable, "DEADLINE_EXCEEDED"),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, ResourceExhausted, "OVERLOADED"),
        (grpc.StatusCode.UNAUTHENTICATED, PermissionDenied, "UNAUTHENTICATED"),
        (grpc.StatusCode.UNKNOWN, Internal, "UNKNOWN"),
        (grpc.StatusCode.NOT_FOUND, NotFound, "NOT_FOUND"),
    ],
)
def test_a_server_that_gives_no_reasons_is_known_by_its_status(
    code: grpc.StatusCode, kind: type[AutopackError], reason: str
) -> None:
    error = bare(code)
    assert type(error) is kind
    assert (error.reasons[0].code, error.reasons[0].message) == (reason, "says")


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_every_status_becomes_an_error_with_a_reason(code: grpc.StatusCode) -> None:
    assert bare(code, "").reasons[0].message


def test_details_that_are_not_ours_are_passed_over() -> None:
    trailing = grpc.aio.Metadata((STATUS_KEY, b"\xff not a status"))
    error = grpc.aio.AioRpcError(grpc.StatusCode.NOT_FOUND, grpc.aio.Metadata(), trailing, "gone", None)
    assert to_exception(error).reasons == (Reason("NOT_FOUND", "gone"),)
