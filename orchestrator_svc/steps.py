"""The effects of one run's flow: build, judge, land, refuse, ask. Each can be done again.

What a step does to the outside carries a request id or a compare-and-swap; what it found
is in the rows before the next step begins.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace

import sqlalchemy as sa

from autopack.api.builder.v1 import build_pb2
from autopack.api.gate.v1 import verdict_pb2
from autopack.api.orchestrator.v1 import orchestrator_service_pb2 as messages
from autopack.api.plan.v1 import plan_pb2
from autopack.attestation.storage import change_file, read_file
from autopack.errors import NotFound, Reason, Unavailable
from autopack.gitstore.packs import make_pack
from autopack.gitstore.store import Signature
from autopack.policy.convert import phase_from_proto, phase_to_proto
from autopack.rpc.errors import reasons_from_proto
from orchestrator_svc import convert
from orchestrator_svc.domain import budget as budgets
from orchestrator_svc.domain.budget import Budget
from orchestrator_svc.domain.commit import commit_seconds, message
from orchestrator_svc.domain.escalation import LAST, Step, escalate, proposal
from orchestrator_svc.domain.refusal import CONFLICT, Halt, can_differ, is_infrastructure
from orchestrator_svc.domain.run import Attempt, Landing, Phase, Run, Usage
from orchestrator_svc.domain.states import AttemptState, PhaseState
from orchestrator_svc.domain.train import Prediction, dependents
from orchestrator_svc.projects import Project
from orchestrator_svc.received import recorded_build, refusal_of, what_is_judged
from orchestrator_svc.storage import changes
from orchestrator_svc.storage.changes import AttemptChange, PhaseChange, attempt_moves
from orchestrator_svc.storage.handoffs import keep
from orchestrator_svc.storage.rows import judged_to_json, reasons_to_json
from orchestrator_svc.storage.runs import RunStore
from orchestrator_svc.storage.tables import phases as phases_table
from orchestrator_svc.tracing import RunTrace
from orchestrator_svc.work import Work

AUTHOR = "Autopack"
EMAIL = "autopack@localhost"


@dataclass(frozen=True, slots=True)
class Steps:
    """The effects, for one run that one driver has claimed."""

    run_id: str
    fence: int
    plan: Mapping[str, plan_pb2.Phase]
    budgets: Mapping[str, Budget]
    """What each phase may spend in all: the plan's where it is narrower than the policy's."""
    stronger: Mapping[str, str]
    """The builder that the policy names as stronger, by builder; empty where there is none."""
    project: Project
    work: Work
    rows: RunStore
    clock: Callable[[], float]
    changed: Callable[[str], None]
    """Told the run's id after each change of its rows."""
    trace: RunTrace
    recorded: Mapping[tuple[str, int], messages.RecordedBuild] | None = None
    """What the builders of a replayed run gave, by phase and attempt; None: builders build."""

    async def skip(self, phase: Phase, dependency: str) -> None:
        """Ends a phase whose dependency did not land."""
        reason = Reason(
            "DEPENDENCY_NOT_LANDED",
            f"Phase {phase.phase_id} depends on {dependency}, which did not land.",
            f"Mend {dependency} and run the plan again.",
        )
        await self._change(
            PhaseChange(phase.phase_id, phase.state, (PhaseState.SKIPPED,), reason.message, (reason,))
        )
        self.trace.phase_ended(phase, PhaseState.SKIPPED, self.clock(), (reason,))

    async def begin_attempt(self, phase: Phase, base: str) -> Phase | None:
        """Reserves the budget of the next attempt before anything is spent.

        Returns:
            The phase with it; None where the budget is gone and the phase has failed.
        """
        left = budgets.left(self.budgets[phase.phase_id], phase)
        spent = budgets.exhausted(left)
        if spent is not None:
            reasons = (*(phase.attempt.reasons if phase.attempt else ()), spent)
            await self._change(
                PhaseChange(phase.phase_id, phase.state, (PhaseState.FAILED,), spent.message, reasons)
            )
            self.trace.phase_ended(phase, PhaseState.FAILED, self.clock(), reasons)
            return None
        number = len(phase.attempts) + 1
        known = (self.recorded or {}).get((phase.phase_id, number))
        if known is not None and known.change:
            base = self.project.store.parents(known.change)[0]
        attempt = Attempt(
            number,
            AttemptState.BUILDING,
            base,
            reserved_tokens=left.tokens,
            upload_token=secrets.token_urlsafe(24),
        )
        start_time = self.clock() if number == 1 else phase.start_time
        await self._change(
            PhaseChange(
                phase.phase_id,
                phase.state,
                (PhaseState.BUILDING,),
                f"Attempt {number} of {self.budgets[phase.phase_id].attempts}.",
                values={"start_time": start_time},
                attempt=AttemptChange(
                    number,
                    None,
                    attempt.state,
                    {
                        "base": base,
                        "upload_token": attempt.upload_token,
                        "reserved_tokens": attempt.reserved_tokens,
                    },
                ),
            )
        )
        return replace(
            phase, state=PhaseState.BUILDING, attempts=(*phase.attempts, attempt), start_time=start_time
        )

    async def build(self, run: Run, phase: Phase, attempt: Attempt) -> None:
        """Has the attempt built, or goes on waiting for it."""
        identity = f"{self.run_id}/{phase.phase_id}/{attempt.number}/build" + _again(attempt)
        planned = self.plan[phase.phase_id]
        if planned.builder.WhichOneof("kind") == "ledger":
            # In a replay too: its entries must follow from the runs that they tell of.
            build = await self.work.tidy(identity, planned, run, attempt)
        elif self.recorded is not None:
            build = recorded_build(self.recorded, phase, attempt)
        else:
            left = budgets.left(self.budgets[phase.phase_id], phase)
            granted = Budget(left.attempts, left.seconds, attempt.reserved_tokens, left.usd)
            planned = self._escalated(phase, attempt.number - 1)
            build = await self.work.build(identity, planned, run, phase, attempt, granted)
        reasons = reasons_from_proto(build.reasons)
        spent = convert.usage_from_proto(build.usage)
        # An attempt that the machine failed before has spent something already.
        usage = attempt.usage + spent
        if build.state == build_pb2.BUILD_STATE_SUCCEEDED:
            same, handoff = await asyncio.to_thread(self._received, phase, attempt, build.commit)
            if same is None:
                await self._change(
                    PhaseChange(
                        phase.phase_id,
                        PhaseState.BUILDING,
                        # One transaction for both: audit and checks begin together.
                        (PhaseState.AUDITING, PhaseState.GATING),
                        f"Change {build.commit[:12]}.",
                        attempt=attempt_moves(
                            attempt,
                            AttemptState.JUDGING,
                            change=build.commit,
                            usage=asdict(usage),
                            reserved_tokens=0,
                            builder_kind=build.builder_kind,
                            exchange_digest=build.exchange_digest,
                        ),
                    ),
                    also=handoff,
                )
                return
            # What mends it is in the earlier refusal, not in the repetition.
            reasons = (same, *phase.attempts[-2].reasons)
        if build.state == build_pb2.BUILD_STATE_CANCELLED:
            reasons = (Reason("BUILD_UNAVAILABLE", "The build was stopped before it had ended.", ""),)
        if is_infrastructure(reasons):
            await self._note_fault(phase, attempt, spent)
            raise Unavailable(*reasons)
        await self.refuse(run, phase, attempt, reasons, usage)

    async def judge(self, run: Run, phase: Phase, attempt: Attempt, prediction: Prediction) -> None:
        """Has the change audited and judged on its predicted tree, and keeps the verdict."""
        if phase.state is PhaseState.AUDITING:  # approved since it was judged
            await self._change(PhaseChange(phase.phase_id, phase.state, (PhaseState.GATING,)))
        approvals = await self.rows.approvals(self.run_id, phase.phase_id) if phase.approvals else ()
        base, head, audit = await asyncio.to_thread(what_is_judged, self.project, run, attempt, prediction)
        identity = f"{self.run_id}/{phase.phase_id}/{attempt.number}"
        # With the run's base, whose policy counts: it changes where the train goes again.
        audit_id = f"{identity}/audit/{run.base[:12]}{audit.suffix}{_again(attempt)}"
        place = f"{run.base[:12]}-{prediction.base_tree[:12]}-{prediction.tree or ''}"[:53]
        gate_id = f"{identity}/gate/{place}/{len(approvals)}{_again(attempt)}"
        judgement = await self.work.judge(
            run, self.plan[phase.phase_id], base, head, audit, audit_id, gate_id, approvals
        )
        if judgement.state != verdict_pb2.JUDGEMENT_STATE_SUCCEEDED:
            await self._note_fault(phase, attempt, Usage())
            raise Unavailable(*(reasons_from_proto(judgement.reasons) or (_no_verdict(phase.phase_id),)))
        judged = convert.judged_from_proto(judgement, len(approvals))
        if (judged.base_tree, judged.tree) != (prediction.base_tree, prediction.tree):
            raise Halt(_other_tree(phase.phase_id))
        await self._change(
            PhaseChange(
                phase.phase_id,
                PhaseState.GATING,
                (),
                values={"judged": judged_to_json(judged), "verdict": judged.verdict},
            )
        )

    async def settle(self, run: Run, phase: Phase, attempt: Attempt, prediction: Prediction) -> None:
        """Acts on the verdict at the front of the train, where it holds on the branch's real head."""
        if prediction.tree is None:
            conflict = Reason(
                CONFLICT,
                f"The change does not fit on the branch: {', '.join(prediction.conflicts[:10])}.",
                "The next attempt is built on the branch's head.",
                path=prediction.conflicts[0] if prediction.conflicts else "",
            )
            await self.refuse(run, phase, attempt, (conflict,), attempt.usage)
            return
        if phase.judged is None:
            raise Halt(_no_verdict(phase.phase_id))
        match phase.judged.decision:
            case "ACCEPT":
                await self.land(run, phase, attempt, prediction.tree)
            case "NEEDS_APPROVAL":
                await self.ask(phase, attempt)
            case _:
                await self.refuse(run, phase, attempt, phase.judged.reasons, attempt.usage)

    async def land(self, run: Run, phase: Phase, attempt: Attempt, tree: str) -> None:
        """Commit object, signature, refs, remote, rows: in this order, so that each may be repeated."""
        if phase.slot is None or phase.judged is None:
            raise Halt(_no_verdict(phase.phase_id))
        author = Signature(AUTHOR, EMAIL, commit_seconds(run.submit_time, phase.slot))
        text = message(
            self.plan[phase.phase_id].goal,
            self.run_id,
            phase.phase_id,
            attempt.number,
            phase.judged.decision_digest,
        )
        commit, raw, parent = await asyncio.to_thread(
            self.project.make_commit, run, attempt, tree, text, author
        )
        landing = Landing(run, phase, attempt, commit)
        try:
            bundle = await self.work.attest(landing, raw, parent)
        except NotFound:
            # The gate has lost its store. What it signed is kept if it landed; else it judges again.
            store, name = self.project.store, change_file(commit)
            kept = await asyncio.to_thread(read_file, store, run.run_id, name)
            if kept is None:
                await self._judge_again(phase, attempt)
                return
            bundle = kept
        if phase.state is not PhaseState.LANDING:
            await self._change(
                PhaseChange(
                    phase.phase_id,
                    phase.state,
                    (PhaseState.LANDING,),
                    attempt=attempt_moves(attempt, AttemptState.ACCEPTED),
                )
            )
        await asyncio.to_thread(self.project.land, landing, bundle)
        await self._change(
            PhaseChange(
                phase.phase_id,
                PhaseState.LANDING,
                (PhaseState.LANDED,),
                f"Commit {commit[:12]}.",
                values={"commit": commit},
                attempt=AttemptChange(attempt.number, AttemptState.ACCEPTED, AttemptState.LANDED),
            ),
            run_values={"head": commit},
        )
        self.trace.phase_ended(phase, PhaseState.LANDED, self.clock(), (), commit)

    async def refuse(
        self, run: Run, phase: Phase, attempt: Attempt, reasons: tuple[Reason, ...], usage: Usage
    ) -> None:
        """Ends the attempt: the phase keeps its slot for another one, or fails."""
        kind = self.plan[phase.phase_id].builder.WhichOneof("kind") or ""
        next_base = run.head if any(reason.code == CONFLICT for reason in reasons) else attempt.base
        refusals = [*(earlier.reasons for earlier in phase.attempts[: attempt.number - 1]), reasons]
        planned = phase_from_proto(self.plan[phase.phase_id])
        next_one = escalate(planned, refusals, self.stronger)
        again = (
            len(phase.attempts) < self.budgets[phase.phase_id].attempts
            and can_differ(kind, phase.attempts, next_base, reasons)
            and next_one.step not in LAST
        )
        if next_one.step is Step.PROPOSE and next_one.failure is not None:
            reasons = (*reasons, proposal(planned, next_one.failure, reasons))
        await self._change(
            PhaseChange(
                phase.phase_id,
                phase.state,
                (PhaseState.QUEUED if again else PhaseState.FAILED,),
                f"Attempt {attempt.number} refused ({next_one.failure}): {next_one.step}."
                if again
                else f"Refused at attempt {attempt.number}.",
                reasons,
                values={"judged": None} if again else {},
                attempt=attempt_moves(
                    attempt,
                    AttemptState.REFUSED,
                    reasons=reasons_to_json(reasons),
                    usage=asdict(usage),
                    reserved_tokens=0,
                ),
            )
        )
        if not again:
            self.trace.phase_ended(phase, PhaseState.FAILED, self.clock(), reasons)

    def _escalated(self, phase: Phase, refused: int) -> plan_pb2.Phase:
        """The phase as its next attempt is to be built, after so many refusals."""
        planned = self.plan[phase.phase_id]
        if not refused:
            return planned
        refusals = [attempt.reasons for attempt in phase.attempts[:refused]]
        return phase_to_proto(escalate(phase_from_proto(planned), refusals, self.stronger).phase)

    async def ask(self, phase: Phase, attempt: Attempt) -> None:
        """Waits for a person; the phase and what depends on it give their slots up."""
        reasons = phase.judged.reasons if phase.judged else ()

        def work(connection: sa.Connection) -> None:
            changes.apply(
                connection,
                self.run_id,
                self.clock(),
                [
                    PhaseChange(
                        phase.phase_id,
                        phase.state,
                        (PhaseState.WAITING_APPROVAL,),
                        "Waits for approval; its slot is free for others.",
                        reasons,
                        values={"slot": None},
                        attempt=attempt_moves(attempt, AttemptState.WAITING_APPROVAL),
                    )
                ],
                fence=self.fence,
            )
            unfinished = self.rows.unfinished(connection, self.run_id)
            connection.execute(
                sa.update(phases_table)
                .where(
                    phases_table.c.run_id == self.run_id,
                    phases_table.c.phase_id.in_(dependents(unfinished, phase.phase_id)),
                    ~phases_table.c.ended,
                )
                .values(slot=None)
            )

        await self.rows.database.transaction(work)
        self.changed(self.run_id)

    def _received(
        self, phase: Phase, attempt: Attempt, commit: str
    ) -> tuple[Reason | None, Callable[[sa.Connection], None] | None]:
        """Why the change could not be accepted, else how other orchestrators, where any are, find it."""
        store = self.project.store
        same = refusal_of(store, phase, attempt, commit)
        if same is not None or not self.rows.database.shared:
            return same, None
        pack = b"".join(make_pack(store, [commit], [attempt.base]))
        return None, keep(self.run_id, phase.phase_id, attempt.number, pack)

    async def _judge_again(self, phase: Phase, attempt: Attempt) -> None:
        await self._change(
            PhaseChange(
                phase.phase_id,
                phase.state,
                (PhaseState.GATING,) if phase.state is PhaseState.LANDING else (),
                "The gate has lost its verdict, and judges again.",
                values={"judged": None},
                attempt=attempt_moves(attempt, AttemptState.JUDGING, faults=attempt.faults + 1),
            )
        )

    async def _note_fault(self, phase: Phase, attempt: Attempt, usage: Usage) -> None:
        """The next request gets a new id, since this one's answer is stored as a failure."""
        state = PhaseState.BUILDING if attempt.state is AttemptState.BUILDING else PhaseState.GATING
        await self._change(
            PhaseChange(
                phase.phase_id,
                state,
                (),
                attempt=attempt_moves(
                    attempt,
                    attempt.state,
                    faults=attempt.faults + 1,
                    usage=asdict(attempt.usage + usage),
                    # What was spent of it counts as spent now.
                    reserved_tokens=max(
                        0, attempt.reserved_tokens - usage.input_tokens - usage.output_tokens
                    ),
                ),
            )
        )

    async def _change(
        self,
        moved: PhaseChange,
        run_values: Mapping[str, object] | None = None,
        also: Callable[[sa.Connection], None] | None = None,
    ) -> None:
        def work(connection: sa.Connection) -> None:
            changes.apply(
                connection, self.run_id, self.clock(), [moved], fence=self.fence, run_values=run_values
            )
            if also is not None:
                also(connection)

        await self.rows.database.transaction(work)
        self.changed(self.run_id)


def _again(attempt: Attempt) -> str:
    return f"~{attempt.faults}" if attempt.faults else ""


def _no_verdict(phase_id: str) -> Reason:
    return Reason(
        "NO_VERDICT",
        f"The gate reached no verdict on {phase_id}; a change without one does not land.",
        "Look at the gate's log, then `autopack resume RUN`.",
    )


def _other_tree(phase_id: str) -> Reason:
    return Reason(
        "VERDICT_OF_ANOTHER_TREE",
        f"The gate judged another tree than the one that {phase_id} would land.",
        "This is a fault of the gate service: look at its log.",
    )
