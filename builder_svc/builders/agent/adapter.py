"""Adapter files: how a coding agent is started, handed its goal, and read; added without code."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from autopack.errors import InvalidInput, Reason
from autopack.policy.document import compose
from autopack.policy.fields import CLOSED, Globs, ShellLine, Version, Words
from autopack.policy.validation import validate

Place = Annotated[
    str,
    Field(
        pattern=r"^[^.\x00]+(\.[^.\x00]+)*$", max_length=200, description="keys such as usage.input_tokens"
    ),
]
Places = Annotated[tuple[Place, ...], Field(max_length=20)]
Program = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$", description="the name of a program")
]
Variable = Annotated[
    str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$", description="the name of an environment variable")
]
Mark = Annotated[Words, Field(min_length=3, max_length=200)]


@dataclass(frozen=True, slots=True)
class Report:
    """What the agent says of itself, in a file of `$AUTOPACK_REPORTS`.

    A place is a path in its JSON, `*` standing for every key or element; numbers found are added up.
    """

    __pydantic_config__ = CLOSED
    file: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", description="the name of a file")
    ]
    format: Literal["json", "json-lines"] = "json"
    """json-lines: places are looked for in every line."""
    input_tokens: Places = ()
    output_tokens: Places = ()
    end: Place | Literal[""] = ""
    """Where it says how it ended; the last value counts. Empty: its exit status says all."""
    accepted: Annotated[tuple[str | bool, ...], Field(max_length=20)] = ()
    """What is there when it has done its work."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """One coding agent's command line."""

    __pydantic_config__ = CLOSED
    version: Version
    run: ShellLine
    """What it is given, docs/FORMATS.md says."""
    programs: Annotated[tuple[Program, ...], Field(max_length=20)] = ()
    """What must be installed."""
    install: Words = ""
    """How to, for people."""
    environment: Annotated[Mapping[Variable, Words], Field(max_length=100)] = field(default_factory=dict)
    leaves: Globs = ()
    """New files of these names are the agent's own notes and no part of the change."""
    report: Report | None = None
    outage: Annotated[tuple[Mark, ...], Field(max_length=100)] = ()
    """Words in its output or report that mean, where it has failed, that its provider is away."""


def load_adapter(text: str, source: str) -> Adapter:
    """The adapter in a YAML document. Raises InvalidInput with every reason, each with its line."""
    node = compose(text, source)
    if not isinstance(node.value, dict):
        raise InvalidInput(invalid_adapter("it is no mapping", source))
    adapter, reasons = validate(Adapter, node.value, "ADAPTER_INVALID", source, node.line_of)
    if adapter is None:
        raise InvalidInput(*sorted(reasons, key=lambda reason: reason.line))
    if adapter.report and bool(adapter.report.end) != bool(adapter.report.accepted):
        raise InvalidInput(
            invalid_adapter("report: one of `end` and `accepted` is without the other", source)
        )
    return adapter


def invalid_adapter(message: str, source: str) -> Reason:
    """What is wrong with the file `source`."""
    fix = "mend it where the builder service runs; docs/FORMATS.md has the keys of an adapter"
    return Reason("ADAPTER_INVALID", message, fix, path=source)
