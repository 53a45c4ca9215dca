"""What the auditor would do, decided from reviews: nothing merges into something milder than its worst."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from auditor_svc.domain.findings import Finding, Severity


class Outcome(IntEnum):
    """What one review comes to; greater is stricter."""

    APPROVE = 1
    """Nothing that blocks."""
    ESCALATE = 2
    """A person should look."""
    REVISE = 3
    """The builder should mend what was found; no person needs to look before."""
    NOT_REVIEWED = 4
    """The review could not be made: never an approval."""


@dataclass(frozen=True, slots=True)
class Review:
    """One reviewer's word; all analyzers together are one reviewer."""

    reviewer: str
    outcome: Outcome


def review_findings(findings: Iterable[Finding], block_at: Severity, unread: bool) -> Outcome:
    """What analyzers that did their work come to. `unread`: parts that they could not read."""
    if any(finding.severity >= block_at for finding in findings):
        return Outcome.REVISE
    return Outcome.ESCALATE if unread else Outcome.APPROVE


def combine(reviews: Sequence[Review], required: int = 1) -> Outcome:
    """The strictest outcome of all. Fewer independent reviews than required never approve: a
    person is asked for the missing one; no review at all is NOT_REVIEWED.
    """
    strictest = max((review.outcome for review in reviews), default=Outcome.NOT_REVIEWED)
    if len({review.reviewer for review in reviews}) < required:
        return max(strictest, Outcome.ESCALATE)
    return strictest
