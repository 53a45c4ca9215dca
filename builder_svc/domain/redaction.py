"""Takes secret values out of what is kept and shown."""

import json
from collections.abc import Sequence, Set
from dataclasses import replace
from typing import Any

from autopack.errors import Reason

REDACTED = "[redacted]"


def redacted_json(document: Any, secrets: Set[str]) -> bytes:
    """A document of JSON values as canonical JSON without the secrets."""
    return json.dumps(_redacted(document, secrets), sort_keys=True).encode()


def redacted_bytes(contents: bytes, secrets: Set[str]) -> bytes:
    """Contents without the secrets."""
    for secret in sorted(secrets, key=len, reverse=True):
        contents = contents.replace(secret.encode(), REDACTED.encode())
    return contents


def redacted_reasons(reasons: Sequence[Reason], secrets: Set[str]) -> tuple[Reason, ...]:
    """The reasons with no secret in their words and paths."""
    return tuple(
        replace(
            reason,
            message=_redacted(reason.message, secrets),
            fix=_redacted(reason.fix, secrets),
            path=_redacted(reason.path, secrets),
        )
        for reason in reasons
    )


def _redacted(value: Any, secrets: Set[str]) -> Any:
    match value:
        case str():
            # The longest first: one may be a part of another.
            for secret in sorted(secrets, key=len, reverse=True):
                value = value.replace(secret, REDACTED)
            return value
        case dict():
            return {key: _redacted(part, secrets) for key, part in value.items()}
        case list():
            return [_redacted(part, secrets) for part in value]
        case _:
            return value
