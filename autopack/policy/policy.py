"""The policy, `autopack.yaml`: what may change, what decides, what needs a person, and what may be spent."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import Field as DataclassField
from dataclasses import dataclass, field, fields, is_dataclass, replace
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from autopack.errors import InvalidInput, Reason
from autopack.policy.document import compose
from autopack.policy.fields import (
    CLOSED,
    Category,
    Count,
    FilePath,
    Flag,
    Glob,
    Globs,
    Identifier,
    Version,
    Words,
)
from autopack.policy.paths import PathRules
from autopack.policy.plan import Budget, Check, duplicate_checks
from autopack.policy.prices import Prices
from autopack.policy.validation import listed, nearest, validate
from autopack.signing.keys import PublicKey, public_key

POLICY_FILE = "autopack.yaml"
DEFAULT_BUDGET = Budget(attempts=3, seconds=900, tokens=500_000)
"""Where neither plan nor policy states one; no dollars: not limited by money."""

CATEGORIES = (
    "bug_fix",
    "feature",
    "refactoring",
    "performance",
    "tests",
    "docs",
    "schema_change",
    "security_auth_change",
    "dependency",
    "infrastructure",
    "secrets",
    "ci",
    "policy",
    "test_harness",
    "ledger",
)
"""Categories that every policy knows; the keys of its `categories` are added."""

LATER: Mapping[str, bool] = MappingProxyType({"later": True})
"""Marks a field that came after proofs had been made: its default does not count for the digest."""

TIERS = ("namespaces", "landlock")
"""Of sandboxes, the strongest first."""

Severity = Literal["low", "medium", "high", "critical"]
Secret = Annotated[
    str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$", description="the name of an environment variable")
]
Host = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9.\[\]:_-]{1,255}:[0-9]{1,5}$", description="HOST:PORT, as api.example.com:443"
    ),
]
Endpoint = Annotated[
    str, Field(pattern=r"^https?://[^\s]{1,1000}$", description="an address as http://127.0.0.1:8080/v1")
]
Stronger = Identifier | Literal[""]
Score = Annotated[Count, Field(le=100)]
ApproverName = Annotated[Words, Field(min_length=1, max_length=200)]
ApproverKey = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9+/]{43}=$",
        description="a public Ed25519 key: the last line of base64 that `autopack key` prints",
    ),
]


@dataclass(frozen=True, slots=True)
class Paths:
    """What builders may change; deny beats allow."""

    __pydantic_config__ = CLOSED
    allow: Globs = ("**",)
    protect: Globs = ()


@dataclass(frozen=True, slots=True)
class Environment:
    """How to make what the checks need, once for each content of `inputs`."""

    __pydantic_config__ = CLOSED
    setup: Annotated[Words, Field(max_length=100_000)] = ""
    """Shell line; empty where nothing is needed."""
    inputs: Globs = ()
    path: Annotated[tuple[FilePath, ...], Field(max_length=100)] = ()
    """Directories put before PATH."""
    network: Flag = False
    """For setup alone; checks never have it."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What a change to Python is asked beyond its tests, beside checks that report by pytest or unittest."""

    __pydantic_config__ = CLOSED
    seconds: Annotated[Count, Field(le=600)] = 10
    """For the tests that come to the change, and again for its mutants; 0: nothing is asked."""
    mutants: Annotated[Count, Field(le=200)] = 20
    """Of the changed lines, at most."""
    survivors: Literal["inform", "ask", "refuse"] = "inform"
    """What a mutant that no test notices does to the change."""


@dataclass(frozen=True, slots=True)
class Judge:
    """What decides, taken from the run's base; changing it is category test_harness."""

    __pydantic_config__ = CLOSED
    paths: Globs = (
        "tests/**",
        "test/**",
        "test_*.py",
        "*_test.py",
        "conftest.py",
        "pytest.ini",
        "tox.ini",
        "noxfile.py",
        "Makefile",
    )
    probe: Probe = Probe()


@dataclass(frozen=True, slots=True)
class SandboxRules:
    """The least tier that is accepted, and limits for each command."""

    __pydantic_config__ = CLOSED
    tier: Literal["namespaces", "landlock"] = "landlock"
    """The best tier of the machine is used; one below this is refused."""
    memory_mb: Annotated[Count, Field(ge=64, le=1_048_576)] = 4096
    processes: Annotated[Count, Field(ge=8, le=65_536)] = 512


@dataclass(frozen=True, slots=True)
class AgentBuilder:
    """A coding agent's command line."""

    __pydantic_config__ = CLOSED
    adapter: Annotated[Words, Field(min_length=1, max_length=100)]
    secrets: Annotated[tuple[Secret, ...], Field(max_length=20)] = ()
    """Put into its environment."""
    hosts: Annotated[tuple[Host, ...], Field(max_length=100)] = ()
    """All that it can reach."""
    model: Annotated[Words, Field(max_length=200)] = field(default="", metadata=LATER)
    """Empty: the agent's own choice."""
    endpoint: Endpoint | Literal[""] = field(default="", metadata=LATER)
    """Empty: its provider's own."""
    stronger: Stronger = field(default="", metadata=LATER)
    """A builder of the policy that is asked where this one has been refused; see docs/FORMATS.md."""
    kind: Literal["agent"] = "agent"


