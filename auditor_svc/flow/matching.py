"""Whether a call is of the shape that a rule describes."""

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from auditor_svc.flow.rules import Selector, Shape
from auditor_svc.flow.values import HOLE, UNKNOWN, Label, Value

_STEP_DOWN = {"critical": "high", "high": "medium", "medium": "low", "low": "low"}


@dataclass(frozen=True, slots=True)
class Arguments:
    """Of one call, evaluated."""

    receiver: Value
    positional: Sequence[Value]
    keywords: Mapping[str, Value]
    is_open: bool
    """Whether `*` or `**` may bring more than is seen."""

    def select(self, selector: Selector) -> Iterator[Value]:
        if isinstance(selector, int):
            if selector < len(self.positional):
                yield self.positional[selector]
        elif selector == "receiver":
            yield self.receiver
        elif selector == "any":
            yield from self.positional
            yield from self.keywords.values()
        elif selector == "rest":
            yield from self.positional[1:]
        elif selector == "first_item":
            for value in self.positional[:1]:
                yield (value.items or (value,))[0]
        elif selector in self.keywords:
            yield self.keywords[selector]


def holds(shape: Shape, arguments: Arguments) -> bool:
    """Whether every condition on arguments is met."""
    return all(_holds(selectors, expected, arguments) for selectors, expected in shape.where)


def _holds(selectors: Sequence[Selector], expected: Any, arguments: Arguments) -> bool:
    values = [value for selector in selectors for value in arguments.select(selector)]
    if expected == "absent":
        return not values and not arguments.is_open
    if expected == "present":
        return bool(values)
    return any(_is(value, expected) for value in values)


def _is(value: Value, expected: Any) -> bool:
    if isinstance(expected, list):
        return any(_is(value, each) for each in expected)
    if not isinstance(expected, dict):
        return (
            value.literal is not UNKNOWN
            and type(value.literal) is type(expected)
            and value.literal == expected
        )
    (kind, wanted), *_ = expected.items()
    literal = value.literal
    if kind == "below":
        return isinstance(literal, int) and not isinstance(literal, bool) and literal < wanted
    if kind == "length_below":
        return isinstance(literal, (str, bytes)) and len(literal) < wanted
    if kind == "matches":
        return value.text is not None and re.search(wanted, value.text) is not None
    if kind == "named":
        return re.search(wanted, value.name) is not None
    if kind == "not_named":
        return re.search(wanted, value.name) is None
    if kind == "constant":
        return isinstance(literal, (str, bytes)) and bool(literal)
    if kind == "labelled":
        return any(label.kind in wanted for label in value.labels)
    if kind == "bits":
        return isinstance(literal, int) and not isinstance(literal, bool) and bool(literal & wanted)
    raise ValueError(f"a rule asks for {kind!r}, which means nothing")


@dataclass(frozen=True, slots=True)
class Reached:
    """A label at an argument that a rule is about."""

    label: Label
    severity: str
    """Empty where it only matters if a caller brings something worse."""
    settled: bool
    """Whether the text around it is known to be of the kind that the rule asks for."""


def flowing(shape: Shape, arguments: Arguments) -> Iterator[Reached]:
    """What reaches the rule's arguments."""
    for selector in shape.arguments:
        for value in arguments.select(selector):
            yield from reaching(shape, value)


def reaching(shape: Shape, value: Value, settled: bool = False) -> Iterator[Reached]:
    """The labels of a value that count. `settled`: its text need not be looked at again."""
    if not value.labels:
        return
    text = _text(value)
    fits = settled or _fits(shape, text)
    partial = shape.partial is not None and shape.partial.search(text) is not None
    for label in value.labels:
        if shape.rule.id in label.cleaned:
            continue
        severity = shape.rule.severity.get(label.kind, "")
        if partial:
            severity = _STEP_DOWN.get(severity, "")
        counts = fits and (not shape.kinds or label.kind in shape.kinds)
        counts = counts and (settled or label.kind not in shape.built_kinds or value.is_built)
        if label.kind == "parameter" and (text == HOLE or settled or fits):
            # A caller may hand in something worse, or text of the kind that is asked for.
            yield Reached(label, severity if counts else "", settled or (fits and text != HOLE))
        elif counts and severity:
            yield Reached(label, severity, settled=True)


def _fits(shape: Shape, text: str) -> bool:
    if shape.is_built and text in {"", HOLE}:
        return False
    if shape.like is not None and not shape.like.search(text):
        return False
    return shape.safe is None or not shape.safe.search(text)


def _text(value: Value) -> str:
    if value.text is not None:
        return value.text
    if value.items:
        return HOLE.join(item.text or HOLE for item in value.items)
    return HOLE


def region(node: ast.AST) -> tuple[int, int]:
    line = getattr(node, "lineno", 1)
    return line, getattr(node, "end_lineno", None) or line
