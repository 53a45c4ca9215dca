"""Run records that the tests of memory share."""

from dataclasses import replace
from datetime import UTC, datetime

from autopack.errors import Reason
from memory_svc.domain.records import AttemptRecord, AttemptState, PhaseRecord, PhaseState, RunRecord

SUBMITTED = datetime(2026, 1, 31, 12, 30, tzinfo=UTC)
PROJECT = "project-1"


def refused(number: int, *reasons: Reason) -> AttemptRecord:
    return AttemptRecord(number, AttemptState.REFUSED, reasons)


def landed_attempt(number: int) -> AttemptRecord:
    return AttemptRecord(number, AttemptState.LANDED, ())


def phase(phase_id: str = "fix-gcd", *refusals: AttemptRecord, **changes: object) -> PhaseRecord:
    landed = PhaseRecord(
        phase_id=phase_id,
        goal="Make the failing gcd tests pass",
        category="bug_fix",
        state=PhaseState.LANDED,
        commit="c" * 40,
        decision_digest="d" * 64,
        paths=("src/gcd.py",),
        checks=("tests: 3 passed",),
        attempts=(*refusals, landed_attempt(len(refusals) + 1)),
    )
    return replace(landed, **changes)  # type: ignore[arg-type]


def failed_phase(phase_id: str, *refusals: AttemptRecord) -> PhaseRecord:
    return phase(
        phase_id, state=PhaseState.FAILED, commit="", decision_digest="", checks=(), attempts=refusals
    )


def run(run_id: str, *phases: PhaseRecord, project: str = PROJECT) -> RunRecord:
    landed = [one for one in phases if one.state is PhaseState.LANDED]
    return RunRecord(
        run_id=run_id,
        project_id=project,
        plan_name="mathlib",
        state="SUCCEEDED" if len(landed) == len(phases) else "FAILED",
        base="b" * 40,
        head=landed[-1].commit if landed else "",
        submit_time=SUBMITTED,
        phases=phases,
    )


ZERO_DIVISION = Reason(
    "CHECK_FAILED",
    "tests/test_gcd.py::test_zero fails: ZeroDivisionError: integer modulo by zero",
    "handle b == 0",
    "tests/test_gcd.py",
    7,
)
