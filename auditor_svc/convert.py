"""Between the contract's messages and the domain, and nowhere else."""

from collections.abc import Iterable

from auditor_svc.auditing import AuditRequest
from auditor_svc.domain.audit import AuditResult
from auditor_svc.domain.findings import AnalyzerReport, Finding, Severity
from auditor_svc.domain.recommendation import Outcome
from auditor_svc.domain.sarif import to_sarif
from auditor_svc.storage.audits import StoredAudit
from autopack.api.auditor.v1 import audit_pb2
from autopack.api.auditor.v1.auditor_service_pb2 import StartAuditRequest
from autopack.errors import Reason
from autopack.rpc.errors import reasons_to_proto

MAXIMUM_FINDINGS = 1000
MAXIMUM_REASONS = 100
MAXIMUM_BYTES = 2_000_000
"""Of the findings in one message: long paths must not take it over gRPC's limit."""

_RECOMMENDATIONS = {
    Outcome.APPROVE: audit_pb2.RECOMMENDATION_APPROVE,
    Outcome.REVISE: audit_pb2.RECOMMENDATION_REVISE,
    Outcome.ESCALATE: audit_pb2.RECOMMENDATION_ESCALATE,
}
_SEVERITIES = {
    Severity.LOW: audit_pb2.SEVERITY_LOW,
    Severity.MEDIUM: audit_pb2.SEVERITY_MEDIUM,
    Severity.HIGH: audit_pb2.SEVERITY_HIGH,
    Severity.CRITICAL: audit_pb2.SEVERITY_CRITICAL,
}


def request_from_proto(message: StartAuditRequest) -> AuditRequest:
    return AuditRequest(
        request_id=message.request_id,
        project_id=message.project_id,
        base=message.base,
        head=message.head,
        policy_commit=message.policy_commit,
        git_address=message.git_address,
        category=message.category,
    )


def identity(message: StartAuditRequest) -> bytes:
    """What makes it the same request: another orchestrator, or a restarted one, has another address."""
    same = StartAuditRequest()
    same.CopyFrom(message)
    same.ClearField("git_address")
    return same.SerializeToString(deterministic=True)


def running(request_id: str) -> audit_pb2.Audit:
    """An audit at work."""
    return audit_pb2.Audit(request_id=request_id, state=audit_pb2.AUDIT_STATE_RUNNING)


def cancelled(request_id: str) -> audit_pb2.Audit:
    """An audit that was stopped."""
    return audit_pb2.Audit(request_id=request_id, state=audit_pb2.AUDIT_STATE_CANCELLED)


def not_reviewed(request: AuditRequest, reasons: tuple[Reason, ...]) -> AuditResult:
    """What an audit comes to that could not even begin."""
    return AuditResult(request.base, request.head, Outcome.NOT_REVIEWED, (), (), reasons)


def to_stored(result: AuditResult) -> StoredAudit:
    """A result as it is stored, with its document."""
    failed = result.outcome is Outcome.NOT_REVIEWED
    message = audit_pb2.Audit(
        state=audit_pb2.AUDIT_STATE_FAILED if failed else audit_pb2.AUDIT_STATE_SUCCEEDED,
        findings=_listed(result.findings),
        finding_count=len(result.findings),
        analyzers=[_analyzer_run(report) for report in result.reports],
        reasons=reasons_to_proto(result.reasons[:MAXIMUM_REASONS]),
        findings_digest="" if failed else result.findings_digest,
        base=result.base,
        head=result.head,
    )
    if not failed:
        message.recommendation = _RECOMMENDATIONS[result.outcome]
    return StoredAudit(message.SerializeToString(deterministic=True), to_sarif(result))


def answering(audit: bytes, request_id: str) -> bytes:
    """A stored audit as the answer to a request."""
    message = audit_pb2.Audit.FromString(audit)
    message.request_id = request_id
    return message.SerializeToString(deterministic=True)


def _listed(findings: Iterable[Finding]) -> list[audit_pb2.Finding]:
    listed: list[audit_pb2.Finding] = []
    size = 0
    for finding in findings:
        message = _finding(finding)
        size += message.ByteSize()
        if len(listed) == MAXIMUM_FINDINGS or size > MAXIMUM_BYTES:
            break
        listed.append(message)
    return listed


def _finding(finding: Finding) -> audit_pb2.Finding:
    return audit_pb2.Finding(
        analyzer=finding.analyzer,
        rule_id=finding.rule_id,
        severity=_SEVERITIES[finding.severity],
        message=_text(finding.message),
        path=_text(finding.path),
        line=finding.line,
        fingerprint=finding.fingerprint,
        cwe=finding.cwe,
    )


def _analyzer_run(report: AnalyzerReport) -> audit_pb2.AnalyzerRun:
    first = next(iter(report.failures), None)
    return audit_pb2.AnalyzerRun(
        name=report.name,
        version=report.version,
        files=report.files,
        seconds=report.seconds,
        error="" if first is None else _text(f"{first.code}: {first.message}"),
    )


def _text(value: str) -> str:
    """What is no Unicode, as file names can be, is shown as escapes."""
    return value.encode("utf-8", "backslashreplace").decode()
