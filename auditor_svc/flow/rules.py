"""Reads the rule files: what is a source, a sink, a sanitiser, and what calls are weak by themselves."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

RULES = Path(__file__).parent / "rules"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Selector = int | str
_KNOWN_NAMES = 20_000


@dataclass(frozen=True, slots=True)
class Rule:
    """A weakness, in words."""

    id: str
    cwe: tuple[str, ...]
    severity: Mapping[str, str]
    """By kind of source; `always` for what is weak whatever flows."""
    message: str


@dataclass(frozen=True, slots=True)
class Shape:
    """A call, or an assignment, and what its arguments must be for it to count."""

    rule: Rule
    arguments: tuple[Selector, ...]
    """Of a sink: positions, keywords, `receiver`, `any`; empty for what is weak by itself."""
    where: tuple[tuple[tuple[Selector, ...], object], ...]
    is_built: bool
    """Only text that was put together counts."""
    built_kinds: frozenset[str]
    """Kinds of source that count only in text that was put together."""
    kinds: frozenset[str]
    """The only kinds of source that count; empty for all that the rule has a severity for."""
    like: re.Pattern[str] | None
    """What the text must look like."""
    safe: re.Pattern[str] | None
    """Text that makes it harmless, as a URL's fixed host before a redirect's path."""
    partial: re.Pattern[str] | None
    """Text that makes it one step less severe."""
    inside: re.Pattern[str] | None
    """What the function or the assigned name must be called."""
    unless: re.Pattern[str] | None
    """Source text of the function that makes it harmless."""


class Patterns:
    """Qualified names with `*`, found by their last part."""

    def __init__(self) -> None:
        self._by_last: dict[str, list[tuple[list[str], Any]]] = {}
        self._known: dict[str, tuple[Any, ...]] = {}

    def add(self, pattern: str, item: Any) -> None:
        last = pattern.rpartition(".")[2]
        self._by_last.setdefault("*" if "*" in last else last, []).append((pattern.split("*"), item))

    def find(self, name: str) -> tuple[Any, ...]:
        """What was added under patterns that the name matches."""
        found = self._known.get(name)
        if found is None:
            candidates = (*self._by_last.get(name.rpartition(".")[2], ()), *self._by_last.get("*", ()))
            found = tuple(item for parts, item in candidates if name and _matches(parts, name))
            if len(self._known) > _KNOWN_NAMES:
                self._known.clear()
            self._known[name] = found
        return found


def _matches(parts: Sequence[str], name: str) -> bool:
    """A glob of `*` alone; compiling a thousand expressions would take a third of a second."""
    if len(parts) == 1:
        return name == parts[0]
    if (
        not name.startswith(parts[0])
        or not name.endswith(parts[-1])
        or len(name) < len(parts[0]) + len(parts[-1])
    ):
        return False
    position, end = len(parts[0]), len(name) - len(parts[-1])
    for part in parts[1:-1]:
        position = name.find(part, position, end)
        if position < 0:
            return False
        position += len(part)
    return True


class RuleSet:
    """All rules, ready to be asked about names."""

    def __init__(self, directory: Path = RULES) -> None:
        self.sources = Patterns()
        self.sanitisers = Patterns()
        self.calls = Patterns()
        self.assignments = Patterns()
        self.returns: list[Shape] = []
        """Of handlers."""
        self.every_return: list[Shape] = []
        self.checks: dict[str, Rule] = {}
        for path in sorted(directory.glob("*.yaml")):
            self._read(yaml.load(path.read_text("utf-8"), _LOADER))  # a safe loader, ours

    def _read(self, document: Mapping[str, Any]) -> None:
        for kind, names in document.get("sources", {}).items():
            for name in names:
                self.sources.add(name, kind)
        for item in document.get("sanitisers", ()):
            for name in item["calls"]:
                self.sanitisers.add(name, frozenset(item["rules"]))
        for item in document.get("rules", ()):
            self._add(item)

    def _add(self, item: Mapping[str, Any]) -> None:
        severity = item["severity"]
        levels = {"always": severity} if isinstance(severity, str) else severity
        rule = Rule(item["id"], tuple(f"CWE-{number}" for number in item["cwe"]), levels, item["message"])
        for name in item.get("sanitisers", ()):
            self.sanitisers.add(name, frozenset([rule.id]))
        for shape in item.get("any", ()):
            compiled = _shape(rule, shape)
            for name in _listed(shape.get("call", ())):
                self.calls.add(name, compiled)
            for name in _listed(shape.get("assign", ())):
                self.assignments.add(name, compiled)
            if "return" in shape:
                (self.returns if shape["return"] == "handler" else self.every_return).append(compiled)
        if "check" in item:
            self.checks[item["check"]] = rule


def _shape(rule: Rule, item: Mapping[str, Any]) -> Shape:
    def pattern(key: str) -> re.Pattern[str] | None:
        return re.compile(item[key]) if key in item else None

    return Shape(
        rule=rule,
        arguments=tuple(_listed(item.get("arguments", ()))),
        where=tuple((_selectors(key), expected) for key, expected in item.get("where", {}).items()),
        is_built=item.get("built") is True,
        built_kinds=frozenset(_listed(item["built"]))
        if isinstance(item.get("built"), (list, str))
        else frozenset(),
        kinds=frozenset(item.get("kinds", ())),
        like=pattern("like"),
        safe=pattern("safe"),
        partial=pattern("partial"),
        inside=pattern("inside"),
        unless=pattern("unless"),
    )


def _listed(value: Any) -> Iterable[Any]:
    return value if isinstance(value, (list, tuple)) else (value,)


def _selectors(key: Selector) -> tuple[Selector, ...]:
    """`0|name`: the first argument, or the keyword."""
    parts = str(key).split("|")
    return tuple(int(part) if part.isdecimal() else part for part in parts)
