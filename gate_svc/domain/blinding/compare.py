"""Reads values that a sandboxed process sent, as exact built-in types, and says if they are as expected."""

import builtins
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class Opaque(Exception):
    """The value is not of built-in types alone, so nothing can be said of it here."""


@dataclass(frozen=True, slots=True)
class Approximate:
    """What `pytest.approx` accepts."""

    value: Any
    relative: float
    absolute: float


@dataclass(frozen=True, slots=True)
class Raises:
    """Exceptions by name, one of which is expected, and the pattern of their text."""

    names: tuple[str, ...]
    pattern: str | None


_OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "eq": lambda value, expected: value == expected,
    "ne": lambda value, expected: value != expected,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "in": lambda value, expected: value in expected,
    "not_in": lambda value, expected: value not in expected,
    "contains": lambda value, expected: expected in value,
    "not_contains": lambda value, expected: expected not in value,
    "count": lambda value, expected: sorted(map(repr, value)) == sorted(map(repr, expected)),
    "almost": lambda value, expected: value == expected or round(abs(value - expected), 7) == 0,
    "true": lambda value, _: bool(value),
    "false": lambda value, _: not value,
    "is_none": lambda value, _: value is None,
    "is_not_none": lambda value, _: value is not None,
}


def holds(operation: str, shown: Any, expected: Any) -> bool:
    """Whether an assertion holds of a value as it was sent. Raises Opaque."""
    if operation == "raises":
        return _raised(shown, expected)
    if operation in ("is", "is_not"):
        return (_same(shown, expected)) is (operation == "is")
    if _is(shown, "o", 4):
        return _of_object(operation, shown)
    value = read(shown)
    if isinstance(expected, Approximate):
        return _near(value, expected) is (operation == "eq")
    try:
        return bool(_OPERATIONS[operation](value, expected))
    except (TypeError, ValueError, ArithmeticError, RecursionError):
        return False


def read(shown: Any) -> Any:
    """The value. Raises Opaque."""
    try:
        return _read(shown)
    except (TypeError, ValueError, LookupError, RecursionError, OverflowError):
        raise Opaque from None


def _read(shown: Any) -> Any:
    if shown is None or shown is True or shown is False:
        return shown
    kind, *rest = shown
    match kind:
        case "i":
            return int(rest[0], 16)
        case "f":
            return float.fromhex(rest[0])
        case "c":
            return complex(float.fromhex(rest[0]), float.fromhex(rest[1]))
        case "s":
            return _text(rest[0])
        case "b":
            return bytes.fromhex(rest[0])
        case "B":
            return bytearray.fromhex(rest[0])
        case "t":
            return tuple(map(_read, rest[0]))
        case "l":
            return list(map(_read, rest[0]))
        case "S":
            return set(map(_read, rest[0]))
        case "F":
            return frozenset(map(_read, rest[0]))
        case "d":
            return {_read(key): _read(value) for key, value in rest[0]}
        case "u":
            return _read(rest[1])
    raise Opaque


def _text(text: Any) -> str:
    if not isinstance(text, str):
        raise Opaque
    return text


def _of_object(operation: str, shown: Any) -> bool:
    """An object cannot be compared with anything, but it is something: and its truth it must say itself,
    without knowing which truth is wanted."""
    if operation in ("is_none", "is_not_none"):
        return operation == "is_not_none"
    if operation in ("true", "false") and isinstance(shown[3], bool):
        return shown[3] is (operation == "true")
    raise Opaque


def _same(shown: Any, expected: Any) -> bool:
    return type(shown) is type(expected) and shown == expected


def _is(shown: Any, kind: str, length: int) -> bool:
    return isinstance(shown, list) and len(shown) == length and shown[0] == kind


def _raised(shown: Any, expected: Raises) -> bool:
    if not isinstance(shown, list) or not _is(shown, "l", 2) or not isinstance(shown[1], list):
        raise Opaque
    names, text = (read(each) for each in shown[1])
    if names is None:
        return False
    known = {f"builtins.{name}" if hasattr(builtins, name) else name for name in expected.names}
    if not any(name in known or name.rpartition(".")[2] in known for name in map(str, names)):
        return False
    return expected.pattern is None or re.search(expected.pattern, str(text)) is not None


def _near(value: Any, expected: Approximate) -> bool:
    wanted = expected.value
    if isinstance(wanted, list | tuple):
        if not isinstance(value, list | tuple) or len(value) != len(wanted):
            return False
        pairs = list(zip(value, wanted, strict=True))
    elif isinstance(wanted, dict):
        if not isinstance(value, dict) or value.keys() != wanted.keys():
            return False
        pairs = [(value[key], wanted[key]) for key in wanted]
    else:
        pairs = [(value, wanted)]
    for had, want in pairs:
        if had == want:
            continue
        if not isinstance(had, int | float | complex) or not isinstance(want, int | float | complex):
            return False
        if not abs(had - want) <= max(expected.relative * abs(want), expected.absolute):
            return False
    return True


_NESTED = re.compile(r"[*+}]\)?[*+{]|\)[*+{]")


def is_tame(pattern: Any) -> bool:
    """Whether a pattern can be tried on hostile text: nothing that repeats is repeated, and little at all."""
    if not isinstance(pattern, str) or _NESTED.search(pattern) or sum(map(pattern.count, "*+{")) > 2:
        return False
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True
