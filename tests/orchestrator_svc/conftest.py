"""An orchestrator over each kind of database, with scripted services and a real repository."""

import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from autopack.api.gate.v1 import verdict_pb2
from autopack.api.orchestrator.v1 import (
    orchestrator_service_pb2,
    orchestrator_service_pb2_grpc,
    run_pb2,
)
from autopack.api.plan.v1 import plan_pb2
from autopack.rpc.channel import create_channel
from autopack.rpc.errors import call
from orchestrator_svc.__main__ import start
from orchestrator_svc.config import Config
from tests.orchestrator_svc.doubles import Addresses, Script, doubles


def git(repository: Path, *arguments: str) -> str:
    """Runs git in the repository; its output without the last line feed."""
    done = subprocess.run(["git", "-C", repository, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.rstrip("\n")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit on main."""
    path = tmp_path / "project"
    path.mkdir()
    git(path, "init", "-q", "-b", "main")
    git(path, "config", "user.name", "Test")
    git(path, "config", "user.email", "test@localhost")
    (path / "README.md").write_text("A project.\n")
    git(path, "add", "-A")
    git(path, "commit", "-q", "-m", "Begin")
    return path


def a_plan(*phases: str | tuple[str, list[str]], **values: object) -> plan_pb2.Plan:
    """A plan of command phases: a name, or a name and what it depends on."""
    named = [(phase, list[str]()) if isinstance(phase, str) else phase for phase in phases]
    plan = plan_pb2.Plan(version=1, name="plan", base="main", landing=plan_pb2.LANDING_BRANCH)
    for name, depends_on in named:
        plan.phases.append(
            plan_pb2.Phase(
                phase_id=name,
                goal=f"Do {name}",
                category="feature",
                depends_on=depends_on,
                scope=plan_pb2.Scope(paths=["**"]),
                builder=plan_pb2.BuilderSpec(command=plan_pb2.CommandBuilder(run="true")),
                checks=[plan_pb2.Check(name="check", run="true", reports="none", timeout_seconds=60)],
                budget=plan_pb2.Budget(attempts=2),
            )
        )
    for key, value in values.items():
        setattr(plan, key, value)
    return plan


@dataclass
class Client:
    """What a user of the orchestrator does."""

    stub: "orchestrator_service_pb2_grpc.OrchestratorServiceAsyncStub"
    repository: Path
    events: list[run_pb2.Event] = field(default_factory=list)

    async def submit(self, plan: plan_pb2.Plan, run_id: str = "r1") -> run_pb2.Run:
        answer = await call(
            self.stub.SubmitRun(
                orchestrator_service_pb2.SubmitRunRequest(
                    request_id=f"submit-{run_id}",
                    plan=plan,
                    repository=run_pb2.Repository(path=str(self.repository)),
                    run_id=run_id,
                )
            )
        )
        return answer.run

    async def stopped(self, run_id: str = "r1") -> run_pb2.Run:
        """The run, once it has ended, waits, or is halted."""
        self.events.clear()
        request = orchestrator_service_pb2.WatchRunRequest(run_id=run_id)
        async for answer in self.stub.WatchRun(request, timeout=60):
            self.events.append(answer.event)
        return await self.get(run_id)

    async def run(self, plan: plan_pb2.Plan, run_id: str = "r1") -> run_pb2.Run:
        await self.submit(plan, run_id)
        return await self.stopped(run_id)

    async def get(self, run_id: str = "r1") -> run_pb2.Run:
        answer = await call(self.stub.GetRun(orchestrator_service_pb2.GetRunRequest(run_id=run_id)))
        return answer.run

    async def approve(self, phase_id: str, digest: str, run_id: str = "r1") -> run_pb2.Run:
        request = orchestrator_service_pb2.ApprovePhaseRequest(
            request_id=f"approve-{phase_id}-{digest}",
            run_id=run_id,
            phase_id=phase_id,
            approval=verdict_pb2.Approval(change_digest=digest, approver="somebody"),
        )
        return (await call(self.stub.ApprovePhase(request))).run

    def landed(self, run_id: str = "r1") -> list[str]:
        """Phases on the run's branch, oldest first."""
        span = f"main..autopack/{run_id}"
        log = git(
            self.repository,
            "log",
            "--reverse",
            "--format=%(trailers:key=Autopack-Phase,valueonly,separator=)",
            span,
        )
        return log.splitlines()


@asynccontextmanager
async def an_orchestrator(
    directory: Path,
    addresses: Addresses,
    database_url: str,
    repository: Path,
    clock: Callable[[], float] = time.time,
    **settings: object,
) -> AsyncIterator[Client]:
    """A started orchestrator and a client of it; stopped in order at the end."""
    config = Config(
        directory=directory,
        address="127.0.0.1:0",
        builder_address=addresses.builder,
        auditor_address=addresses.auditor,
        gate_address=addresses.gate,
        memory_address=addresses.memory,
        database_url=database_url,
        allow_paths=True,
        **settings,  # type: ignore[arg-type]  # what a test changes, by name
    )
    running = await start(config, clock)
    channel = create_channel(running.server.address)
    try:
        yield Client(orchestrator_service_pb2_grpc.OrchestratorServiceStub(channel), repository)
    finally:
        await channel.close(None)
        await running.close()


@pytest.fixture
def script() -> Script:
    """What the other services answer."""
    return Script()


@pytest.fixture
async def client(
    tmp_path: Path, script: Script, database_url: str, repository: Path
) -> AsyncIterator[Client]:
    """A client of an orchestrator; a test that takes this runs over SQLite and over Postgres."""
    async with AsyncExitStack() as stack:
        addresses = await stack.enter_async_context(doubles(script, tmp_path / "doubles"))
        yield await stack.enter_async_context(
            an_orchestrator(tmp_path / "orchestrator", addresses, database_url, repository)
        )
