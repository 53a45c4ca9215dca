"""The port that every builder stands behind: a task in, edits out, with what it spent on the record."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from autopack.errors import Reason
from autopack.gitstore.store import GitStore
from autopack.gitstore.write_path import Edit
from autopack.policy.paths import PathRules
from autopack.policy.plan import Phase
from autopack.policy.policy import Policy
from autopack.policy.prices import Price

if TYPE_CHECKING:  # it knows what a record is
    from builder_svc.domain.spending import Account


@dataclass(frozen=True, slots=True)
class RecalledText:
    """A passage from memory: data, whatever it says."""

    text: str
    source: str
    entry_id: str
    trust: str


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one attempt may spend; zero means that nothing is left."""

    seconds: int
    tokens: int
    usd: float | None = None
    """None: not limited by money."""


@dataclass(slots=True)
class Delivery:
    """Where objects come from and go to; a caller that was restarted may name another place meanwhile."""

    git_address: str
    upload_token: str


@dataclass(frozen=True, slots=True)
class Task:
    """One attempt at one phase, as the orchestrator asks for it."""

    request_id: str
    project_id: str
    base: str
    """Commit that the change is made on."""
    policy_commit: str
    """Commit that the policy is read from."""
    phase: Phase
    attempt: int
    feedback: tuple[Reason, ...]
    """Why earlier attempts were refused, newest last."""
    recalled: tuple[RecalledText, ...]
    allowance: Allowance
    delivery: Delivery


@dataclass(slots=True)
class Record:
    """What a build has spent and exchanged so far; it stands also when the build fails."""

    kind: str = ""
    seconds: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    exchange: list[dict[str, Any]] = field(default_factory=list)
    """Each call to something outside and its answer, as JSON values; enough to replay the build."""
    secrets: set[str] = field(default_factory=set)
    """Values that must not be kept or shown."""
    price: Price | None = None
    """Of the tokens; None where it is not known."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Of the builder, as JSON values: what it takes to make the same one again for a replay."""
    edits: tuple[Edit, ...] | None = None
    """The change, once there is one."""

    @property
    def tokens(self) -> int:
        """Tokens spent, both ways."""
        return self.input_tokens + self.output_tokens

    @property
    def usd(self) -> float | None:
        """Dollars spent; None where no tokens were, or where their price is not known."""
        return self.price.usd(self.input_tokens, self.output_tokens) if self.price and self.tokens else None


@dataclass(frozen=True, slots=True)
class Work:
    """What a builder gets to work with."""

    task: Task
    store: GitStore
    policy: Policy
    rules: PathRules
    """What may be changed: the one write path holds every builder to it afterwards."""
    record: Record
    account: "Account"
    """Where tokens are reserved before a call may take them."""


class Builder(Protocol):
    """Makes a change. It decides nothing about whether the change is allowed or lands."""

    @property
    def kind(self) -> str:
        """What it is called in records: patch, command, model."""
        ...

    async def build(self, work: Work) -> Sequence[Edit]:
        """The change, as edits of the base.

        Raises AutopackError with the reasons why there is none; cancelled, it leaves nothing
        running. The caller bounds its time.
        """
        ...
