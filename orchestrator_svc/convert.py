"""Protos to domain objects and back, nowhere else in this service."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

from autopack.api.builder.v1 import build_pb2
from autopack.api.gate.v1 import verdict_pb2
from autopack.api.memory.v1 import memory_pb2
from autopack.api.orchestrator.v1 import orchestrator_service_pb2 as messages
from autopack.api.orchestrator.v1 import run_pb2
from autopack.api.plan.v1 import plan_pb2
from autopack.policy.convert import check_to_proto
from autopack.rpc.errors import reasons_from_proto, reasons_to_proto
from orchestrator_svc.domain.budget import Budget
from orchestrator_svc.domain.raised import raised
from orchestrator_svc.domain.run import Attempt, Event, Judged, Phase, Run, Usage
from orchestrator_svc.domain.states import PhaseState

if TYPE_CHECKING:
    from orchestrator_svc.preparation import Prepared
    from orchestrator_svc.storage.rows import Row

_DECISIONS = {
    verdict_pb2.DECISION_ACCEPT: "ACCEPT",
    verdict_pb2.DECISION_REJECT: "REJECT",
    verdict_pb2.DECISION_NEEDS_APPROVAL: "NEEDS_APPROVAL",
}


def timestamp(seconds: float | None) -> Timestamp | None:
    """Unix seconds as a proto, to the microsecond."""
    if seconds is None:
        return None
    micros = round(seconds * 1_000_000)
    return Timestamp(seconds=micros // 1_000_000, nanos=micros % 1_000_000 * 1000)


def usage_to_proto(usage: Usage) -> build_pb2.Usage:
    """What was spent."""
    return build_pb2.Usage(
        seconds=usage.seconds,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        usd=usage.usd,
    )


def usage_from_proto(usage: build_pb2.Usage) -> Usage:
    """What a builder says that it spent."""
    return Usage(
        usage.seconds,
        usage.input_tokens,
        usage.output_tokens,
        usage.usd if usage.HasField("usd") else None,
    )


def budget_to_proto(budget: Budget) -> plan_pb2.Budget:
    """What an attempt may spend."""
    return plan_pb2.Budget(
        attempts=budget.attempts, seconds=int(budget.seconds), tokens=budget.tokens, usd=budget.usd or 0.0
    )


def judged_from_proto(judgement: verdict_pb2.Judgement, approvals: int) -> Judged:
    """The verdict, and what it was reached on."""
    verdict = judgement.verdict
    failed = [check for check in verdict.checks if check.outcome == verdict_pb2.CHECK_OUTCOME_FAILED]
    complaints = [reason for check in failed for reason in raised(check.name, check.output_tail)]
    return Judged(
        decision=_DECISIONS[verdict.decision],
        base_tree=verdict.base_tree,
        tree=verdict.tree,
        change_digest=verdict.change_digest,
        decision_digest=verdict.decision_digest,
        approvals=approvals,
        reasons=(*reasons_from_proto(verdict.reasons), *complaints),
        judgement_id=judgement.request_id,
        verdict=verdict.SerializeToString(deterministic=True),
    )


def approvals_to_proto(rows: "Sequence[Row]") -> list[verdict_pb2.Approval]:
    """Approvals as the gate is shown them."""
    return [
        verdict_pb2.Approval(
            change_digest=row.change_digest,
            approver=row.approver,
            approve_time=timestamp(row.time),
            key_id=row.key_id,
            signature=row.signature,
        )
        for row in rows
    ]


def run_to_proto(run: Run) -> run_pb2.Run:
    """The run with the phases that it was read with."""
    spent = Usage()
    for phase in run.phases:
        for attempt in phase.attempts:
            spent += attempt.usage
    return run_pb2.Run(
        run_id=run.run_id,
        project_id=run.project_id,
        plan_name=run.plan_name,
        state=f"RUN_STATE_{run.state}",
        base=run.base,
        head=run.head,
        trace_id=run.trace_id,
        submit_time=timestamp(run.submit_time),
        end_time=timestamp(run.end_time),
        phases=[
            _phase_to_proto(phase)
            for phase in sorted(
                run.phases, key=lambda phase: (phase.slot is None, phase.slot, phase.position)
            )
        ],
        usage=usage_to_proto(spent),
        reasons=reasons_to_proto(run.reasons),
        plan_digest=run.plan_digest,
        driven=run.driven,
    )


def _phase_to_proto(phase: Phase) -> run_pb2.Phase:
    message = run_pb2.Phase(
        phase_id=phase.phase_id,
        state=f"PHASE_STATE_{phase.state}",
        slot=phase.slot or 0,
        attempts=[_attempt_to_proto(attempt) for attempt in phase.attempts],
        commit=phase.commit,
        reasons=reasons_to_proto(phase.reasons),
    )
    if phase.judged is not None:
        message.verdict.ParseFromString(phase.judged.verdict)
        if phase.state is PhaseState.WAITING_APPROVAL:
            message.approval.digest = phase.judged.change_digest
            message.approval.reasons.extend(reasons_to_proto(phase.judged.reasons))
    return message


def _attempt_to_proto(attempt: Attempt) -> run_pb2.Attempt:
    return run_pb2.Attempt(
        number=attempt.number,
        state=f"ATTEMPT_STATE_{attempt.state}",
        change=attempt.change,
        reasons=reasons_to_proto(attempt.reasons),
        usage=usage_to_proto(attempt.usage),
    )


def event_to_proto(event: Event) -> run_pb2.Event:
    """One event."""
    return run_pb2.Event(
        sequence=event.sequence,
        create_time=timestamp(event.time),
        phase_id=event.phase_id,
        attempt=event.attempt,
        state=event.state,
        message=event.message,
        reasons=reasons_to_proto(event.reasons),
    )


def record_of(run: Run, plan: plan_pb2.Plan, paths: dict[str, list[str]], tree: str) -> memory_pb2.RunRecord:
    """What memory keeps of an ended run.

    Args:
        run: with all its phases.
        plan: what it executed.
        paths: for each landed phase, the paths that its commit changed.
        tree: of its head; empty where nothing landed.
    """
    planned = {phase.phase_id: phase for phase in plan.phases}
    return memory_pb2.RunRecord(
        run_id=run.run_id,
        project_id=run.project_id,
        plan_name=run.plan_name,
        state=run.state,
        base=run.base,
        head=run.head if run.head != run.base else "",
        submit_time=timestamp(run.submit_time),
        phases=[
            _phase_record(phase, planned[phase.phase_id], paths.get(phase.phase_id, []))
            for phase in sorted(run.phases, key=lambda phase: phase.position)
        ],
        tree=tree,
    )


def _phase_record(phase: Phase, planned: plan_pb2.Phase, paths: list[str]) -> memory_pb2.PhaseRecord:
    verdict = verdict_pb2.Verdict()
    if phase.judged is not None:
        verdict.ParseFromString(phase.judged.verdict)
    return memory_pb2.PhaseRecord(
        phase_id=phase.phase_id,
        goal=planned.goal,
        category=planned.category,
        state=phase.state,
        commit=phase.commit,
        decision_digest=verdict.decision_digest,
        paths=paths,
        checks=[_check_in_words(check) for check in verdict.checks],
        attempts=[
            memory_pb2.AttemptRecord(
                number=attempt.number, state=attempt.state, reasons=reasons_to_proto(attempt.reasons)
            )
            for attempt in phase.attempts
        ],
        decision=planned.decision if planned.HasField("decision") else None,
    )


def _check_in_words(check: verdict_pb2.CheckResult) -> str:
    outcome = verdict_pb2.CheckOutcome.Name(check.outcome).removeprefix("CHECK_OUTCOME_").lower()
    if check.reports == "none":
        return f"{check.name}: {outcome} (exit status only)"
    counts = ", ".join(
        f"{number} {name}"
        for name, number in (
            ("passed", check.tests.passed),
            ("failed", check.tests.failed),
            ("errors", check.tests.errors),
            ("skipped", check.tests.skipped),
            ("judged blind", check.tests.blind),
            ("compared", check.tests.compared),
            ("self-reported", check.tests.self_reported),
        )
        if number
    )
    return f"{check.name}: {outcome} ({counts})"


def prepared_to_proto(prepared: "Prepared") -> messages.PlanRunResponse:
    """What a dry run says."""
    return messages.PlanRunResponse(
        base=prepared.base.commit,
        order=prepared.order,
        checks=[check_to_proto(check) for check in prepared.policy.checks],
        notices=reasons_to_proto(prepared.base.notices),
        policy_digest=prepared.policy.digest,
    )
