"""The verdict and its digest: immutable, and the same on every machine for the same facts."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from autopack.errors import Reason
from autopack.signing.document import canonical
from gate_svc.domain.evidence import Proof
from gate_svc.domain.flakes import Tally
from gate_svc.domain.probing.probed import Probed
from gate_svc.domain.risk import Risk


class Decision(StrEnum):
    """What was decided."""

    ACCEPT = "ACCEPT"
    NEEDS_APPROVAL = "NEEDS_APPROVAL"
    REJECT = "REJECT"


class CheckOutcome(StrEnum):
    """How a check came out."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    OLD_FAILURES = "OLD_FAILURES"
    TIMED_OUT = "TIMED_OUT"
    NO_EVIDENCE = "NO_EVIDENCE"
    KILLED = "KILLED"


@dataclass(frozen=True, slots=True)
class TestCounts:
    """Counts by outcome."""

    __test__ = False  # not a test, whatever pytest makes of the name

    passed: int = 0
    failed: int = 0
    errors: int = 0
    skipped: int = 0
    blind: int = 0
    """Passed, judged outside the process that ran them without what they expect."""
    compared: int = 0
    """Passed, and judged outside in part."""
    self_reported: int = 0
    """Passed by the word of the process that ran them."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check in the verdict; lists of names hold at most 200."""

    name: str
    run: str
    reports: str
    timeout: int
    """Seconds."""
    outcome: CheckOutcome
    exit_code: int | None
    tests: TestCounts
    new_failures: tuple[str, ...]
    old_failures: tuple[str, ...]
    vanished: tuple[str, ...]
    outcome_digest: str
    base_outcome_digest: str
    """Empty where no baseline was needed."""
    seconds: float
    cached: bool
    output_tail: str
    repeats: Mapping[str, Tally] = field(default_factory=dict)
    """Of tests that were run again, to see whether they are flaky."""
    seen: Mapping[str, Proof] = field(default_factory=dict)
    """How tests that passed were seen to, by name; at most 200, those first of which least was seen."""
    probed: Probed | None = None
    """What the change was asked beyond its tests."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says on one change."""

    decision: Decision
    reasons: tuple[Reason, ...]
    change_digest: str
    tree: str
    base_tree: str
    policy_digest: str
    environment_digest: str
    checks: tuple[CheckResult, ...]
    risk: Risk
    categories: tuple[str, ...]
    findings_digest: str
    sandbox_tier: str

    @property
    def decided(self) -> dict[str, Any]:
        """All that decided, and no time, output, cache or sandbox fact: the same on every machine."""
        return {
            "schema": "decision/v1",
            "decision": str(self.decision),
            "tree": self.tree,
            "base_tree": self.base_tree,
            "change": self.change_digest,
            "policy": self.policy_digest,
            "environment": self.environment_digest,
            "categories": list(self.categories),
            "checks": [
                {
                    "name": check.name,
                    "run": check.run,
                    "reports": check.reports,
                    "timeout": check.timeout,
                    "outcome": str(check.outcome),
                    "head": check.outcome_digest,
                    "base": check.base_outcome_digest,
                }
                for check in self.checks
            ],
            "findings": self.findings_digest,
            "risk": self.risk.score,
            "reasons": [[each.code, each.message, each.path, each.line] for each in self.reasons],
        }

    @property
    def decision_digest(self) -> str:
        """SHA-256 of the canonical JSON of what decided."""
        return hashlib.sha256(canonical(self.decided)).hexdigest()