@dataclass(frozen=True, slots=True)
class ModelBuilder:
    """A model behind an OpenAI-compatible endpoint, or one of Anthropic's kind."""

    __pydantic_config__ = CLOSED
    model: Annotated[Words, Field(min_length=1, max_length=200)]
    endpoint: Endpoint
    secrets: Annotated[tuple[Secret, ...], Field(max_length=20)] = ()
    """The first one is sent as key."""
    hosts: Annotated[tuple[Host, ...], Field(max_length=100)] = ()
    kind: Literal["model"] = "model"
    api: Literal["openai", "anthropic"] = field(default="openai", metadata=LATER)
    """Which protocol the endpoint speaks."""
    stronger: Stronger = field(default="", metadata=LATER)
    """As of an agent."""


def _builder_tag(value: object) -> str | None:
    if not isinstance(value, Mapping):
        return None
    return {"agent": "AgentBuilder", "model": "ModelBuilder"}.get(str(value.get("kind")))


BuilderSettings = Annotated[
    Annotated[AgentBuilder, Tag("AgentBuilder")] | Annotated[ModelBuilder, Tag("ModelBuilder")],
    Discriminator(_builder_tag),
]


@dataclass(frozen=True, slots=True)
class RiskThresholds:
    """Scores from 0 to 100."""

    __pydantic_config__ = CLOSED
    approve_at: Score = 50
    reject_at: Score = 90


@dataclass(frozen=True, slots=True)
class Approvals:
    """Categories whose changes a person must approve."""

    __pydantic_config__ = CLOSED
    categories: Annotated[tuple[Category, ...], Field(max_length=100)] = (
        "schema_change",
        "security_auth_change",
        "dependency",
        "infrastructure",
        "secrets",
    )
    keys: Annotated[Mapping[ApproverName, ApproverKey], Field(max_length=100)] = field(default_factory=dict)
    """Public Ed25519 keys by approver; where there are any, only what one of them has signed counts."""

    def public_keys(self) -> dict[str, PublicKey]:
        """The keys, by approver."""
        return {name: public_key(text, f"approvals.keys.{name}") for name, text in self.keys.items()}


@dataclass(frozen=True, slots=True)
class Suppression:
    """A finding that a person has looked at and answers for, until a day."""

    __pydantic_config__ = CLOSED
    rule: Annotated[Words, Field(min_length=1, max_length=200)]
    """The analyzer and its rule, as `bandit:B602`."""
    paths: Annotated[tuple[Glob, ...], Field(min_length=1, max_length=100)]
    reason: Annotated[Words, Field(min_length=10, max_length=1000)]
    owner: Annotated[Words, Field(min_length=1, max_length=200)]
    expires: Annotated[
        str,
        Field(
            pattern=r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$",
            description="a day as '2027-01-31', in quotes",
        ),
    ]
    """Last day on which it holds, UTC."""


@dataclass(frozen=True, slots=True)
class Reviewer:
    """A model that reads changes, behind an OpenAI-compatible endpoint or one of Anthropic's kind."""

    __pydantic_config__ = CLOSED
    model: Annotated[Words, Field(min_length=1, max_length=200)]
    endpoint: Endpoint
    secret: Secret | Literal[""] = ""
    """Sent as bearer token; the auditor must have been allowed to send it there."""
    tokens: Annotated[Count, Field(ge=16, le=100_000)] = 2000
    """That an answer may take; one that is cut off is no review."""
    api: Literal["openai", "anthropic"] = field(default="openai", metadata=LATER)
    """Which protocol the endpoint speaks."""


