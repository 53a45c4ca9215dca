"""One audit: what the reports of all analyzers come to under a policy."""

from collections.abc import Sequence
from dataclasses import dataclass

from auditor_svc.domain.change import Change, is_test_path
from auditor_svc.domain.duplicates import without_duplicates
from auditor_svc.domain.findings import (
    AnalyzerReport,
    Detection,
    Finding,
    Severity,
    Unread,
    findings_digest,
)
from auditor_svc.domain.fingerprints import introduced
from auditor_svc.domain.recommendation import Outcome, Review, combine, review_findings
from autopack.errors import Reason

_ASSERT_RULES = {"S101", "B101"}
"""`assert` is what tests are made of."""
COVERAGE = "coverage"
"""Analyzer that findings about files which nobody could read are filed under."""


@dataclass(frozen=True, slots=True)
class AuditRules:
    """What a policy says about audits."""

    block_at: Severity
    two_reviews: bool
    """Whether a category of the change asks for a second, independent review."""


@dataclass(frozen=True, slots=True)
class AuditResult:
    """What an audit came to."""

    base: str
    head: str
    outcome: Outcome
    findings: tuple[Finding, ...]
    """What the change introduces, worst first."""
    reports: tuple[AnalyzerReport, ...]
    reasons: tuple[Reason, ...]
    """Why the outcome is NOT_REVIEWED, or why a person should look; empty otherwise."""

    @property
    def findings_digest(self) -> str:
        return findings_digest(self.findings)


def conclude(change: Change, reports: Sequence[AnalyzerReport], rules: AuditRules) -> AuditResult:
    """Puts the reports together. Any failure of any analyzer makes it NOT_REVIEWED."""
    old = [item for report in reports for item in report.old]
    new = [item for report in reports for item in report.new if _relevant(item)]
    unread = tuple(dict.fromkeys((*change.unread, *(item for report in reports for item in report.unread))))
    found = without_duplicates(introduced(new, old))
    findings = tuple(sorted((*found, *map(_coverage_finding, unread)), key=lambda item: item.order))
    failures = tuple(reason for report in reports for reason in report.failures)
    outcome = (
        Outcome.NOT_REVIEWED
        if failures or not reports
        else review_findings(found, rules.block_at, unread=bool(unread))
    )
    combined = combine([Review("analyzers", outcome)], required=2 if rules.two_reviews else 1)
    escalation = _reasons_to_escalate(unread, rules) if combined is Outcome.ESCALATE else ()
    return AuditResult(
        base=change.base,
        head=change.head,
        outcome=combined,
        findings=findings,
        reports=tuple(reports),
        reasons=failures or escalation,
    )


def _relevant(item: Detection) -> bool:
    return not (item.rule_id in _ASSERT_RULES and is_test_path(item.path))


def _coverage_finding(item: Unread) -> Finding:
    detection = Detection(
        analyzer=COVERAGE,
        rule_id=item.code,
        severity=Severity.MEDIUM,
        message=item.message,
        path=item.path,
        line=1,
        end_line=1,
        evidence="",
        masked_evidence="",
    )
    return introduced([detection], [])[0]


def _reasons_to_escalate(unread: Sequence[Unread], rules: AuditRules) -> tuple[Reason, ...]:
    reasons = [
        Reason(item.code, item.message, "have a person review this file", item.path) for item in unread
    ]
    if rules.two_reviews:
        reasons.append(
            Reason(
                "SECOND_REVIEW_REQUIRED",
                "the policy's audit.dual asks for two independent reviews of this category; one was made",
                "have a person review the change",
            )
        )
    return tuple(reasons)
