"""Run, phase and attempt as the driver reads them; rows become these and nothing else."""

from dataclasses import dataclass, field

from autopack.errors import Reason
from orchestrator_svc.domain.states import AttemptState, PhaseState, RunState


@dataclass(frozen=True, slots=True)
class Usage:
    """What was spent."""

    seconds: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float | None = None
    """None where the price is not known."""

    def __add__(self, other: "Usage") -> "Usage":
        both = (self, other)
        # What has no known price is not free: with it the sum is not known either.
        unknown = any(usage.usd is None and usage.input_tokens + usage.output_tokens for usage in both)
        known = [usage.usd for usage in both if usage.usd is not None]
        return Usage(
            self.seconds + other.seconds,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            sum(known) if known and not unknown else None,
        )


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict and what it was reached on."""

    decision: str
    """ACCEPT, REJECT or NEEDS_APPROVAL."""
    base_tree: str
    tree: str
    change_digest: str
    decision_digest: str
    approvals: int
    """Number of approvals that the gate was shown."""
    reasons: tuple[Reason, ...] = ()
    judgement_id: str = ""
    """By which the gate finds it again, to sign it."""
    verdict: bytes = b""
    """The whole verdict, serialized."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a phase."""

    number: int
    state: AttemptState
    base: str
    """Commit that it is built on."""
    change: str = ""
    """Commit that the builder made; empty before."""
    reasons: tuple[Reason, ...] = ()
    usage: Usage = field(default_factory=Usage)
    reserved_tokens: int = 0
    """Tokens set aside while the build runs; a crash does not refund them."""
    faults: int = 0
    """Times that the machine failed it, rather than the change: these burn no attempt."""
    builder_kind: str = ""
    exchange_digest: str = ""
    """SHA-256 of what the builder exchanged with a model or command; empty: nothing."""
    upload_token: str = field(default="", repr=False)
    """The secret that binds a pack to this attempt."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of a run."""

    phase_id: str
    position: int
    """Place in the topological order of the plan, from 0."""
    slot: int | None
    """Place in the order of landing, from 1; None while it waits for approval."""
    state: PhaseState
    depends_on: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    commit: str = ""
    judged: Judged | None = None
    approvals: int = 0
    """Number of approvals given."""
    reasons: tuple[Reason, ...] = ()
    start_time: float | None = None
    """Unix time of its first attempt, seconds."""

    @property
    def attempt(self) -> Attempt | None:
        """The latest attempt."""
        return self.attempts[-1] if self.attempts else None


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of one plan."""

    run_id: str
    project_id: str
    plan_name: str
    plan_digest: str
    state: RunState
    base: str
    head: str
    submit_time: float
    """Unix time, seconds."""
    trace_id: str
    fence: int = 0
    """Raised by every claim: a driver with an older one can change nothing."""
    driven: bool = False
    end_time: float | None = None
    reasons: tuple[Reason, ...] = ()
    phases: tuple[Phase, ...] = ()

    @property
    def branch(self) -> str:
        """Ref that its commits land on."""
        return f"refs/heads/autopack/{self.run_id}"


@dataclass(frozen=True, slots=True)
class Landing:
    """An accepted attempt, and the commit as which it lands."""

    run: Run
    phase: Phase
    attempt: Attempt
    commit: str


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a run."""

    sequence: int
    time: float
    phase_id: str
    attempt: int
    state: str
    message: str
    reasons: tuple[Reason, ...] = ()
    digest: str = ""
    """SHA-256 over it and the one before."""
