"""Approvals in a file, for the gate alone: a list of what people have consented to."""

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import Field

from autopack.api.gate.v1 import verdict_pb2
from autopack.cli.plan_file import read_document
from autopack.errors import InvalidInput, Reason
from autopack.policy.document import compose
from autopack.policy.fields import CLOSED, Words
from autopack.policy.validation import validate


@dataclass(frozen=True, slots=True)
class Consent:
    """One approval."""

    __pydantic_config__ = CLOSED
    change_digest: Annotated[
        str, Field(pattern=r"^[0-9a-f]{64}$", description="64 hex digits, as the gate prints them")
    ]
    approver: Annotated[Words, Field(min_length=1, max_length=200)]
    time: Annotated[str, Field(max_length=100, description="an ISO 8601 time with its zone")] = ""
    key_id: Annotated[Words, Field(max_length=200)] = ""
    signature: Annotated[str, Field(max_length=8192, description="base64")] = ""


@dataclass(frozen=True, slots=True)
class Consents:
    """The document."""

    __pydantic_config__ = CLOSED
    approvals: Annotated[tuple[Consent, ...], Field(max_length=100)]


def read_approvals(path: Path) -> list[verdict_pb2.Approval]:
    """Approvals in a YAML or JSON file: a list, or a mapping with `approvals`. Raises InvalidInput."""
    source = str(path)
    node = compose(read_document(path, "APPROVALS"), source)
    bare = isinstance(node.value, tuple)
    data = {"approvals": node.value} if bare else node.value

    def line_of(location: tuple[object, ...]) -> int:
        return node.line_of(location[1:] if bare else location)

    found, reasons = validate(Consents, data, "APPROVALS_INVALID", source, line_of)
    if found is None:
        raise InvalidInput(*reasons)
    return [_to_proto(consent, source) for consent in found.approvals]


def _to_proto(consent: Consent, source: str) -> verdict_pb2.Approval:
    message = verdict_pb2.Approval(
        change_digest=consent.change_digest, approver=consent.approver, key_id=consent.key_id
    )
    try:
        message.signature = base64.b64decode(consent.signature, validate=True)
        if consent.time:
            message.approve_time.FromDatetime(datetime.fromisoformat(consent.time))
    except (ValueError, binascii.Error) as error:
        raise InvalidInput(
            Reason("APPROVALS_INVALID", f"an approval of {consent.approver!r}: {error}", "mend it", source)
        ) from None
    return message
