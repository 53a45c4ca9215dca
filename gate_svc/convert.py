"""Between messages and the domain; nothing else in the gate knows messages."""

from collections.abc import Sequence

from autopack.api.auditor.v1 import audit_pb2
from autopack.api.gate.v1 import gate_service_pb2, verdict_pb2
from autopack.errors import Reason
from autopack.policy.convert import check_from_proto
from autopack.rpc.errors import reasons_from_proto, reasons_to_proto
from autopack.sandbox import Capabilities
from autopack.signing.document import canonical
from gate_svc.domain.attestation import Landing
from gate_svc.domain.audit import AuditReport, Finding
from gate_svc.domain.decide import ApprovalGiven
from gate_svc.domain.evidence import Proof
from gate_svc.domain.probing.probed import Probed
from gate_svc.domain.record import Record
from gate_svc.domain.request import GateRequest
from gate_svc.domain.risk import Risk
from gate_svc.domain.verdict import CheckOutcome, CheckResult, Decision, Verdict

_DECISIONS = {
    Decision.ACCEPT: verdict_pb2.DECISION_ACCEPT,
    Decision.REJECT: verdict_pb2.DECISION_REJECT,
    Decision.NEEDS_APPROVAL: verdict_pb2.DECISION_NEEDS_APPROVAL,
}
_OUTCOMES = {
    CheckOutcome.PASSED: verdict_pb2.CHECK_OUTCOME_PASSED,
    CheckOutcome.FAILED: verdict_pb2.CHECK_OUTCOME_FAILED,
    CheckOutcome.OLD_FAILURES: verdict_pb2.CHECK_OUTCOME_OLD_FAILURES,
    CheckOutcome.TIMED_OUT: verdict_pb2.CHECK_OUTCOME_TIMED_OUT,
    CheckOutcome.NO_EVIDENCE: verdict_pb2.CHECK_OUTCOME_NO_EVIDENCE,
    CheckOutcome.KILLED: verdict_pb2.CHECK_OUTCOME_KILLED,
}
_PROOFS = {
    Proof.BLIND: verdict_pb2.PROOF_BLIND,
    Proof.COMPARED: verdict_pb2.PROOF_COMPARED,
    Proof.SELF_REPORTED: verdict_pb2.PROOF_SELF_REPORTED,
}
_RECOMMENDATIONS: dict[int, str] = {
    audit_pb2.RECOMMENDATION_APPROVE: "approve",
    audit_pb2.RECOMMENDATION_REVISE: "revise",
    audit_pb2.RECOMMENDATION_ESCALATE: "escalate",
}
_SEVERITIES: dict[int, str] = {
    audit_pb2.SEVERITY_LOW: "low",
    audit_pb2.SEVERITY_MEDIUM: "medium",
    audit_pb2.SEVERITY_HIGH: "high",
    audit_pb2.SEVERITY_CRITICAL: "critical",
}


def request_from_proto(message: gate_service_pb2.StartGateRequest) -> GateRequest:
    """What is to be judged."""
    return GateRequest(
        request_id=message.request_id,
        project_id=message.project_id,
        base=message.base,
        head=message.head,
        policy_commit=message.policy_commit,
        scope=tuple(message.scope.paths),
        category=message.scope.category,
        checks=tuple(check_from_proto(check) for check in message.scope.checks),
        audit_request_id=message.audit_request_id,
        approvals=tuple(
            ApprovalGiven(
                each.change_digest,
                each.approver,
                each.key_id,
                each.signature,
                each.approve_time.seconds + each.approve_time.nanos // 1_000_000 / 1000,
            )
            for each in message.approvals
        ),
        git_address=message.git_address,
    )


def audit_from_proto(message: audit_pb2.Audit) -> AuditReport:
    """An audit that has ended."""
    return AuditReport(
        succeeded=message.state == audit_pb2.AUDIT_STATE_SUCCEEDED,
        reasons=reasons_from_proto(message.reasons),
        recommendation=_RECOMMENDATIONS.get(message.recommendation, ""),
        findings=tuple(
            Finding(
                analyzer=finding.analyzer,
                rule=finding.rule_id,
                severity=_SEVERITIES.get(finding.severity, "unknown"),
                message=finding.message,
                path=finding.path,
                line=finding.line,
            )
            for finding in message.findings
        ),
        finding_count=message.finding_count,
        findings_digest=message.findings_digest,
        analyzers=tuple((run.name, run.error) for run in message.analyzers),
        base=message.base,
        head=message.head,
    )


