"""Tidy, as the orchestrator drives it: merged runs become ledger entries, landed like any change."""

import asyncio
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from itertools import count

from autopack.api.memory.v1 import memory_pb2, memory_service_pb2
from autopack.api.orchestrator.v1 import orchestrator_service_pb2 as messages
from autopack.api.plan.v1 import plan_pb2
from autopack.errors import InvalidInput, Reason, Unavailable
from autopack.gitstore.write_path import LEDGER_LIMITS
from autopack.ledger.entry import Kind
from autopack.ledger.files import parse_files
from autopack.policy.convert import plan_to_proto
from autopack.policy.paths import LEDGER_GLOBS
from autopack.policy.plan import Budget, LedgerBuilder, Phase, Plan, Scope
from autopack.rpc.errors import call, reasons_from_proto
from orchestrator_svc.control import Control
from orchestrator_svc.domain.run import Run
from orchestrator_svc.domain.states import ENDED_RUNS, RunState
from orchestrator_svc.projects import Base, Project
from orchestrator_svc.services import ended

PREVIEW_BYTES = 1_000_000
CATEGORY = "ledger"
PHASE = "tidy"


@dataclass(slots=True)
class Ledgers:
    """Consolidates merged runs into the ledgers of their project."""

    control: Control
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    """Of this process: previews do not outlive it."""

    def upload_token(self, identity: str) -> str:
        """The secret that binds a pack to one preview."""
        return hmac.new(self.secret, identity.encode(), hashlib.sha256).hexdigest()

    async def tidy(self, request: messages.TidyProjectRequest) -> messages.TidyProjectResponse:
        """Shows what would be added to the ledgers, or submits the run that lands it."""
        project = await self.control.projects.open(request.repository)
        base = await asyncio.to_thread(project.bring_base, request.branch or "HEAD")
        if not base.branch:
            raise InvalidInput(
                Reason(
                    "BASE_NOT_A_BRANCH",
                    "Ledgers land on a branch, and HEAD names none.",
                    "Give one with --branch.",
                )
            )
        run_ids = await self._merged(project, base)
        tidied = await self._preview(request.request_id, project, base, run_ids)
        answer = messages.TidyProjectResponse(entries=tidied.entries)
        if not tidied.commit:
            return answer
        patch = await asyncio.to_thread(project.store.patch, base.commit, tidied.commit, PREVIEW_BYTES)
        answer.diff = patch.decode("utf-8", "backslashreplace")
        if request.execute:
            plan = _plan(base, run_ids)
            prepared = await self.control.prepare(plan, request.repository)
            run_id = await self._run_id(base, run_ids)
            run = await self.control.submit_prepared(
                plan_to_proto(plan), prepared, run_id, self.control.clock()
            )
            answer.run_id = run.run_id
        return answer

    async def _run_id(self, base: Base, run_ids: list[str]) -> str:
        """The same for whoever asks for the same; another one where a run of that id has landed nothing."""
        for number in count():
            asked = f"{base.commit} {run_ids}" + (f" {number}" if number else "")
            run_id = "tidy-" + hashlib.sha256(asked.encode()).hexdigest()[:10]
            if not await self.control.rows.exists(run_id):
                break
            run = await self.control.rows.get(run_id, self.control.clock(), phases_too=False)
            if run.state not in {RunState.FAILED, RunState.CANCELLED}:
                break
        return run_id

    async def _merged(self, project: Project, base: Base) -> list[str]:
        """Ended runs of the project whose commits are in the branch's history and that its ledger does not
        tell of, oldest first. Raises InvalidInput with the reasons why the ledger cannot be read."""
        told = await asyncio.to_thread(_runs_told, project, base.commit)
        runs = [
            run
            for run in await self.control.rows.of_project(project.project_id, self.control.clock())
            if run.state in ENDED_RUNS and not run.run_id.startswith("tidy-") and run.run_id not in told
        ]
        merged = await asyncio.to_thread(
            lambda: [run for run in runs if run.head != run.base and _is_merged(project, base.commit, run)]
        )
        for run in merged:
            # Memory may have been away when the run ended; the same record twice is once.
            plan = plan_pb2.Plan.FromString(await self.control.rows.plan(run.run_id))
            whole = await self.control.rows.get(run.run_id, self.control.clock())
            await self.control.drivers.remember(whole, plan, project)
        return [run.run_id for run in merged]

    async def _preview(
        self, request_id: str, project: Project, base: Base, run_ids: list[str]
    ) -> memory_pb2.Tidy:
        identity = f"{project.project_id}/{base.commit[:12]}/{request_id}"[:300]
        memory = self.control.drivers.services.memory
        await call(
            memory.StartTidy(
                memory_service_pb2.StartTidyRequest(
                    request_id=identity,
                    project_id=project.project_id,
                    base=base.commit,
                    run_ids=run_ids,
                    upload_token=self.upload_token(identity),
                    git_address=self.control.drivers.git_address,
                )
            )
        )
        answer = await ended(
            lambda: memory.WaitTidy(memory_service_pb2.WaitTidyRequest(request_id=identity), timeout=60)
        )
        if answer.tidy.state != memory_pb2.WORK_STATE_SUCCEEDED:
            raise Unavailable(*reasons_from_proto(answer.tidy.reasons))
        return answer.tidy


def _runs_told(project: Project, base: str) -> set[str]:
    """Runs that have their entry at the commit."""

    def read(path: str) -> str | None:
        data = project.store.read(base, path, LEDGER_LIMITS.file_bytes)
        return None if data is None else data.decode("utf-8", "surrogateescape")

    return {entry.content.get("Run") for entry in parse_files(Kind.BUILD, read).entries}


def _is_merged(project: Project, base: str, run: Run) -> bool:
    """Whether the run's commits are in the base's history, or a commit there that a forge made of them."""
    if project.remote.contains(project.store, base, run.head):
        return True
    return project.remote.squashed(project.store, base, run.base, project.store.commit_tree(run.head))


def _plan(base: Base, run_ids: list[str]) -> Plan:
    return Plan(
        version=1,
        name="tidy",
        base=base.branch,
        land="fast-forward",
        phases=(
            Phase(
                id=PHASE,
                goal=_goal(len(run_ids)),
                category=CATEGORY,
                scope=Scope(paths=tuple(glob.removeprefix("/") for glob in LEDGER_GLOBS)),
                builder=LedgerBuilder(tuple(run_ids)),
                budget=Budget(attempts=1),
            ),
        ),
    )


def _goal(runs: int) -> str:
    if runs == 0:
        return "Seal the ledger entries that were written by hand"
    return f"Record {runs} merged {'run' if runs == 1 else 'runs'} in the ledgers"
