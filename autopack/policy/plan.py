"""The plan: phases with goals, scopes, builders, checks and budgets, read from YAML and immutable."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Discriminator, Field, GetPydanticSchema, Tag

from autopack.errors import InvalidInput, Reason
from autopack.policy import graph, patch_files
from autopack.policy.document import compose
from autopack.policy.fields import (
    CLOSED,
    Category,
    Count,
    FilePath,
    Globs,
    Identifier,
    Money,
    Reports,
    Revision,
    ShellLine,
    Version,
    Words,
)
from autopack.policy.validation import Location, validate

_SIMPLE_RUNNER = re.compile(r"(?:python[0-9.]* -m )?(pytest|unittest)(?: [^;&|<>()$`\n]*)?")


@dataclass(frozen=True, slots=True)
class Check:
    """A command whose outcome decides."""

    __pydantic_config__ = CLOSED
    name: Identifier
    run: ShellLine
    reports: Reports = ""
    """Never empty once made: pytest, unittest, junit:PATH, tap, none."""
    timeout: Annotated[Count, Field(ge=1, le=86_400, description="seconds, at most a day")] = 600
    """Seconds."""

    def __post_init__(self) -> None:
        if not self.reports:
            simple = _SIMPLE_RUNNER.fullmatch(self.run.strip())
            object.__setattr__(self, "reports", simple[1] if simple else "none")


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent on a phase; zero means not stated."""

    __pydantic_config__ = CLOSED
    attempts: Annotated[Count, Field(le=100)] = 0
    seconds: Annotated[Count, Field(le=2**32 - 1)] = 0
    """Of the whole phase."""
    tokens: Count = 0
    usd: Money = 0.0


@dataclass(frozen=True, slots=True)
class Scope:
    """What a phase may change and what is worth reading, as gitignore-style patterns."""

    __pydantic_config__ = CLOSED
    paths: Annotated[Globs, Field(min_length=1)]
    context: Globs = ()


@dataclass(frozen=True, slots=True)
class PatchBuilder:
    """A change that is already written: a unified diff, or whole files (None: removed)."""

    __pydantic_config__ = CLOSED
    diff: str = ""
    files: Annotated[Mapping[FilePath, str | None], Field(max_length=1000)] = field(default_factory=dict)
    kind: Literal["patch"] = "patch"


@dataclass(frozen=True, slots=True)
class CommandBuilder:
    """A shell line run in the sandbox on a fresh checkout."""

    __pydantic_config__ = CLOSED
    run: ShellLine
    kind: Literal["command"] = "command"


@dataclass(frozen=True, slots=True)
class RepairBuilder:
    """The search-based repairer."""

    __pydantic_config__ = CLOSED
    kind: Literal["repair"] = "repair"


@dataclass(frozen=True, slots=True)
class ReplayBuilder:
    """The recorded outputs of an earlier run."""

    __pydantic_config__ = CLOSED
    of: Annotated[Words, Field(min_length=1, max_length=100, description="the id of a run")]
    kind: Literal["replay"] = "replay"


@dataclass(frozen=True, slots=True)
class NamedBuilder:
    """A builder that the policy names."""

    __pydantic_config__ = CLOSED
    use: Annotated[Words, Field(min_length=1, max_length=100, description="a name in the policy's builders")]


@dataclass(frozen=True, slots=True)
class LedgerBuilder:
    """Ledger entries rendered by memory: internal runs only, no document can name it."""

    run_ids: tuple[str, ...] = ()


Builder = PatchBuilder | CommandBuilder | RepairBuilder | ReplayBuilder | NamedBuilder | LedgerBuilder

AVAILABLE_BUILDER_KINDS = ("patch", "command", "repair", "replay", "model", "agent")
"""Kinds that the builder service can do; `availability.refuse_builder` refuses the others."""

_BUILDER_KINDS = {
    "patch": "PatchBuilder",
    "command": "CommandBuilder",
    "repair": "RepairBuilder",
    "replay": "ReplayBuilder",
}


def _builder_tag(value: object) -> str | None:
    if not isinstance(value, Mapping):
        return None
    if "kind" not in value and "use" in value:
        return "NamedBuilder"
    return _BUILDER_KINDS.get(str(value.get("kind")))


WrittenBuilder = Annotated[
    Annotated[PatchBuilder, Tag("PatchBuilder")]
    | Annotated[CommandBuilder, Tag("CommandBuilder")]
    | Annotated[RepairBuilder, Tag("RepairBuilder")]
    | Annotated[ReplayBuilder, Tag("ReplayBuilder")]
    | Annotated[NamedBuilder, Tag("NamedBuilder")],
    Discriminator(_builder_tag),
]
"""The builders that a document can name."""


