"""The work that other services do for one run, asked for and waited for.

Whoever waits can be stopped at any point; the same request id finds the work again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from autopack.api.auditor.v1 import auditor_service_pb2
from autopack.api.builder.v1 import build_pb2, builder_service_pb2
from autopack.api.gate.v1 import gate_service_pb2, verdict_pb2
from autopack.api.memory.v1 import memory_pb2, memory_service_pb2
from autopack.api.plan.v1 import plan_pb2
from autopack.errors import AutopackError, Reason
from autopack.rpc.errors import call, reasons_to_proto
from orchestrator_svc import convert
from orchestrator_svc.domain.budget import Budget
from orchestrator_svc.domain.run import Attempt, Landing, Phase, Run
from orchestrator_svc.services import Services, ended
from orchestrator_svc.storage.rows import Row

START_SECONDS = 20
"""That a start may wait for the end: most work is done by then, and waiting is one call less."""
RECALL_SECONDS = 20.0
"""The first recall of a process loads a model, which takes seconds on a busy machine."""
CANCEL_SECONDS = 2.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Audited:
    """The two commits whose difference is audited, and what tells it from other audits of the attempt."""

    base: str
    head: str
    suffix: str


@dataclass(frozen=True, slots=True)
class Work:
    """What builder, auditor, gate and memory do for one run."""

    run_id: str
    project_id: str
    services: Services
    git_address: str
    stopping: Callable[[], bool]
    """Whether this orchestrator stops: then work elsewhere goes on for whoever comes next."""

    async def build(
        self,
        identity: str,
        planned: plan_pb2.Phase,
        run: Run,
        phase: Phase,
        attempt: Attempt,
        granted: Budget,
    ) -> build_pb2.Build:
        """Has an attempt built, or goes on waiting for it."""
        earlier = [reason for before in phase.attempts[: attempt.number - 1] for reason in before.reasons]
        start = builder_service_pb2.StartBuildRequest(
            request_id=identity,
            project_id=run.project_id,
            base=attempt.base,
            policy_commit=run.base,
            phase=planned,
            attempt=attempt.number,
            feedback=reasons_to_proto(earlier),
            recalled=await self._recall(run, planned, earlier),
            budget=convert.budget_to_proto(granted),
            upload_token=attempt.upload_token,
            git_address=self.git_address,
            wait_seconds=START_SECONDS,
        )
        try:
            build = (await call(self.services.builder.StartBuild(start))).build
            if build.state == build_pb2.BUILD_STATE_RUNNING:
                wait = builder_service_pb2.WaitBuildRequest(request_id=identity)
                build = (await ended(lambda: self.services.builder.WaitBuild(wait, timeout=60))).build
        except asyncio.CancelledError:
            if not self.stopping():
                cancel = builder_service_pb2.CancelBuildRequest(request_id=identity)
                await asyncio.shield(_quietly(call(self.services.builder.CancelBuild(cancel))))
            raise
        return build

    async def tidy(
        self, identity: str, planned: plan_pb2.Phase, run: Run, attempt: Attempt
    ) -> build_pb2.Build:
        """Has memory write the ledgers, which is the build of a phase of category ledger."""
        await call(
            self.services.memory.StartTidy(
                memory_service_pb2.StartTidyRequest(
                    request_id=identity,
                    project_id=self.project_id,
                    base=attempt.base,
                    run_ids=planned.builder.ledger.run_ids,
                    upload_token=attempt.upload_token,
                    git_address=self.git_address,
                    time=convert.timestamp(run.submit_time),
                )
            )
        )
        answer = await ended(
            lambda: self.services.memory.WaitTidy(
                memory_service_pb2.WaitTidyRequest(request_id=identity), timeout=60
            )
        )
        tidy = answer.tidy
        done = tidy.state == memory_pb2.WORK_STATE_SUCCEEDED and tidy.commit
        reasons = list(tidy.reasons) or reasons_to_proto([_nothing_to_tidy()])
        return build_pb2.Build(
            request_id=identity,
            state=build_pb2.BUILD_STATE_SUCCEEDED if done else build_pb2.BUILD_STATE_FAILED,
            commit=tidy.commit,
            reasons=[] if done else reasons,
            builder_kind="ledger",
        )

    async def _recall(
        self, run: Run, planned: plan_pb2.Phase, earlier: list[Reason]
    ) -> list[build_pb2.RecalledText]:
        failures = (f"{reason.code}: {reason.message} {reason.path}" for reason in earlier[-5:])
        query = "\n".join([planned.goal, *failures, *planned.scope.paths])
        try:
            answer = await call(
                self.services.memory.Recall(
                    memory_service_pb2.RecallRequest(
                        project_id=run.project_id,
                        query=query[:20000],
                        # After a refusal, what failed in runs that are not merged yet may be the hint.
                        include_pending=bool(earlier),
                    ),
                    timeout=RECALL_SECONDS,
                )
            )
        except AutopackError as error:
            # What memory knows helps, but a run does without it.
            log.warning("nothing recalled for %s: %s", planned.phase_id, error)
            return []
        return [
            build_pb2.RecalledText(text=hit.text, source=hit.source, entry_id=hit.entry_id, trust=hit.trust)
            for hit in answer.hits
        ]

    async def judge(
        self,
        run: Run,
        planned: plan_pb2.Phase,
        base: str,
        head: str,
        audit: Audited,
        audit_id: str,
        gate_id: str,
        approvals: Sequence[Row],
    ) -> verdict_pb2.Judgement:
        """Starts audit and gate together, and waits for the gate, which waits for the audit."""
        await call(
            self.services.auditor.StartAudit(
                auditor_service_pb2.StartAuditRequest(
                    request_id=audit_id,
                    project_id=run.project_id,
                    base=audit.base,
                    head=audit.head,
                    policy_commit=run.base,
                    git_address=self.git_address,
                    category=planned.category,
                )
            )
        )
        start = gate_service_pb2.StartGateRequest(
            request_id=gate_id,
            project_id=run.project_id,
            base=base,
            head=head,
            policy_commit=run.base,
            scope=gate_service_pb2.GateScope(
                paths=planned.scope.paths, category=planned.category, checks=planned.checks
            ),
            audit_request_id=audit_id,
            approvals=convert.approvals_to_proto(approvals),
            git_address=self.git_address,
            wait_seconds=START_SECONDS,
        )
        try:
            judgement = (await call(self.services.gate.StartGate(start))).judgement
            if judgement.state == verdict_pb2.JUDGEMENT_STATE_RUNNING:
                wait = gate_service_pb2.WaitGateRequest(request_id=gate_id)
                judgement = (await ended(lambda: self.services.gate.WaitGate(wait, timeout=60))).judgement
        except asyncio.CancelledError:
            if not self.stopping():
                cancel = gate_service_pb2.CancelGateRequest(request_id=gate_id)
                await asyncio.shield(_quietly(call(self.services.gate.CancelGate(cancel))))
            raise
        return judgement

    async def attest(self, landing: Landing, commit: bytes, parent: bytes) -> bytes:
        """What the gate signs of a change that it accepted: envelopes, one a line.

        Raises:
            NotFound: where the gate knows no such judgement any more.
        """
        run, phase, attempt = landing.run, landing.phase, landing.attempt
        answer = await call(
            self.services.gate.AttestChange(
                gate_service_pb2.AttestChangeRequest(
                    judgement_id=phase.judged.judgement_id if phase.judged else "",
                    commit=commit,
                    parent=parent,
                    run_id=run.run_id,
                    phase_id=phase.phase_id,
                    attempt=attempt.number,
                    slot=phase.slot,
                    plan_digest=run.plan_digest,
                    run_base=run.base,
                    builder_kind=attempt.builder_kind,
                    exchange_digest=attempt.exchange_digest,
                    change=attempt.change,
                )
            )
        )
        return answer.bundle


async def _quietly(cancelling: Awaitable[object]) -> None:
    try:
        async with asyncio.timeout(CANCEL_SECONDS):
            await cancelling
    except (AutopackError, TimeoutError) as error:
        log.warning("could not cancel: %s", error)


def _nothing_to_tidy() -> Reason:
    return Reason("NOTHING_TO_TIDY", "The ledgers hold all merged runs already.", "")
