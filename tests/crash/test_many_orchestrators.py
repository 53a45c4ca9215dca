"""Orchestrators with nothing in common but a database and the project's remote: one goes on for another."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from autopack.api.orchestrator.v1 import orchestrator_service_pb2, run_pb2
from autopack.api.orchestrator.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from autopack.rpc.channel import create_channel
from autopack.rpc.errors import call
from autopack.testing import faults
from autopack.testing.postgres import create_database
from tests.crash.scene import ROOT, Process, git, git_server
from tests.orchestrator_svc.conftest import a_plan
from tests.orchestrator_svc.doubles import Addresses, Script, doubles

LEASE_SECONDS = 2.0
NAMES = ("a", "b", "c")
CHAIN = a_plan("first", ("second", ["first"]))
PHASES = ["first", "second"]


@dataclass
class Orchestrators:
    """Their processes and what a client asks of them."""

    root: Path
    url: str
    database: str
    addresses: Addresses
    script: Script
    processes: dict[str, Process]

    def start(self, name: str, **environ: str) -> None:
        directory = self.root / name
        directory.mkdir(mode=0o700, exist_ok=True)
        own = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "AUTOPACK_ADDRESS": f"unix:{directory}/o.sock",
            "AUTOPACK_DIRECTORY": str(directory),
            "AUTOPACK_DATABASE_URL": self.database,
            "AUTOPACK_EXECUTOR_ID": name,
            "AUTOPACK_LEASE_SECONDS": str(LEASE_SECONDS),
            "OTEL_SDK_DISABLED": "true",
        }
        for service in ("builder", "auditor", "gate", "memory"):
            own[f"AUTOPACK_{service.upper()}_ADDRESS"] = getattr(self.addresses, service)
        process = self.processes[name] = Process("orchestrator_svc", (), own, self.root / f"{name}.log")
        process.start(**environ)

    def send(self, name: str, number: signal.Signals) -> None:
        process = self.processes[name].process
        assert process is not None
        process.send_signal(number)
        if number == signal.SIGKILL:
            process.wait()

    async def submit(self, name: str, run_id: str) -> None:
        async with create_channel(f"unix:{self.root}/{name}/o.sock") as channel:
            request = orchestrator_service_pb2.SubmitRunRequest(
                request_id=run_id,
                run_id=run_id,
                plan=CHAIN,
                repository=run_pb2.Repository(url=f"{self.url}/project"),
            )
            await call(OrchestratorServiceStub(channel).SubmitRun(request, wait_for_ready=True, timeout=60))

    async def ended(self, name: str, run_ids: Sequence[str]) -> dict[str, run_pb2.Run]:
        """The runs when all of them have ended, as one orchestrator sees them."""
        found: dict[str, run_pb2.Run] = {}
        async with asyncio.timeout(200), create_channel(f"unix:{self.root}/{name}/o.sock") as channel:
            stub = OrchestratorServiceStub(channel)
            while len(found) < len(run_ids):
                for run_id in run_ids:
                    request = orchestrator_service_pb2.GetRunRequest(run_id=run_id)
                    run = (await call(stub.GetRun(request))).run
                    if run.HasField("end_time"):
                        found[run_id] = run
                await asyncio.sleep(0.1)
        return found

    def landed(self, run_id: str) -> list[str]:
        form = "--format=%(trailers:key=Autopack-Phase,valueonly,separator=)"
        return git(self.root / "project", "log", "--reverse", form, f"main..autopack/{run_id}").splitlines()


async def until(holds: Callable[[], bool]) -> None:
    """Returns when it holds what another process has to bring about."""
    async with asyncio.timeout(120):
        while not holds():  # noqa: ASYNC110  # no event of ours can tell
            await asyncio.sleep(0.05)


@pytest.fixture
async def orchestrators(tmp_path: Path, postgres_url: str) -> AsyncIterator[Orchestrators]:
    """None is started yet."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "README.md").write_text("A project.\n")
    git(project, "init", "-q", "-b", "main")
    git(project, "add", "-A")
    git(project, "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "-q", "-m", "Begin")
    script = Script()
    async with AsyncExitStack() as stack:
        addresses = await stack.enter_async_context(doubles(script, tmp_path / "doubles"))
        url = stack.enter_context(git_server(tmp_path))
        all_of_them = Orchestrators(tmp_path, url, create_database(postgres_url), addresses, script, {})
        yield all_of_them
        for process in all_of_them.processes.values():
            assert process.process is not None
            process.process.kill()
            process.process.wait()


async def test_when_one_of_three_is_killed_the_others_finish_its_runs(orchestrators: Orchestrators) -> None:
    for name in NAMES:
        orchestrators.start(name)
    run_ids = [f"{name}{number}" for name in NAMES for number in range(10)]
    await asyncio.gather(*(orchestrators.submit(run_id[0], run_id) for run_id in run_ids))
    await orchestrators.script.until(lambda: len(orchestrators.script.builds) >= 30)
    orchestrators.send("a", signal.SIGKILL)

    runs = await orchestrators.ended("b", run_ids)

    assert {run_id: run.state for run_id, run in runs.items()} == dict.fromkeys(
        run_ids, run_pb2.RUN_STATE_SUCCEEDED
    )
    assert {run_id: orchestrators.landed(run_id) for run_id in run_ids} == dict.fromkeys(run_ids, PHASES)
    asked = Counter(request.request_id for request in orchestrators.script.builds)
    assert set(asked.values()) == {1}


@pytest.mark.parametrize(
    "point",
    [
        "before commit orchestrator_svc.steps:Steps._change < orchestrator_svc.steps:Steps.land#1",
        "before git push#1",
        "after git push#1",
    ],
)
async def test_one_that_wakes_up_when_its_lease_is_gone_lands_nothing(
    orchestrators: Orchestrators, point: str
) -> None:
    log = orchestrators.root / "passed"
    orchestrators.start("a", **{faults.POINT: point, faults.SIGNAL: "SIGSTOP", faults.LOG: str(log)})
    await orchestrators.submit("a", "r")
    name = point.partition("#")[0]
    await until(lambda: log.exists() and name in log.read_text().splitlines())
    orchestrators.start("b")
    async with create_channel(f"unix:{orchestrators.root}/b/o.sock") as channel:
        await channel.channel_ready()
    runs = await orchestrators.ended("b", ["r"])
    before = git(orchestrators.root / "project", "for-each-ref")
    orchestrators.send("a", signal.SIGCONT)
    seen = runs["r"]
    # It finds out as soon as it wants to write or to renew its lease, and says so.
    said = orchestrators.processes["a"].log
    told = ("driven by somebody else", "driven by another orchestrator")
    await until(lambda: any(words in said.read_text() for words in told))

    assert seen.state == run_pb2.RUN_STATE_SUCCEEDED
    assert orchestrators.landed("r") == PHASES
    assert git(orchestrators.root / "project", "for-each-ref") == before
    assert (await orchestrators.ended("b", ["r"]))["r"] == seen
