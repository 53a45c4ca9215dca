"""What is shared over one file: rules, what was found, and what functions do with arguments."""

from dataclasses import dataclass, field

from auditor_svc.flow.matching import Reached, reaching
from auditor_svc.flow.modules import FunctionNode, Module
from auditor_svc.flow.rules import Rule, RuleSet, Shape
from auditor_svc.flow.values import NOTHING, Label, Value, clean

MAXIMUM_STEPS = 3_000_000
"""Expressions evaluated and variables copied in one file; some ten seconds."""
_MOST_PENDING = 500
"""Of one function."""
_ORDER = ("low", "medium", "high", "critical")


class TooComplex(Exception):
    """The file is larger or more branched than is followed."""


@dataclass(frozen=True, slots=True)
class Detected:
    """One weakness in one place."""

    rule: Rule
    severity: str
    line: int
    end_line: int


@dataclass(frozen=True, slots=True)
class Pending:
    """A sink that a function's parameter reaches; whether it matters is the caller's to say."""

    shape: Shape
    line: int
    end_line: int
    label: Label
    settled: bool
    """Whether only the label is left to be asked about, not the text around it."""


@dataclass(slots=True)
class Summary:
    """What a function does with its arguments."""

    returns: Value = NOTHING
    pending: list[Pending] = field(default_factory=list)


class Analysis:
    """The findings of one file, while they are gathered."""

    def __init__(self, module: Module, rules: RuleSet) -> None:
        self.module = module
        self.rules = rules
        self.found: dict[tuple[str, int, int], Detected] = {}
        self.summaries: dict[int, Summary | None] = {}
        self.attributes: dict[str, dict[str, Value]] = {}
        """By class: what its constructor put into `self`."""
        self._steps = 0

    def step(self, count: int = 1) -> None:
        """Raises TooComplex where the file takes more than it may."""
        self._steps += count
        if self._steps > MAXIMUM_STEPS:
            raise TooComplex

    def report(self, rule: Rule, severity: str, line: int, end_line: int) -> None:
        if not severity:
            return
        key = (rule.id, line, end_line)
        known = self.found.get(key)
        if known is None or _ORDER.index(severity) > _ORDER.index(known.severity):
            self.found[key] = Detected(rule, severity, line, end_line)

    def reached(self, shape: Shape, found: Reached, place: tuple[int, int], pending: list[Pending]) -> None:
        """Untrusted data is at a sink."""
        self.report(shape.rule, found.severity, *place)
        if found.label.kind == "parameter" and len(pending) < _MOST_PENDING:
            pending.append(Pending(shape, *place, found.label, found.settled))

    def arrive(self, pending: Pending, value: Value, further: list[Pending]) -> None:
        """A call hands a value to a parameter that reaches a sink."""
        handed = value.labelled(clean(value.labels, pending.label.cleaned))
        for found in reaching(pending.shape, handed, pending.settled):
            self.reached(pending.shape, found, (pending.line, pending.end_line), further)


def bind(function: FunctionNode, positional: list[Value], keywords: dict[str, Value]) -> dict[str, Value]:
    """Parameter names to what a call gives them; a method's `self` is given like any other."""
    arguments = function.args
    names = [item.arg for item in (*arguments.posonlyargs, *arguments.args)]
    bound = dict(zip(names, positional, strict=False))
    if arguments.vararg is not None:
        rest = positional[len(names) :]
        bound[arguments.vararg.arg] = Value(labels=frozenset(x for v in rest for x in v.labels))
    bound.update(keywords)
    return bound


def substitute(value: Value, function: object, bound: dict[str, Value]) -> Value:
    """A function's result with what a call handed to its parameters."""
    labels: set[Label] = set()
    for label in value.labels:
        if label.kind == "parameter" and isinstance(label.origin, tuple) and label.origin[0] is function:
            labels |= clean(bound.get(label.origin[1], NOTHING).labels, label.cleaned)
        else:
            labels.add(label)
    return value.labelled(labels)