Prose = Annotated[Words, Field(min_length=1, max_length=10_000)]


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision that lasts; the ledgers get it once its phase is merged."""

    __pydantic_config__ = CLOSED
    title: Annotated[Words, Field(min_length=1, max_length=200, description="one line")]
    context: Annotated[Prose, Field(description="what made it necessary")]
    decision: Annotated[Prose, Field(description="what was decided")]
    alternatives: Annotated[Prose, Field(description="what it was chosen over")]
    consequences: Annotated[Prose, Field(description="what follows from it")]
    supersedes: Annotated[
        tuple[Annotated[str, Field(pattern=r"^DEC-[0-9]{4,9}$", description="an id, as DEC-0007")], ...],
        Field(max_length=100),
    ] = ()


@dataclass(frozen=True, slots=True)
class Phase:
    """One unit of work with its own builder, scope, checks and budget."""

    __pydantic_config__ = CLOSED
    id: Identifier
    goal: Annotated[
        Words, Field(min_length=1, max_length=20_000, description="what is to be achieved, in words")
    ]
    scope: Scope
    builder: Annotated[Builder, GetPydanticSchema(lambda _, handler: handler(WrittenBuilder))]
    category: Category = "feature"
    depends_on: Annotated[tuple[Identifier, ...], Field(max_length=1000)] = ()
    checks: Annotated[tuple[Check, ...], Field(max_length=100)] = ()
    hints: Annotated[tuple[Annotated[Words, Field(max_length=2000)], ...], Field(max_length=100)] = ()
    budget: Budget = Budget()
    decision: Decision | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Phases in the order written; they land in the order that `graph.order` gives."""

    __pydantic_config__ = CLOSED
    version: Version
    name: Annotated[Words, Field(min_length=1, max_length=200, description="a name for people")]
    phases: Annotated[tuple[Phase, ...], Field(min_length=1, max_length=10_000)]
    base: Revision = "HEAD"
    land: Literal["branch", "fast-forward"] = "branch"


def load_plan(text: str, source: str, directory: Path | None = None) -> Plan:
    """The plan in a YAML document. Raises InvalidInput with every reason, each with `source` and its line.

    `directory` is where patches beside the plan are looked for; None means that there are none.
    """
    node = compose(text, source)
    data, reasons = node.value, []
    if not isinstance(data, dict) or not data.keys() & {"phases", "name"}:
        raise InvalidInput(_not_a_plan(data, source))
    data, faults = patch_files.inline(data, directory)
    reasons = [
        Reason(fault.code, fault.message, fault.fix, source, node.line_of(location))
        for location, fault in faults
    ]
    plan, more = check_plan(data, source, node.line_of)
    reasons = sorted(reasons + more, key=lambda reason: reason.line)
    if plan is None or reasons:
        raise InvalidInput(*reasons)
    return plan


def check_plan(
    data: object, source: str, line_of: Callable[[Location], int] = lambda _: 0
) -> tuple[Plan | None, list[Reason]]:
    """The plan made of plain values, and every reason why it is none; the graph is checked too."""
    plan, reasons = validate(Plan, data, "PLAN_INVALID", source, line_of)
    phases = data.get("phases") if isinstance(data, dict) else None
    indices, edges = [], []
    for index, phase in enumerate(phases if isinstance(phases, tuple) else ()):
        if isinstance(phase, Mapping) and isinstance(phase.get("id"), str):
            wanted = phase.get("depends_on")
            names = tuple(
                filter(lambda name: isinstance(name, str), wanted if isinstance(wanted, tuple) else ())
            )
            indices.append(index)
            edges.append((phase["id"], names))
            reasons += _phase_faults(phase, index, source, line_of)
    for fault in graph.faults(edges):
        location: Location = ("phases", indices[fault.index], "id")
        if fault.dependency is not None:
            location = ("phases", indices[fault.index], "depends_on", fault.dependency)
        found = fault.reason
        reasons.append(Reason(found.code, found.message, found.fix, source, line_of(location)))
    return (None if reasons else plan), reasons


def _phase_faults(
    phase: Mapping[str, object], index: int, source: str, line_of: Callable[[Location], int]
) -> list[Reason]:
    found = duplicate_checks(phase.get("checks"), ("phases", index, "checks"), source, line_of)
    builder = phase.get("builder")
    if not isinstance(builder, Mapping) or builder.get("kind") != "patch":
        return found
    if bool(builder.get("diff")) == bool(builder.get("files")):
        message = f"phases[{index}].builder: a patch has either `diff` or `files`"
        fix = "write the change once: a unified diff, or whole files by path"
        found.append(Reason("PLAN_INVALID", message, fix, source, line_of(("phases", index, "builder"))))
    return found


def duplicate_checks(
    checks: object, location: Location, source: str, line_of: Callable[[Location], int]
) -> list[Reason]:
    """A reason for each check whose name another one in the list has already."""
    found, names = [], set()
    for index, check in enumerate(checks if isinstance(checks, tuple) else ()):
        name = check.get("name") if isinstance(check, Mapping) else None
        if isinstance(name, str) and name in names:
            line = line_of((*location, index, "name"))
            message = f"the check name `{name}` is taken"
            found.append(Reason("DUPLICATE_ID", message, "give every check a name of its own", source, line))
        names.add(name)
    return found


def _not_a_plan(data: object, source: str) -> Reason:
    if isinstance(data, dict) and data.keys() & {"checks", "paths", "builders", "judge", "sandbox"}:
        message, fix = (
            "this looks like a policy, not a plan",
            "give the plan; `autopack validate` checks either",
        )
    else:
        message = "this is no plan: a plan is a mapping with `version`, `name` and `phases`"
        fix = "see `autopack schema plan`, or let `autopack do --write-plan FILE` write one"
    return Reason("NOT_A_PLAN", message, fix, source, 1)
