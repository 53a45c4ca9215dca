"""A gate that loses its store between verdict and landing: what it signed is kept, or it judges again."""

import asyncio
from collections.abc import Callable

import pytest

from autopack.api.orchestrator.v1 import orchestrator_service_pb2, run_pb2
from autopack.attestation.storage import change_file, ref_of
from autopack.errors import Reason
from autopack.rpc.errors import call
from orchestrator_svc.domain.refusal import Halt
from orchestrator_svc.domain.run import Landing
from orchestrator_svc.projects import Project
from tests.orchestrator_svc.conftest import Client, a_plan, git
from tests.orchestrator_svc.doubles import REJECT, Script

Land = Callable[[Project, Landing, bytes], None]


async def halted_while_landing(
    client: Client, script: Script, monkeypatch: pytest.MonkeyPatch, land: Land
) -> None:
    """A run whose phase was accepted, and whose gate has forgotten it by the time that it goes on."""
    with monkeypatch.context() as patched:
        patched.setattr(Project, "land", land)
        halted = await client.run(a_plan("one"))
    assert halted.reasons[0].code == "CUT_OFF"
    assert halted.phases[0].state == run_pb2.PHASE_STATE_LANDING
    script.forgotten.update(gate.request_id for gate in script.gates)


def cut_off(project: Project, landing: Landing, bundle: bytes) -> None:
    raise Halt(Reason("CUT_OFF", "before anything has landed"))


async def resumed(client: Client) -> run_pb2.Run:
    request = orchestrator_service_pb2.ResumeRunRequest(request_id="resume", run_id="r1")
    await call(client.stub.ResumeRun(request))
    return await client.stopped()


async def test_what_had_not_landed_is_judged_again_and_lands(
    client: Client, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    await halted_while_landing(client, script, monkeypatch, cut_off)
    run = await resumed(client)

    assert run.state == run_pb2.RUN_STATE_SUCCEEDED
    assert len(script.builds) == 1
    assert len({gate.request_id for gate in script.gates}) == 2
    assert client.landed() == ["one"]


async def test_what_is_refused_then_does_not_land(
    client: Client, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    await halted_while_landing(client, script, monkeypatch, cut_off)
    script.decide = lambda phase, attempt, approved: REJECT
    run = await resumed(client)

    assert run.state == run_pb2.RUN_STATE_FAILED
    assert git(client.repository, "branch", "--list", "autopack/*") == ""


async def test_what_had_landed_is_not_judged_again(
    client: Client, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    land = Project.land

    def cut_off_afterwards(project: Project, landing: Landing, bundle: bytes) -> None:
        land(project, landing, bundle)
        raise Halt(Reason("CUT_OFF", "when it has landed"))

    await halted_while_landing(client, script, monkeypatch, cut_off_afterwards)
    run = await resumed(client)

    assert run.state == run_pb2.RUN_STATE_SUCCEEDED
    assert len(script.gates) == 1
    assert client.landed() == ["one"]
    kept = await asyncio.to_thread(git, client.repository, "show", f"{ref_of('r1')}:{change_file(run.head)}")
    assert kept == script.gates[0].request_id