def identity(message: gate_service_pb2.StartGateRequest) -> bytes:
    """What makes it the same request: another orchestrator, or a restarted one, has another address."""
    same = gate_service_pb2.StartGateRequest()
    same.CopyFrom(message)
    same.ClearField("git_address")
    same.ClearField("wait_seconds")
    return same.SerializeToString(deterministic=True)


def running(request_id: str) -> verdict_pb2.Judgement:
    """A judgement that is at work."""
    return verdict_pb2.Judgement(request_id=request_id, state=verdict_pb2.JUDGEMENT_STATE_RUNNING)


def cancelled(request_id: str) -> verdict_pb2.Judgement:
    """A judgement that was stopped."""
    return verdict_pb2.Judgement(request_id=request_id, state=verdict_pb2.JUDGEMENT_STATE_CANCELLED)


def failed(request_id: str, reasons: Sequence[Reason]) -> verdict_pb2.Judgement:
    """A judgement without a verdict."""
    return verdict_pb2.Judgement(
        request_id=request_id,
        state=verdict_pb2.JUDGEMENT_STATE_FAILED,
        reasons=reasons_to_proto(reasons),
    )


def landing_from_proto(message: gate_service_pb2.AttestChangeRequest) -> Landing:
    """A change as it lands."""
    return Landing(
        commit=message.commit,
        parent=message.parent,
        run_id=message.run_id,
        phase_id=message.phase_id,
        attempt=message.attempt,
        slot=message.slot,
        plan_digest=message.plan_digest,
        run_base=message.run_base,
        builder_kind=message.builder_kind,
        exchange_digest=message.exchange_digest,
        change=message.change,
    )


def succeeded(request_id: str, verdict: Verdict, record: Record) -> verdict_pb2.Judgement:
    """A judgement with its verdict, and what is kept of it to be signed."""
    return verdict_pb2.Judgement(
        request_id=request_id,
        state=verdict_pb2.JUDGEMENT_STATE_SUCCEEDED,
        verdict=verdict_pb2.Verdict(
            decision=_DECISIONS[verdict.decision],
            reasons=reasons_to_proto(verdict.reasons),
            change_digest=verdict.change_digest,
            decision_digest=verdict.decision_digest,
            tree=verdict.tree,
            base_tree=verdict.base_tree,
            policy_digest=verdict.policy_digest,
            checks=[_check_to_proto(check) for check in verdict.checks],
            risk=_risk_to_proto(verdict.risk),
            categories=verdict.categories,
            findings_digest=verdict.findings_digest,
            sandbox_tier=verdict.sandbox_tier,
        ),
        record=canonical(record),
    )


def capabilities_to_proto(found: Capabilities) -> gate_service_pb2.GetCapabilitiesResponse:
    """What the sandbox can and cannot do here."""
    return gate_service_pb2.GetCapabilitiesResponse(
        tiers=found.tiers,
        capabilities=[
            gate_service_pb2.Capability(
                name=fact.name, available=fact.holds, detail=fact.detail, fix=fact.fix
            )
            for fact in found.facts
        ],
    )


def _check_to_proto(check: CheckResult) -> verdict_pb2.CheckResult:
    return verdict_pb2.CheckResult(
        name=check.name,
        run=check.run,
        outcome=_OUTCOMES[check.outcome],
        seconds=check.seconds,
        cached=check.cached,
        exit_code=check.exit_code,
        reports=check.reports,
        tests=verdict_pb2.TestCounts(
            passed=check.tests.passed,
            failed=check.tests.failed,
            errors=check.tests.errors,
            skipped=check.tests.skipped,
            blind=check.tests.blind,
            compared=check.tests.compared,
            self_reported=check.tests.self_reported,
        ),
        new_failures=check.new_failures,
        old_failures=check.old_failures,
        vanished=check.vanished,
        outcome_digest=check.outcome_digest,
        output_tail=check.output_tail,
        seen=[verdict_pb2.SeenTest(name=name, proof=_PROOFS[proof]) for name, proof in check.seen.items()],
        probe=_probe_to_proto(check.probed) if check.probed else None,
    )


def _probe_to_proto(probed: Probed) -> verdict_pb2.Probe:
    return verdict_pb2.Probe(
        seed=probed.seed,
        possible=probed.possible,
        killed=probed.killed,
        survived=probed.survived,
        not_reached=probed.not_reached,
        not_tried=probed.not_tried,
        survivors=probed.survivors,
        changed_lines=probed.changed_lines,
        reached_lines=probed.reached_lines,
    )


def _risk_to_proto(risk: Risk) -> verdict_pb2.Risk:
    return verdict_pb2.Risk(
        score=risk.score,
        level=risk.level,
        factors=[
            verdict_pb2.RiskFactor(name=factor.name, points=factor.points, detail=factor.detail)
            for factor in risk.factors
        ],
    )
