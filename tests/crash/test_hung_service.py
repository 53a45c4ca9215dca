"""A service that hangs instead of dying: the run that asks it halts with a code, and can go on."""

import asyncio
import signal
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from autopack.api.orchestrator.v1 import orchestrator_service_pb2 as messages
from autopack.api.orchestrator.v1 import run_pb2
from autopack.rpc import client
from autopack.rpc.errors import call
from orchestrator_svc import work
from tests.crash.test_budgets_across_crashes import Mortal
from tests.orchestrator_svc.conftest import a_plan, an_orchestrator, git
from tests.orchestrator_svc.doubles import Script, doubles


async def test_a_run_halts_when_its_builder_hangs_and_goes_on_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of ours, which take half a minute; one that hangs in the midst of a build is found out within 90 s.
    monkeypatch.setattr(work, "START_SECONDS", 1)
    monkeypatch.setattr(client, "UNARY_SECONDS", 3.0)
    repository = tmp_path / "project"
    repository.mkdir()
    (repository / "README.md").write_text("A project.\n")
    git(repository, "init", "-q", "-b", "main")
    git(repository, "add", "-A")
    git(repository, "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "-q", "-m", "Begin")
    (tmp_path / "builder").mkdir(mode=0o700)
    mortal = Mortal(tmp_path / "builder")
    mortal.process.start()
    process = mortal.process.process
    assert process is not None
    plan = a_plan("one", ("two", ["one"]))
    for phase in plan.phases:
        phase.builder.command.run = f"echo >{phase.phase_id}.txt"
    script = Script(hold_gate={"one": asyncio.Event()})
    try:
        async with AsyncExitStack() as stack:
            addresses = await stack.enter_async_context(doubles(script, tmp_path / "doubles"))
            orchestrator = await stack.enter_async_context(
                an_orchestrator(
                    tmp_path / "orchestrator",
                    replace(addresses, builder=mortal.address),
                    "",
                    repository,
                    patience_seconds=1.0,
                )
            )
            await orchestrator.submit(plan)
            await script.until(lambda: bool(script.gates))
            process.send_signal(signal.SIGSTOP)
            script.hold_gate["one"].set()
            halted = await orchestrator.stopped()
            process.send_signal(signal.SIGCONT)
            await call(
                orchestrator.stub.ResumeRun(messages.ResumeRunRequest(request_id="again", run_id="r1"))
            )
            run = await orchestrator.stopped()
    finally:
        process.kill()
        process.wait()

    assert halted.state == run_pb2.RUN_STATE_RUNNING
    assert [reason.code for reason in halted.reasons] == ["DEADLINE_EXCEEDED", "RUN_HALTED"]
    assert run.state == run_pb2.RUN_STATE_SUCCEEDED
