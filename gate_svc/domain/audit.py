"""What the audit says on the change; a change that was not audited is refused."""

from collections.abc import Iterator
from dataclasses import dataclass

from autopack.errors import Reason
from gate_svc.domain.ruling import Ruling, ask, refuse

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
class AuditFacts:
    """The audit that was waited for."""

    problem: Reason | None
    """Why it is no audit of this change, or None."""
    recommendation: str = ""
    """approve, revise or escalate."""
    findings: tuple[Finding, ...] = ()
    finding_count: int = 0
    findings_digest: str = ""


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
                f"{finding.analyzer} {finding.rule} ({finding.severity}): {finding.message}",
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
