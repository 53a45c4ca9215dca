"""What the audit says on the change; a change that was not audited is refused."""

from collections.abc import Iterator
from dataclasses import dataclass

from autopack.errors import Reason
from gate_svc.domain.ruling import Ruling, ask, refuse
from gate_svc.domain.text import one_line

SEVERITIES = ("low", "medium", "high", "critical")
"""Mildest first."""

LISTED_LIMIT = 100
"""Findings that become reasons; the rest is counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One weakness that the change introduces."""

    analyzer: str
    rule: str
    severity: str
    """One of SEVERITIES."""
    message: str
    path: str
    line: int


@dataclass(frozen=True, slots=True)
class AuditReport:
    """An audit as the auditor tells it."""

    succeeded: bool
    reasons: tuple[Reason, ...]
    """Why it failed."""
    recommendation: str
    findings: tuple[Finding, ...]
    finding_count: int
    findings_digest: str
    analyzers: tuple[tuple[str, str], ...]
    """(name, why it could not do its work; empty if it could)."""
    base: str
    head: str


@dataclass(frozen=True, slots=True)
class AuditFacts:
    """The audit that was waited for."""

    problem: Reason | None
    """Why it is no audit of this change, or None."""
    recommendation: str = ""
    """approve, revise or escalate."""
    findings: tuple[Finding, ...] = ()
    finding_count: int = 0
    findings_digest: str = ""


def audit_facts(report: AuditReport | None, same_change: bool) -> AuditFacts:
    """What is known of an audit; None: the auditor knows of none."""
    if report is None:
        return AuditFacts(_not_audited("the auditor knows of no such audit"))
    failed = [f"{name}: {error}" for name, error in report.analyzers if error]
    if not report.succeeded or failed or not report.analyzers or not report.findings_digest:
        said = [*(f"{each.code}: {each.message}" for each in report.reasons), *failed]
        return AuditFacts(_not_audited("; ".join(said) or "no analyzer did its work"))
    if report.recommendation not in ("approve", "revise", "escalate"):
        return AuditFacts(_not_audited("the auditor recommends nothing"))
    if not same_change:
        other = Reason(
            "AUDIT_MISMATCH",
            f"the audit is of another change, {report.base[:12]}..{report.head[:12]}",
            "audit the change as it is judged",
        )
        return AuditFacts(other)
    return AuditFacts(
        None, report.recommendation, report.findings, report.finding_count, report.findings_digest
    )


def _not_audited(why: str) -> Reason:
    return Reason("NOT_AUDITED", f"the change was not audited: {one_line(why, 2000)}", "audit it again")


def judge_audit(audit: AuditFacts, block_at: str) -> Iterator[Ruling]:
    """Findings at or above `block_at` refuse, an escalation asks."""
    if audit.problem is not None:
        yield refuse(audit.problem)
        return
    blocking = [each for each in audit.findings if is_at_least(each.severity, block_at)]
    for finding in blocking[:LISTED_LIMIT]:
        yield refuse(
            Reason(
                "AUDIT_FINDINGS",
                one_line(f"{finding.analyzer} {finding.rule} ({finding.severity}): {finding.message}", 2000),
                "mend it",
                path=finding.path,
                line=finding.line,
            )
        )
    if len(blocking) > LISTED_LIMIT:
        yield refuse(
            Reason("AUDIT_FINDINGS", f"{len(blocking) - LISTED_LIMIT} more findings", "mend them as well")
        )
    if audit.recommendation == "escalate":
        yield ask(
            Reason(
                "AUDIT_ESCALATED", "the auditor wants a person to look", "look at the findings, then approve"
            )
        )


def is_at_least(severity: str, threshold: str) -> bool:
    """Whether a severity reaches a threshold; one that nobody knows reaches every one."""
    if severity not in SEVERITIES or threshold not in SEVERITIES:
        return True
    return SEVERITIES.index(severity) >= SEVERITIES.index(threshold)
