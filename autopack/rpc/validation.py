"""Holds every incoming message to the rules that its contract states."""

from google.protobuf.message import Message
from protovalidate import Violation, collect_violations

from autopack.errors import InvalidInput, Reason
from autopack.rpc.errors import REQUEST_INVALID

FIX = "Correct the field and send the request again."


def validate(message: Message) -> None:
    """Checks a message against its contract.

    Raises:
        InvalidInput: `REQUEST_INVALID`, one reason for each field at fault, its path the field.
    """
    violations = collect_violations(message)
    if violations:
        raise InvalidInput(*(_reason(violation) for violation in violations))


def _reason(violation: Violation) -> Reason:
    path = _field_path(violation)
    says = violation.proto.message or violation.proto.rule_id
    return Reason(REQUEST_INVALID, f"{path or 'the request'}: {says}", FIX, path)


def _field_path(violation: Violation) -> str:
    """The field's name as one would write it: plan.phases[0].id."""
    path = ""
    field = violation.proto.field
    for element in field.elements if field else ():
        path += f".{element.field_name}" if path else element.field_name
        subscript = element.subscript
        if subscript is not None:
            path += f"[{subscript.value!r}]"
    return path
