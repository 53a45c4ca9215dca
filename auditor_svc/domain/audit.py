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
from auditor_svc.domain.reviews import ModelReview, outcomes
from auditor_svc.domain.suppressions import Suppression, suppress
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
    suppressions: tuple[Suppression, ...] = ()
    today: str = ""
    """The day that suppressions are held against, as 2027-01-31, UTC."""


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
    notes: tuple[str, ...] = ()
    """Findings that a person answers for."""

    @property
    def findings_digest(self) -> str:
        return findings_digest(self.findings)


def conclude(
    change: Change,
    reports: Sequence[AnalyzerReport],
    rules: AuditRules,
    reviews: Sequence[ModelReview] = (),
    judged: ModelReview | None = None,
) -> AuditResult:
    """Puts the reports together. Any failure of any analyzer, or of a reviewer, makes it NOT_REVIEWED."""
    analyzed = bool(reports)
    reports = [*reports, *(review.report for review in (*reviews, *([judged] if judged else [])))]
    old = [item for report in reports for item in report.old]
    new = [item for report in reports for item in report.new if _relevant(item)]
    unread = tuple(dict.fromkeys((*change.unread, *(item for report in reports for item in report.unread))))
    found, notes = suppress(without_duplicates(introduced(new, old)), rules.suppressions, rules.today)
    findings = tuple(sorted((*found, *map(_coverage_finding, unread)), key=lambda item: item.order))
    failures = tuple(reason for report in reports for reason in report.failures)
    outcome = (
        Outcome.NOT_REVIEWED
        if failures or not analyzed
        else review_findings(found, rules.block_at, unread=bool(unread))
    )
    words, doubts = outcomes(reviews, judged, rules.block_at)
    required = 2 if rules.two_reviews and not reviews else 3 if rules.two_reviews else 1
    combined = combine([Review("analyzers", outcome), *words], required)
    missing = rules.two_reviews and len(reviews) < 2
    escalation = (*_reasons_to_escalate(unread, missing), *doubts) if combined is Outcome.ESCALATE else ()
    return AuditResult(
        base=change.base,
        head=change.head,
        outcome=combined,
        findings=findings,
        reports=tuple(reports),
        reasons=failures or escalation,
        notes=notes,
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


def _reasons_to_escalate(unread: Sequence[Unread], is_missing: bool) -> tuple[Reason, ...]:
    reasons = [
        Reason(item.code, item.message, "have a person review this file", item.path) for item in unread
    ]
    if is_missing:
        reasons.append(
            Reason(
                "SECOND_REVIEW_REQUIRED",
                "the policy's audit.dual asks for two independent reviews of this category; one was made",
                "have a person review the change",
            )
        )
    return tuple(reasons)
