"""Who drives what: claims runs, keeps their leases, ends them, and stops in order."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from autopack.api.memory.v1 import memory_service_pb2
from autopack.api.orchestrator.v1 import orchestrator_service_pb2 as messages
from autopack.api.plan.v1 import plan_pb2
from autopack.errors import AutopackError, FailedPrecondition, Reason, Unavailable
from autopack.gitstore.pack_receiver import receive_pack
from autopack.ledger.append_only import LEDGER_PATHS
from autopack.policy.convert import phase_from_proto
from autopack.policy.narrowing import phase_budget
from autopack.policy.policy import Policy
from autopack.policy.read import policy_at
from autopack.rpc.deadline import deadline_after
from autopack.rpc.errors import call
from orchestrator_svc import convert
from orchestrator_svc.anchoring import anchor
from orchestrator_svc.config import Config
from orchestrator_svc.domain.budget import Budget
from orchestrator_svc.domain.refusal import Halt, unexpected
from orchestrator_svc.domain.run import Run
from orchestrator_svc.domain.states import PhaseState, RunState
from orchestrator_svc.flow import Flow
from orchestrator_svc.moved_target import Refused, fast_forward
from orchestrator_svc.notifier import Notifier
from orchestrator_svc.projects import Project, Projects
from orchestrator_svc.services import Services, patiently
from orchestrator_svc.steps import Steps
from orchestrator_svc.storage import changes
from orchestrator_svc.storage.handoffs import lacking
from orchestrator_svc.storage.left_behind import left_by
from orchestrator_svc.storage.runs import Line, RunStore
from orchestrator_svc.tracing import RunTrace
from orchestrator_svc.work import Work

REREADS = 10
"""Times that a person may change rows under the driver before it gives up and says so."""
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Drivers:
    """The runs that this orchestrator drives."""

    config: Config
    rows: RunStore
    projects: Projects
    services: Services
    notifier: Notifier
    clock: Callable[[], float]
    git_address: str = ""
    room: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a run is driven no more."""
    _driving: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _wakes: dict[str, asyncio.Event] = field(default_factory=dict)
    _indexing: set[asyncio.Task[None]] = field(default_factory=set)
    _recovering: set[asyncio.Task[None]] = field(default_factory=set)
    _recovered: bool = False
    _stopping: bool = False

    @property
    def has_room(self) -> bool:
        """Whether another run may be driven here; what finds no room waits in the rows."""
        return len(self._driving) < self.config.concurrent_runs

    async def drive(self, run_id: str) -> None:
        """Drives a run until it has ended, waits for a person, or cannot go on; never twice at once."""
        if self._stopping or run_id in self._driving:
            return
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("drive is awaited by a task")
        self._driving[run_id] = task
        try:
            with deadline_after(None):
                await self._claimed(run_id)
        finally:
            del self._driving[run_id]
            self.notifier.changed(run_id)
            self.room.set()

    async def recover(self) -> None:
        """Goes on at once with what this executor drove when it was killed.

        The engine would too, but takes a second or two to start.
        """
        if self._recovered:
            return
        self._recovered = True
        for run_id in await left_by(self.rows.database, self.config.executor_id):
            task = asyncio.create_task(self._drive_again(run_id))
            self._recovering.add(task)
            task.add_done_callback(self._recovering.discard)

    async def _drive_again(self, run_id: str) -> None:
        try:
            await self.drive(run_id)
        except AutopackError as error:
            # Whoever looks for runs that nobody drives tries again.
            log.warning("driving of %s ended: %s", run_id, error)

    def wake(self, run_id: str) -> None:
        """Has the run's driver, where it is here, read the rows again at once."""
        if run_id in self._wakes:
            self._wakes[run_id].set()

    def drop(self, run_id: str) -> None:
        """Stops driving a run that a person has ended; what works on it elsewhere is stopped too."""
        if run_id in self._driving:
            self._driving[run_id].cancel()

    async def stop(self) -> None:
        """Lets go of all runs; their rows say where whoever comes next goes on."""
        self._stopping = True
        tasks = [*self._driving.values(), *self._recovering, *self._indexing]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _claimed(self, run_id: str) -> None:
        fence = await self.rows.claim(
            run_id, self.config.executor_id, self.clock(), self.config.lease_seconds
        )
        if fence is None:
            return
        wake = self._wakes[run_id] = asyncio.Event()
        driving = asyncio.create_task(self._drive(run_id, fence, wake))
        keeping = asyncio.create_task(self._keep_lease(run_id, fence, wake))
        try:
            await asyncio.wait({driving, keeping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (driving, keeping):
                task.cancel()
            await asyncio.gather(driving, keeping, return_exceptions=True)
            del self._wakes[run_id]
            await asyncio.shield(self.rows.release(run_id, fence))
        if driving.done() and not driving.cancelled():
            driving.result()

    async def _keep_lease(self, run_id: str, fence: int, wake: asyncio.Event) -> None:
        """Returns when the run is somebody else's, or a person has ended it."""
        loop = asyncio.get_running_loop()
        lost = loop.time() + self.config.lease_seconds
        while True:
            asked = loop.time()
            try:
                if not await self.rows.renew(run_id, fence, self.clock(), self.config.lease_seconds):
                    break
                lost = asked + self.config.lease_seconds
                wake.set()
            except Unavailable:
                # The work goes on; but when the lease is gone, somebody else may have taken the run.
                if loop.time() > lost:
                    raise
            await asyncio.sleep(min(1.0, self.config.lease_seconds / 5))
        log.info("run %s is driven by somebody else, or was cancelled", run_id)

    async def _drive(self, run_id: str, fence: int, wake: asyncio.Event) -> None:
        try:
            run = await self.rows.get(run_id, self.clock())
            message = plan_pb2.Plan.FromString(await self.rows.plan(run_id))
            project = await self.projects.get(run.project_id)
            if fence > 1:
                take_over = partial(self._take_over, run, project, len(message.phases))
                await patiently(take_over, self.config.patience_seconds)
            trace = RunTrace(run_id, run.trace_id, len(message.phases))
            while not await self._driven(run_id, fence, wake, message, project, trace):
                pass
        except AutopackError as error:
            if error.reasons[0].code == "FENCED":
                log.info("driving of %s ended: %s", run_id, error)
                return
            log.warning("run %s was halted: %s", run_id, error)
            await self.rows.release(run_id, fence, error.reasons)
        except Exception as error:
            log.exception("driving of %s failed", run_id)
            await self.rows.release(run_id, fence, (unexpected(error),))

    async def _driven(
        self,
        run_id: str,
        fence: int,
        wake: asyncio.Event,
        message: plan_pb2.Plan,
        project: Project,
        trace: RunTrace,
    ) -> bool:
        """Drives a claimed run; False where its base has moved and it is to be driven on."""
        run = await self.rows.get(run_id, self.clock(), phases_too=False)
        policy = await asyncio.to_thread(policy_at, project.store, run.base)
        steps = Steps(
            run_id=run_id,
            fence=fence,
            plan={phase.phase_id: phase for phase in message.phases},
            budgets=await asyncio.to_thread(_budgets, message, policy),
            stronger={name: builder.stronger for name, builder in policy.builders.items()},
            project=project,
            work=Work(
                run_id,
                run.project_id,
                self.services,
                self.git_address,
                stopping=lambda: self._stopping,
            ),
            rows=self.rows,
            clock=self.clock,
            changed=self.notifier.changed,
            trace=trace,
            recorded=_recorded(await self.rows.replay(run_id)),
        )
        flow = Flow(steps, trace, self.config.window, self.config.patience_seconds, wake, self.clock)
        line = await _until_settled(flow)
        return await self._finish(steps, line, message)

    async def _take_over(self, run: Run, project: Project, phases: int) -> None:
        """Has what whoever drove the run before, perhaps in another directory, made of it."""
        await asyncio.to_thread(project.catch_up, run, phases + 2)
        for pack in await lacking(self.rows.database, run.run_id, project.store.has):
            await asyncio.to_thread(receive_pack, project.store, [pack])

    async def _finish(self, steps: Steps, line: Line, plan: plan_pb2.Plan) -> bool:
        """Ends the run, or has it wait; False where its base has moved and it is to be driven on."""
        run = line.run
        if line.unfinished:
            if not line.waiting:
                raise Halt(
                    Reason(
                        "NOTHING_DUE",
                        f"{line.unfinished} phases have not ended and none of them can go on.",
                        "This is a fault of Autopack's: report it with `autopack show RUN --json`.",
                    )
                )
            await self._move(steps, RunState.WAITING_APPROVAL, (), "Waits for approval.")
            return True
        whole = await self.rows.get(run.run_id, self.clock())
        landed = all(phase.state is PhaseState.LANDED for phase in whole.phases)
        reasons: tuple[Reason, ...] = ()
        if landed and plan.landing == plan_pb2.LANDING_FAST_FORWARD:
            branch = await self.rows.base_branch(run.run_id)
            try:
                if not await fast_forward(steps, whole, branch, self.config.patience_seconds):
                    return False
            except Refused as refused:
                reasons = refused.reasons
        state = RunState.SUCCEEDED if landed and not reasons else RunState.FAILED
        await self.anchor(whole, state, steps.project)
        count = sum(phase.state is PhaseState.LANDED for phase in whole.phases)
        await self._move(steps, state, reasons, f"{count} of {len(whole.phases)} phases landed.")
        steps.trace.run_ended(run, state, self.clock())
        if state is RunState.SUCCEEDED and plan.landing == plan_pb2.LANDING_FAST_FORWARD:
            self.index_soon(steps.project, run.head)
        with steps.trace.whole():
            await self.remember(await self.rows.get(run.run_id, self.clock()), plan, steps.project)
        return True

    async def anchor(self, run: Run, state: RunState, project: Project) -> None:
        """Has it signed how the run ends; see `anchoring.anchor`."""
        plan = await self.rows.plan(run.run_id)
        await anchor(run, plan, state, project, self.rows, self.services, self.config.anchor_command)

    async def _move(self, steps: Steps, state: RunState, reasons: tuple[Reason, ...], message: str) -> None:
        await self.rows.database.transaction(
            lambda connection: changes.apply(
                connection,
                steps.run_id,
                self.clock(),
                [],
                fence=steps.fence,
                run=(RunState.RUNNING, state),
                run_reasons=reasons,
                message=message,
            )
        )
        self.notifier.changed(steps.run_id)

    def index_soon(self, project: Project, commit: str) -> None:
        """Has memory read the ledgers of a commit, where there are any; nobody waits for it."""
        if any(project.store.entry(commit, path) for path in LEDGER_PATHS):
            task = asyncio.create_task(self._index(project, commit))
            self._indexing.add(task)
            task.add_done_callback(self._indexing.discard)

    async def _index(self, project: Project, commit: str) -> None:
        request = memory_service_pb2.StartIndexRequest(
            request_id=f"{project.project_id}/{commit}/index",
            project_id=project.project_id,
            commit=commit,
            git_address=self.git_address,
        )
        try:
            with deadline_after(None):
                await call(self.services.memory.StartIndex(request))
        except AutopackError as error:
            log.warning("memory did not index %s: %s", commit[:12], error)

    async def remember(self, run: Run, plan: plan_pb2.Plan, project: Project) -> None:
        """Gives memory the record of an ended run; tidy gives it again, so a failure loses nothing."""
        paths = await asyncio.to_thread(_paths, run, project)
        landed = run.head != run.base
        tree = await asyncio.to_thread(project.store.commit_tree, run.head) if landed else ""
        request = memory_service_pb2.RecordRunRequest(
            request_id=f"{run.run_id}/record", record=convert.record_of(run, plan, paths, tree)
        )
        try:
            await call(self.services.memory.RecordRun(request))
        except AutopackError as error:
            log.warning("memory did not take the record of %s: %s", run.run_id, error)


async def _until_settled(flow: Flow) -> Line:
    """Drives, and reads the rows again where a person changed a phase that was being worked on."""
    for _ in range(REREADS):
        try:
            return await flow.drive()
        except FailedPrecondition as error:
            if error.reasons[0].code != "STATE_CHANGED":
                raise
            log.info("reading again: %s", error)
    return await flow.drive()


def _budgets(message: plan_pb2.Plan, policy: Policy) -> dict[str, Budget]:
    spendable = {phase.phase_id: phase_budget(phase_from_proto(phase), policy) for phase in message.phases}
    return {
        phase_id: Budget(budget.attempts, budget.seconds, budget.tokens, budget.usd or None)
        for phase_id, budget in spendable.items()
    }


def _recorded(data: bytes | None) -> dict[tuple[str, int], messages.RecordedBuild] | None:
    if data is None:
        return None
    return {(build.phase_id, build.number): build for build in messages.Replay.FromString(data).builds}


def _paths(run: Run, project: Project) -> dict[str, list[str]]:
    store = project.store
    return {
        phase.phase_id: [change.path for change in store.diff(store.parents(phase.commit)[0], phase.commit)]
        for phase in run.phases
        if phase.commit
    }
