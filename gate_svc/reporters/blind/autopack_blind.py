"""What stands in a blinded test file in place of its assertions: sends values out, and expects nothing.

Nothing in this process knows what is right, so code that rewrites this module can only send other values.
"""

from __future__ import annotations

import builtins
import contextlib
import json
import os
import sys
from typing import Any

_NODES = 20_000
_BYTES = 200_000
_HITS = 200
_TOTAL = 30_000_000
_MRO: Any = type.__dict__["__mro__"]


def _mro(kind: type) -> tuple[type, ...]:
    """The real one: a metaclass may say otherwise."""
    return _MRO.__get__(kind)  # type: ignore[no-any-return]  # typeshed knows no descriptor here


class _Shower:
    """Writes one value down: built-in types exactly, subclasses of them by what they really hold."""

    def __init__(self) -> None:
        self.left = _NODES
        self.open: list[int] = []

    def show(self, value: Any) -> Any:
        self.left -= 1
        if self.left < 0 or len(self.open) > 40:
            raise OverflowError
        if value is None or value is True or value is False:
            return value
        kind = type(value)
        for base in _mro(kind):
            plain = _PLAIN.get(base)
            if plain is None:
                continue
            if id(value) in self.open:
                return ["cycle"]
            self.open.append(id(value))
            shown = plain(self, value)
            self.open.pop()
            return shown if kind is base else ["u", _name(kind), shown]
        return self._object(value, kind)

    def _object(self, value: Any, kind: type) -> Any:
        if isinstance(value, (type, type(_name))):
            return ["n", _name(value)]
        if id(value) in self.open:
            return ["cycle"]
        self.open.append(id(value))
        state = {}
        for base in _mro(kind):
            slots = base.__dict__.get("__slots__", ())
            for slot in (slots,) if isinstance(slots, str) else slots:
                member: Any = base.__dict__.get(slot)
                try:
                    state[slot] = type(member).__get__(member, value, kind)
                except (AttributeError, TypeError):
                    continue
        with contextlib.suppress(AttributeError):
            state.update(object.__getattribute__(value, "__dict__"))
        shown = [[str(key), self.show(state[key])] for key in sorted(state, key=str)]
        self.open.pop()
        return ["o", _name(kind), shown, _truth(value)]

    def items(self, values: Any) -> list[Any]:
        return [self.show(each) for each in values]


def show(value: Any) -> Any:
    """A value, written down. Raises OverflowError for one that is too large."""
    return _Shower().show(value)


def _truth(value: Any) -> bool | None:
    try:
        return bool(value)
    except Exception:
        return None


def _name(thing: Any) -> str:
    return "{}.{}".format(getattr(thing, "__module__", ""), getattr(thing, "__qualname__", ""))


_PLAIN: dict[type, Any] = {
    int: lambda shower, value: ["i", hex(int.__index__(value))],
    float: lambda shower, value: ["f", float.hex(value)],
    complex: lambda shower, value: ["c", float.hex(value.real), float.hex(value.imag)],
    str: lambda shower, value: ["s", str.__str__(value)],
    bytes: lambda shower, value: ["b", bytes.hex(value)],
    bytearray: lambda shower, value: ["B", bytearray.hex(value)],
    tuple: lambda shower, value: ["t", shower.items(tuple.__iter__(value))],
    list: lambda shower, value: ["l", shower.items(list.__iter__(value))],
    set: lambda shower, value: ["S", shower.items(set.__iter__(value))],
    frozenset: lambda shower, value: ["F", shower.items(frozenset.__iter__(value))],
    dict: lambda shower, value: ["d", [[shower.show(k), shower.show(v)] for k, v in dict.items(value)]],
}


class Hidden:
    """Stands for an expectation."""

    def __init__(self, number: int, scalar: bool) -> None:
        self.number = number
        self.scalar = scalar


class Raised:
    """Stands for what `raises` gives: swallows what the block raises and tells it."""

    def __init__(self, blind: Blind, site: int) -> None:
        self._blind = blind
        self._site = site

    def __enter__(self) -> Raised:
        return self

    def __exit__(self, kind: type | None, value: BaseException | None, traceback: Any) -> bool:
        if kind is not None and (
            issubclass(kind, KeyboardInterrupt)
            or _name(kind).startswith(("_pytest.outcomes.", "unittest.case."))
        ):
            return False
        names = [_name(each) for each in _mro(kind)] if kind else None
        self._blind(self._site, [names, str(value)[:2000]])
        if kind is not None:
            self.type, self.value, self.tb, self.exception = kind, value, traceback, value
        return True

    def __str__(self) -> str:
        return repr(self)

    def match(self, pattern: str) -> bool:
        import re

        assert re.search(pattern, str(self.value))
        return True


class _Stranger:
    """Equals nothing but itself."""


class Blind:
    """Sends the values of the test that runs."""

    def __init__(self) -> None:
        self.test = ""
        self.twins: dict[int, str] = {}
        """Tests that can be given something wrong to expect, by where."""
        self.wrong = 0
        """Where what is expected is wrong now: then nothing is sent."""
        self.muted = False
        self._file = -1
        self._process = 0
        self._sent = 0
        self._hits: dict[tuple[str, int], int] = {}

    def __call__(self, site: int, value: Any, expected: Any = None) -> Any:
        if self.muted:
            return value
        hits = self._hits[self.test, site] = self._hits.get((self.test, site), 0) + 1
        if hits > _HITS + 1:
            return value
        record = {"event": "value", "test": self.test, "site": site}
        if expected is not None:
            record["token"] = getattr(expected, "number", -1)
        try:
            record["value"] = _Shower().show(value) if hits <= _HITS and self._sent < _TOTAL else ["big"]
            line = json.dumps(record)
        except (OverflowError, RecursionError):
            line = ""
        if not line or len(line) > _BYTES:
            line = json.dumps({**record, "value": ["big"]})
        self._write(line)
        return value

    def other(self, site: int, value: Any) -> Any:
        """The side of an equality that is expected: by its twin, something else."""
        if type(value) not in _PLAIN:
            self.twins.setdefault(site, self.test)
            if self.wrong == site:
                return _Stranger()
        return self(site, value)

    def twin(self, site: int, expected: Any, wrong: Any) -> Any:
        """An expectation that stays, since what is done with it is not understood."""
        self.twins.setdefault(site, self.test)
        return wrong if self.wrong == site else expected

    def hide(self, number: int, scalar: bool) -> Hidden:
        return Hidden(number, scalar)

    def raises(self, site: int) -> Raised:
        return Raised(self, site)

    def _write(self, line: str) -> None:
        directory = os.environ.get("AUTOPACK_REPORTS")
        if directory and self._process != os.getpid():
            path = os.path.join(directory, "autopack-tests.jsonl")
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            self._process = os.getpid()
        if self._file >= 0:
            data = line.encode() + b"\n"
            self._sent += len(data)
            os.write(self._file, data)


blind = Blind()


def install() -> Blind:
    """Makes blinded test files loadable."""
    vars(builtins)["_autopack"] = blind
    sys.modules.setdefault("autopack_blind", sys.modules[__name__])
    return blind
