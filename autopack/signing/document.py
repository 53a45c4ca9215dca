"""JSON that somebody else wrote: bounded, without duplicate keys; and JSON of ours in one form."""

import json
import math
import re
from typing import Any

from autopack.errors import InvalidInput, Reason

LIMIT_BYTES = 4_000_000
"""Of one document; what is larger is not looked at."""
LIMIT_DEPTH = 64
_STRINGS_AND_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|([\[{])|([\]}])', re.DOTALL)

Document = dict[str, Any]


def canonical(document: object) -> bytes:
    """The one form in which a document is hashed and signed: sorted keys, no blanks, ASCII."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def parse(data: bytes, source: str) -> Document:
    """A JSON object.

    Raises InvalidInput: `DOCUMENT_TOO_LARGE`, `DOCUMENT_TOO_DEEP`, `DUPLICATE_KEY`, `DOCUMENT_INVALID`.
    """
    if len(data) > LIMIT_BYTES:
        raise refusal("DOCUMENT_TOO_LARGE", source, f"{len(data)} bytes, more than {LIMIT_BYTES}")
    if data.count(b"[") + data.count(b"{") > LIMIT_DEPTH and _depth(data) > LIMIT_DEPTH:
        raise refusal("DOCUMENT_TOO_DEEP", source, f"nested deeper than {LIMIT_DEPTH}")
    try:
        document = json.loads(
            data.decode(),
            object_pairs_hook=_without_duplicates,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except _DuplicateKey as error:
        raise refusal("DUPLICATE_KEY", source, f"the key {error.args[0][:100]!r} stands twice") from None
    except ValueError as error:
        raise refusal("DOCUMENT_INVALID", source, f"no JSON: {str(error)[:200]}") from None
    if not isinstance(document, dict):
        raise refusal("DOCUMENT_INVALID", source, "no JSON object")
    return document


def field(document: Document, name: str, kind: type, source: str) -> Any:
    """A member of a JSON object that must be of a type. Raises InvalidInput `DOCUMENT_INVALID`."""
    value = document.get(name)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise refusal("DOCUMENT_INVALID", source, f"{name!r} is missing or no {kind.__name__}")
    return value


def refusal(code: str, source: str, message: str) -> InvalidInput:
    """What is wrong with a document of this name."""
    return InvalidInput(Reason(code, f"{source}: {message}", "get it again from where it was signed"))


class _DuplicateKey(ValueError):
    pass


def _without_duplicates(pairs: list[tuple[str, Any]]) -> Document:
    document = dict(pairs)
    if len(document) != len(pairs):
        names = [name for name, _ in pairs]
        raise _DuplicateKey(next(name for name in names if names.count(name) > 1))
    return document


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    if math.isinf(number := float(text)):
        raise ValueError(f"{text[:20]} is no number here")
    return number


def _depth(data: bytes) -> int:
    deepest = depth = 0
    for match in _STRINGS_AND_BRACKETS.finditer(data):
        depth += (match[1] is not None) - (match[2] is not None)
        deepest = max(deepest, depth)
    return deepest
