"""What one run of a check proved, test by test, and when it proved nothing.

A run without usable evidence carries a fault; nothing later can turn it into a pass.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from autopack.errors import Reason
from gate_svc.domain.text import one_line


class Outcome(StrEnum):
    """How one test came out."""

    PASSED = "passed"
    SKIPPED = "skipped"
    ERROR = "error"
    FAILED = "failed"


_WORST_LAST = (Outcome.PASSED, Outcome.SKIPPED, Outcome.ERROR, Outcome.FAILED)


class Proof(StrEnum):
    """How much of what a test says was seen from outside the process that ran it."""

    BLIND = "blind"
    """All values that it asserts were judged outside, and what they must be was never inside."""
    COMPARED = "compared"
    """Some were, or both sides of its assertions were compared outside."""
    SELF_REPORTED = "self-reported"


class DoubtKind(StrEnum):
    """How the values that a test sent are at odds with its having passed; the worst first."""

    WRONG = "wrong"
    """A value is not what is expected."""
    MISSING = "missing"
    """An assertion that it cannot pass without was not come to."""
    BLIND_FAILURE = "blind_failure"
    """It fails unless its expectations are there."""
    UNJUDGED = "unjudged"
    """A value is of no built-in type, and claims to equal what is expected."""
    UNEQUAL = "unequal"
    """Both sides claim to be equal, and hold different things."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a test that reports to have passed may not have."""

    kind: DoubtKind
    detail: str


def worse(first: Outcome, second: Outcome) -> Outcome:
    """The one of two outcomes that a test reported twice gets."""
    return max(first, second, key=_WORST_LAST.index)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Outcomes by test id."""

    tests: Mapping[str, Outcome] = field(default_factory=dict)
    unloaded: tuple[str, ...] = ()
    """Files and modules whose tests could not be loaded."""
    unfinished: tuple[str, ...] = ()
    """Tests that were collected and have no outcome."""
    runner_failed: bool = False
    """Whether the runner itself ended red, whatever the command made of it."""
    proofs: Mapping[str, Proof] = field(default_factory=dict)
    """Of tests that are not only self-reported."""
    doubts: Mapping[str, Doubt] = field(default_factory=dict)
    """Of tests that report to have passed."""
    reached: Mapping[str, int] = field(default_factory=dict)
    """How many assertions of a test were judged outside; none is left out."""
    canary: Outcome | None = None
    """Of a test that was made to fail after the others; None where there was none, or it said nothing."""
    twins: Mapping[str, bool] = field(default_factory=dict)
    """Whether an assertion failed when it was given something wrong to expect, by where it is."""

    def failing(self) -> frozenset[str]:
        """Ids of tests that failed or could not run, and of what could not be loaded."""
        return frozenset(self.unloaded) | {
            name for name, outcome in self.tests.items() if outcome in (Outcome.FAILED, Outcome.ERROR)
        }

    def count(self, outcome: Outcome) -> int:
        """How many tests came out so."""
        return sum(1 for each in self.tests.values() if each is outcome)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: exactly one of exit code, signal and limit is set."""

    exit_code: int | None = None
    signal: int | None = None
    limit: str | None = None
    """time, memory, output ... where a limit stopped it."""


class EvidenceError(Exception):
    """A report proves nothing; the reason says why."""

    def __init__(self, code: str, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.reason = Reason(code=code, message=message, fix=fix)


@dataclass(frozen=True, slots=True)
class CheckRun:
    """One finished run of one check on one tree: what is cached, and what a baseline compares."""

    ended: Ended
    evidence: Evidence | None
    """None where the check reports nothing by test, or where `fault` says that it is unusable."""
    fault: Reason | None
    seconds: float
    output_tail: str

    @property
    def usable(self) -> bool:
        """Whether it ended by itself and what it left can be judged, red or green."""
        return self.ended.exit_code is not None and self.fault is None

    @property
    def green(self) -> bool:
        """Whether it ended well and no fault is found in its evidence."""
        return self.ended.exit_code == 0 and self.fault is None

    @property
    def outcome_digest(self) -> str:
        """SHA-256 over the sorted outcomes by test id and how the command ended; no times, no output."""
        evidence = self.evidence or Evidence()
        document = {
            "ended": [self.ended.exit_code, self.ended.signal, self.ended.limit],
            "fault": self.fault.code if self.fault else None,
            "tests": sorted(evidence.tests.items()),
            "unloaded": sorted(evidence.unloaded),
            "unfinished": sorted(evidence.unfinished),
            "doubts": sorted((name, doubt.kind) for name, doubt in evidence.doubts.items()),
        }
        return hashlib.sha256(json.dumps(document, separators=(",", ":")).encode()).hexdigest()


def collect(outcomes: Iterable[tuple[str, Outcome]]) -> dict[str, Outcome]:
    """Outcomes by neutralised id; where one id came twice, the worst."""
    tests: dict[str, Outcome] = {}
    for name, outcome in outcomes:
        safe = one_line(name)
        tests[safe] = worse(tests.get(safe, outcome), outcome)
    return tests


def confront(evidence: Evidence, ended: Ended) -> Reason | None:
    """Why evidence and exit status do not support each other, or None."""
    if not evidence.tests and not evidence.unloaded:
        return Reason(
            code="EVIDENCE_EMPTY",
            message="the check ran no test",
            fix="make the check's command run at least one test",
        )
    if ended.exit_code is None:
        return None  # the limit or signal is the finding
    failing = evidence.failing()
    if ended.exit_code == 0 and failing:
        return Reason(
            code="EVIDENCE_CONTRADICTS",
            message=f"exit status 0, but {len(failing)} tests did not pass: {_some(failing)}",
            fix="do not mask the test runner's exit status (as with `|| true`)",
        )
    if ended.exit_code == 0 and evidence.runner_failed:
        return Reason(
            code="EVIDENCE_CONTRADICTS",
            message="exit status 0, but the test runner ended red",
            fix="do not mask the test runner's exit status (as with `|| true`)",
        )
    if ended.exit_code == 0 and evidence.unfinished:
        return Reason(
            code="EVIDENCE_CONTRADICTS",
            message=f"exit status 0, but {len(evidence.unfinished)} collected tests have no outcome: "
            f"{_some(evidence.unfinished)}",
            fix="make the command run every test that it collects",
        )
    if ended.exit_code != 0 and not failing:
        return Reason(
            code="EVIDENCE_CONTRADICTS",
            message=f"exit status {ended.exit_code}, but no test failed",
            fix="make the command fail by its tests alone, and give anything else a check of its own",
        )
    if not evidence.tests:
        return Reason(
            code="EVIDENCE_EMPTY",
            message=f"no test ran: {_some(evidence.unloaded)} could not be loaded",
            fix="mend what keeps the tests from being loaded",
        )
    return None


def _some(names: Iterable[str]) -> str:
    ordered = sorted(names)
    return ", ".join(ordered[:5]) + (f" and {len(ordered) - 5} more" if len(ordered) > 5 else "")
