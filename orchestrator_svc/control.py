"""What people and their tools ask of the orchestrator: submit, look, approve, reject, cancel, resume."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import sqlalchemy as sa

from autopack.api.gate.v1 import verdict_pb2
from autopack.api.orchestrator.v1 import orchestrator_service_pb2 as messages
from autopack.api.orchestrator.v1 import run_pb2
from autopack.api.plan.v1 import plan_pb2
from autopack.errors import (
    AutopackError,
    FailedPrecondition,
    InvalidInput,
    NotFound,
    PermissionDenied,
    Reason,
)
from autopack.policy.convert import plan_from_proto
from autopack.policy.plan import Plan
from autopack.policy.read import policy_at
from autopack.policy.run_ids import is_run_id, refuse_run_id
from autopack.signing.approvals import proven_by
from orchestrator_svc.domain.run import Event, Run
from orchestrator_svc.domain.states import ENDED_RUNS, PhaseState, RunState
from orchestrator_svc.drivers import Drivers
from orchestrator_svc.engine import Engine
from orchestrator_svc.notifier import Notifier
from orchestrator_svc.preparation import Prepared, prepare
from orchestrator_svc.projects import Project, Projects
from orchestrator_svc.storage import asked
from orchestrator_svc.storage.runs import RunStore
from orchestrator_svc.storage.submission import NewPhase, Submission, is_known, submit
from orchestrator_svc.tracing import trace_id_of

log = logging.getLogger(__name__)
POLL_SECONDS = 0.5
TOGETHER_SECONDS = 0.03
EVENTS_AT_ONCE = 500
CANCEL_TRIES = 20
CANCEL_PAUSE_SECONDS = 0.1
PATCH_LIMIT = 20_000_000
"""Bytes of a diff that is shown."""


@dataclass(slots=True)
class Control:
    """The runs, as people see them."""

    rows: RunStore
    projects: Projects
    drivers: Drivers
    engine: Engine
    notifier: Notifier
    clock: Callable[[], float]

    async def prepare(self, plan: Plan, repository: run_pb2.Repository) -> Prepared:
        """Finds all that can be known before the plan runs; see `preparation.prepare`."""
        return await prepare(await self.projects.open(repository), self.drivers.services, plan)

    async def submit(self, request: messages.SubmitRunRequest) -> tuple[Run, tuple[Reason, ...]]:
        """Submits the plan and has it driven; the same run_id with the same plan finds the run."""
        run_id = request.run_id or "run-" + _digest(request.request_id.encode())[:10]
        again = request.HasField("replay")
        if (refusal := refuse_run_id(run_id)) and not (again and is_run_id(run_id)):
            raise InvalidInput(refusal)
        plan = plan_from_proto(request.plan, ledgers_too=again)
        project = await self.projects.open(request.repository)
        digest = _digest(request.plan.SerializeToString(deterministic=True))
        # Not prepared again: by now its own commits may be in the base.
        if await self.rows.database.read(
            lambda connection: is_known(connection, run_id, digest, project.project_id)
        ):
            return await self.drive(run_id), ()
        prepared = await prepare(project, self.drivers.services, plan)
        now, replay = self.clock(), None
        if request.HasField("replay"):
            now, replay = await self._replayed(project, request.replay), request.replay
            await self._remember_what_is_told_of(request.plan, project)
        run = await self.submit_prepared(request.plan, prepared, run_id, now, replay)
        return run, prepared.base.notices

    async def _replayed(self, project: Project, replay: messages.Replay) -> float:
        """When the earlier run was submitted; what its builders gave is in the store then.

        Raises:
            PermissionDenied: `REPLAY_NOT_ALLOWED`, on a server: its commits are dated by itself.
        """
        if not self.projects.allow_paths:
            fix = "leave --server out: a replay runs on this machine"
            raise PermissionDenied(Reason("REPLAY_NOT_ALLOWED", "A server replays no runs.", fix))
        changes = [build.change for build in replay.builds if build.change]
        await asyncio.to_thread(project.remote.fetch, project.store, changes)
        # A train that went again on another base was built on the one before it.
        bases = [base for change in changes for base in project.store.parents(change)]
        await asyncio.to_thread(project.remote.fetch, project.store, bases)
        return replay.submit_time.ToMicroseconds() / 1_000_000

    async def _remember_what_is_told_of(self, plan: plan_pb2.Plan, project: Project) -> None:
        """Has memory know the runs of which a replayed tidy tells; those in the ledgers may not be here."""
        for run_id in (name for phase in plan.phases for name in phase.builder.ledger.run_ids):
            if await self.rows.exists(run_id):
                run = await self.rows.get(run_id, self.clock())
                told = plan_pb2.Plan.FromString(await self.rows.plan(run_id))
                await self.drivers.remember(run, told, project)

    async def submit_prepared(
        self,
        message: plan_pb2.Plan,
        prepared: Prepared,
        run_id: str,
        now: float,
        replay: messages.Replay | None = None,
    ) -> Run:
        """Inserts the run, or finds it, and has it driven."""
        phases = {phase.id: phase for phase in prepared.plan.phases}
        data = message.SerializeToString(deterministic=True)
        submission = Submission(
            run_id=run_id,
            project_id=prepared.project.project_id,
            plan=data,
            plan_name=message.name,
            plan_digest=_digest(data),
            base=prepared.base.commit,
            base_branch=prepared.base.branch,
            submit_time=now,
            trace_id=trace_id_of(run_id, now),
            phases=[NewPhase(phase_id, phases[phase_id].depends_on) for phase_id in prepared.order],
            replay=None if replay is None else replay.SerializeToString(deterministic=True),
        )
        if not await self.rows.exists(run_id):
            branch = f"refs/heads/autopack/{run_id}"
            await asyncio.to_thread(prepared.project.refuse_taken_branch, branch)
        admitted = self.drivers.config.admitted_runs
        await self.rows.database.transaction(lambda connection: submit(connection, submission, admitted))
        self.drivers.index_soon(prepared.project, submission.base)
        return await self.drive(run_id)

    async def drive(self, run_id: str) -> Run:
        """Has the run driven if there is something to drive, here or wherever it is driven already."""
        run = await self.rows.get(run_id, self.clock())
        await self.drivers.recover()
        await self.engine.start()
        if run.state is RunState.RUNNING and not run.driven and run.reasons:
            # Whoever watches must not take the old halt for a new one.
            await self.rows.database.transaction(
                lambda connection: asked.go_on(connection, run_id, run.fence)
            )
            run = replace(run, reasons=())
        if run.state is RunState.RUNNING and not run.driven and self.drivers.has_room:
            await self.engine.drive(run_id)
        self.drivers.wake(run_id)
        self.notifier.changed(run_id)
        return run

    async def approve(
        self, request_id: str, run_id: str, phase_id: str, approval: verdict_pb2.Approval
    ) -> Run:
        """Keeps the approval and goes on."""
        content = b"\0".join((run_id.encode(), phase_id.encode(), approval.change_digest.encode()))
        proven = await self._is_proven(run_id, approval)
        now = self.clock()

        def work(connection: sa.Connection) -> None:
            if asked.first_time(connection, request_id, run_id, content):
                asked.approve(
                    connection,
                    run_id,
                    phase_id,
                    now,
                    change_digest=approval.change_digest,
                    approver=approval.approver,
                    key_id=approval.key_id,
                    signature=approval.signature,
                    proven=proven,
                )

        await self.rows.database.transaction(work)
        return await self.drive(run_id)

    async def _is_proven(self, run_id: str, approval: verdict_pb2.Approval) -> bool:
        """Whether the approver's own key signed it, which it must where the policy has keys.

        Raises:
            PermissionDenied: `APPROVAL_UNPROVEN`.
        """
        run = await self.rows.get(run_id, self.clock(), phases_too=False)
        project = await self.projects.get(run.project_id)
        policy = await asyncio.to_thread(policy_at, project.store, run.base)
        keys = policy.approvals.public_keys()
        own = [keys[approval.approver]] if approval.approver in keys else []
        digest, approver = approval.change_digest, approval.approver
        proven = proven_by(own, digest, approver, approval.key_id, approval.signature)
        if keys and not proven:
            fix = "approve with --key FILE --as NAME; approvals.keys of the policy at the run's base counts"
            found = f"{approver} has not signed this approval with a key that the policy has for them"
            raise PermissionDenied(Reason("APPROVAL_UNPROVEN", found, fix))
        return proven

    async def reject(self, request_id: str, run_id: str, phase_id: str, why: str) -> Run:
        """Fails the phase and goes on without it."""
        content = b"\0".join((run_id.encode(), phase_id.encode(), why.encode()))
        now = self.clock()

        def work(connection: sa.Connection) -> None:
            if asked.first_time(connection, request_id, run_id, content):
                asked.reject(connection, run_id, phase_id, now, why)

        await self.rows.database.transaction(work)
        return await self.drive(run_id)

    async def cancel(self, request_id: str, run_id: str) -> Run:
        """Ends the run; a phase that is landing at this moment is let land."""
        for _ in range(CANCEL_TRIES):
            run = await self.rows.get(run_id, self.clock())
            if not run.driven or all(phase.state is not PhaseState.LANDING for phase in run.phases):
                break
            await asyncio.sleep(CANCEL_PAUSE_SECONDS)
        now = self.clock()

        def work(connection: sa.Connection) -> None:
            if asked.first_time(connection, request_id, run_id, run_id.encode()):
                asked.cancel(connection, run_id, now)

        await self.rows.database.transaction(work)
        self.drivers.wake(run_id)
        self.drivers.drop(run_id)
        self.notifier.changed(run_id)
        run = await self.rows.get(run_id, self.clock())
        try:
            await self.drivers.anchor(run, run.state, await self.projects.get(run.project_id))
        except AutopackError as error:
            log.warning("the end of %s is not anchored: %s", run_id, error)
        return run

    async def resume(self, run_id: str) -> Run:
        """Has a run driven that nobody drives at present.

        Raises:
            NotFound: `RUN_NOT_FOUND`.
            FailedPrecondition: `RUN_ENDED`.
        """
        run = await self.rows.get(run_id, self.clock())
        if run.state in ENDED_RUNS:
            raise FailedPrecondition(
                Reason("RUN_ENDED", f"Run {run_id} ended as {run.state}.", "Submit the plan again.")
            )
        return await self.drive(run_id)

    async def bring(
        self, repository: run_pb2.Repository, revisions: Sequence[str]
    ) -> tuple[Project, list[str]]:
        """Brings revisions in, with their history, so that others can be asked about them.

        Raises:
            InvalidInput: if the repository cannot be used.
            NotFound: `REVISION_NOT_FOUND`.
        """
        project = await self.projects.open(repository)
        return project, await asyncio.to_thread(project.bring, revisions)

    async def watch(self, run_id: str, after: int) -> AsyncIterator[Event]:
        """Events from a number on, until the run has ended, waits, or is driven by nobody."""
        changed = self.notifier.listen(run_id)
        try:
            while True:
                changed.clear()
                run, found = await self.rows.news(run_id, after, EVENTS_AT_ONCE, self.clock())
                for event in found:
                    yield event
                    after = event.sequence
                if len(found) == EVENTS_AT_ONCE:
                    continue
                idle = run.state is RunState.RUNNING and run.reasons and not run.driven
                if run.state is not RunState.RUNNING or idle:
                    return
                # Not `wait_for`, which swallows a cancellation that comes together with the event.
                with suppress(TimeoutError):
                    async with asyncio.timeout(POLL_SECONDS):
                        await changed.wait()
                # What happens at once is told together: a run changes its rows some five times a phase.
                await asyncio.sleep(TOGETHER_SECONDS)
        finally:
            self.notifier.forget(run_id, changed)

    async def diff(self, run_id: str, phase_id: str) -> bytes:
        """A phase's last change, as it would land or was judged; untrusted bytes.

        Raises:
            NotFound: `RUN_NOT_FOUND`, `PHASE_NOT_FOUND`, `CHANGE_NOT_FOUND`.
        """
        run = await self.rows.get(run_id, self.clock(), phases_too=False)
        phase = await self.rows.phase(run_id, phase_id)
        project = await self.projects.get(run.project_id)
        attempt = next((each for each in reversed(phase.attempts) if each.change), None)
        if phase.commit:
            new = phase.commit
            old = (await asyncio.to_thread(project.store.parents, new))[0]
        elif attempt is not None:
            old, new = attempt.base, attempt.change
        else:
            raise NotFound(
                Reason(
                    "CHANGE_NOT_FOUND", f"No builder has made a change for {phase_id}.", "See its reasons."
                )
            )
        return await asyncio.to_thread(project.store.patch, old, new, PATCH_LIMIT)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
