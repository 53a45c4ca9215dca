"""What the analysis knows of a value: what it is called, whose data it holds, and what text it has."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

HOLE: Final = "\0"
"""Stands in a text for what is not known of it."""
BOUND: Final = "~"
"""Begins the name of a variable of which no more is known: `~parser` is not the module `parser`."""
UNKNOWN: Final = object()
_LONGEST_TEXT = 4000


class Label(NamedTuple):
    """Data from somewhere that is not to be trusted, or must not be shown."""

    kind: str
    """remote, console, local, parameter, exception or sensitive."""
    origin: object
    """Which source of that kind; a parameter's function and name."""
    cleaned: frozenset[str] = frozenset()
    """Rules whose sanitisers it went through."""


@dataclass(frozen=True, slots=True)
class Value:
    """What is known of an expression."""

    name: str = ""
    """Qualified, as `sqlite3.connect().cursor()`; an unknown variable is called what it is called."""
    labels: frozenset[Label] = frozenset()
    literal: object = UNKNOWN
    """A constant's value."""
    text: str | None = None
    """Of a string that is at least partly known, with holes."""
    items: "tuple[Value, ...] | None" = None
    """Of a literal list, tuple or set; of a dictionary its values."""
    keys: "tuple[Value, ...] | None" = None
    """Of a literal dictionary."""

    @property
    def is_built(self) -> bool:
        """Whether it is a string put together from parts of which one is not known."""
        return self.text is not None and HOLE in self.text and self.text != HOLE

    def labelled(self, labels: Iterable[Label]) -> "Value":
        return replace(self, labels=frozenset(labels))


NOTHING = Value()


def constant(literal: object) -> Value:
    text = literal if isinstance(literal, str) else None
    if isinstance(literal, bytes):
        text = literal.decode("latin-1")
    return Value(literal=literal, text=None if text is None else text.replace(HOLE, "")[:_LONGEST_TEXT])


def join(first: Value, second: Value) -> Value:
    """What is known where one of two values may be meant."""
    if first == second:
        return first
    return Value(
        name=first.name or second.name,
        labels=first.labels | second.labels,
        text=first.text
        if second.text is None
        else second.text
        if first.text is None
        else _longer(first, second),
        items=first.items if first.items == second.items else None,
    )


def built(parts: Iterable[Value], name: str = "") -> Value:
    """A string put together."""
    values = tuple(parts)
    text = "".join(HOLE if part.text is None else part.text for part in values)[:_LONGEST_TEXT]
    labels = frozenset(label for part in values for label in part.labels)
    known = all(part.literal is not UNKNOWN for part in values)
    return Value(name=name, labels=labels, text=text, literal=text if known else UNKNOWN)


def labels_of(values: Iterable[Value]) -> frozenset[Label]:
    return frozenset(label for value in values for label in value.labels)


def clean(labels: Iterable[Label], rules: Iterable[str]) -> frozenset[Label]:
    """The labels after a sanitiser of these rules."""
    done = frozenset(rules)
    return frozenset(Label(kind, origin, cleaned | done) for kind, origin, cleaned in labels)


def _longer(first: Value, second: Value) -> str:
    """Of two texts the one with more holes, then the longer: the one that can be wrong."""
    return max(first.text or "", second.text or "", key=lambda text: (text.count(HOLE), len(text), text))
