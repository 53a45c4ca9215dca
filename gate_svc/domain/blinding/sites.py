"""What is known outside the sandbox of a blinded test file: what sends values, and what is expected."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Site:
    """One assertion, or one side of one."""

    id: int
    """As the process knows it: says nothing of what it is."""
    line: int
    text: str
    """The expression whose value is sent."""
    operation: str
    """How value and expectation relate: see `compare.holds`; `same` where the other side is sent too."""
    expected: Any = None
    """Evaluated; for `same` the id of the other side."""
    hidden: bool = False
    """Whether the expectation comes with each value, as a token."""
    required: str = ""
    """The test function that cannot pass without coming here, as `Class.method`; empty for none."""


@dataclass(frozen=True, slots=True)
class Blinded:
    """A test file without its expectations."""

    source: bytes
    sites: Mapping[int, Site] = field(default_factory=dict)
    tokens: Mapping[int, Any] = field(default_factory=dict)
    """Expectations that stand in tables and variables, by the number that stands for them."""
    blind: Mapping[str, bool] = field(default_factory=dict)
    """By test function: whether all that it asserts is judged blind."""