@dataclass(frozen=True, slots=True)
class AuditRules:
    """From which severity on findings block, who reviews, and what a person answers for."""

    __pydantic_config__ = CLOSED
    block_at: Severity = "high"
    dual: Annotated[tuple[Category, ...], Field(max_length=100)] = ("security_auth_change",)
    """Categories that two independent reviewers read."""
    review: Literal["dual", "always"] = "dual"
    """Whether model reviewers read those categories alone, or one of them every change."""
    reviewers: Annotated[Mapping[Identifier, Reviewer], Field(max_length=10)] = field(default_factory=dict)
    """The first two, in the order of their names, review."""
    judge: Reviewer | None = None
    """Asked where two reviewers disagree."""
    sarif: Annotated[tuple[FilePath, ...], Field(max_length=20)] = ()
    """Documents of other scanners that the change must bring; one that it does not is not audited."""
    suppressions: Annotated[tuple[Suppression, ...], Field(max_length=500)] = ()
    licenses: Annotated[
        tuple[Annotated[Words, Field(min_length=1, max_length=200)], ...], Field(max_length=500)
    ] = field(default=(), metadata=LATER)
    """Of packages that a change brings in, as SPDX names them; empty: any."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The effective policy: whatever autopack.yaml leaves out has its default here."""

    __pydantic_config__ = CLOSED
    version: Version = 1
    project: Annotated[Words, Field(max_length=200)] = ""
    paths: Paths = Paths()
    checks: Annotated[tuple[Check, ...], Field(max_length=100)] = ()
    environment: Environment = Environment()
    judge: Judge = Judge()
    sandbox: SandboxRules = SandboxRules()
    builders: Annotated[Mapping[Identifier, BuilderSettings], Field(max_length=100)] = field(
        default_factory=dict
    )
    categories: Annotated[
        Mapping[Category, Annotated[tuple[Glob, ...], Field(max_length=1000)]], Field(max_length=100)
    ] = field(default_factory=dict)
    risk: RiskThresholds = RiskThresholds()
    approvals: Approvals = Approvals()
    audit: AuditRules = AuditRules()
    budget: Budget = field(default_factory=Budget)
    """As written; `narrowing.phase_budget` fills in defaults."""
    prices: Prices = field(default_factory=dict, metadata=LATER)
    """Of models, by name; one that is not here, nor in the operator's file, has no known price."""

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON of all of it, hex."""
        canonical = json.dumps(_plain(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def path_rules(self, scope: tuple[str, ...] = ()) -> PathRules:
        """What a change may touch under this policy, within a phase's scope."""
        return PathRules(self.paths.allow, self.paths.protect, scope)

    def refuse_category(self, name: str) -> Reason | None:
        """Why a category means nothing here (UNKNOWN_CATEGORY), with the nearest one that does."""
        known = tuple(dict.fromkeys((*CATEGORIES, *self.categories)))
        if name in known:
            return None
        fix = f"did you mean `{nearest(name, known)}`? Known are {listed(known)}; `categories` adds others"
        return Reason("UNKNOWN_CATEGORY", f"there is no category `{name}`", fix)


def _plain(value: Any) -> Any:
    """JSON values, without the defaults of what came later."""
    if is_dataclass(value):
        pairs = ((entry, getattr(value, entry.name)) for entry in fields(value))
        return {entry.name: _plain(given) for entry, given in pairs if not _unused(entry, given)}
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, tuple) else value


def _unused(entry: DataclassField[Any], given: object) -> bool:
    return "later" in entry.metadata and given in (entry.default, {})


DEFAULT_POLICY = Policy()
"""Of a repository without autopack.yaml: no checks, so that nothing can be accepted."""


def load_policy(text: str, source: str = POLICY_FILE) -> Policy:
    """The policy in a YAML document. Raises InvalidInput with every reason, each with its line."""
    node = compose(text, source)
    data = node.value
    if not isinstance(data, dict) or "phases" in data:
        found = "a plan" if isinstance(data, dict) else "no mapping"
        fix = "see `autopack schema policy`, or let `autopack init` write one"
        raise InvalidInput(Reason("NOT_A_POLICY", f"this is no policy: it is {found}", fix, source, 1))
    policy, reasons = validate(Policy, data, "POLICY_INVALID", source, node.line_of)
    if "version" not in data:
        reasons.append(Reason("POLICY_INVALID", "`version` is missing", "write `version: 1`", source, 1))
    reasons += duplicate_checks(data.get("checks"), ("checks",), source, node.line_of)
    if policy is not None and policy.risk.approve_at > policy.risk.reject_at:
        message = f"risk: approve_at {policy.risk.approve_at} is above reject_at {policy.risk.reject_at}"
        fix = "what is rejected cannot be approved: lower approve_at"
        reasons.append(Reason("POLICY_INVALID", message, fix, source, node.line_of(("risk", "approve_at"))))
    if policy is not None:
        for name, builder in policy.builders.items():
            if builder.stronger and builder.stronger not in policy.builders:
                line = node.line_of(("builders", name, "stronger"))
                message = f"builders.{name}: the stronger builder `{builder.stronger}` is not named"
                fix = f"did you mean `{nearest(builder.stronger, policy.builders)}`?"
                reasons.append(Reason("POLICY_INVALID", message, fix, source, line))
        # A misspelt one would silently never ask.
        named = {
            ("approvals", "categories"): policy.approvals.categories,
            ("audit", "dual"): policy.audit.dual,
        }
        for location, names in named.items():
            for index, name in enumerate(names):
                if unknown := policy.refuse_category(name):
                    line = node.line_of((*location, index))
                    reasons.append(replace(unknown, path=source, line=line))
    if policy is None or reasons:
        raise InvalidInput(*sorted(reasons, key=lambda reason: reason.line))
    return policy
