"""AUTOPACK_ANCHOR_COMMAND: storage of the operator's gets what was signed of a run, or it does not end."""

from pathlib import Path

from autopack.api.orchestrator.v1 import orchestrator_service_pb2, run_pb2
from autopack.attestation.storage import RUN_FILE, ref_of
from autopack.rpc.errors import call
from tests.orchestrator_svc.conftest import a_plan, an_orchestrator, git
from tests.orchestrator_svc.doubles import Script, doubles


async def test_the_hook_gets_the_statement_that_the_repository_has(
    tmp_path: Path, script: Script, repository: Path
) -> None:
    kept = tmp_path / "worm"
    async with (
        doubles(script, tmp_path / "doubles") as addresses,
        an_orchestrator(
            tmp_path / "o",
            addresses,
            f"sqlite:///{tmp_path}/o.db",
            repository,
            anchor_command=f"cat >> {kept}",
        ) as client,
    ):
        run = await client.run(a_plan("one"))

    assert run.state == run_pb2.RUN_STATE_SUCCEEDED
    assert kept.read_text() == git(repository, "show", f"{ref_of('r1')}:{RUN_FILE}")


async def test_a_run_ends_only_when_the_hook_has_taken_it(
    tmp_path: Path, script: Script, repository: Path
) -> None:
    kept, open_now = tmp_path / "worm", tmp_path / "open"
    hook = f"test -e {open_now} || {{ echo storage is closed >&2; exit 7; }}; cat >> {kept}"
    async with (
        doubles(script, tmp_path / "doubles") as addresses,
        an_orchestrator(
            tmp_path / "o",
            addresses,
            f"sqlite:///{tmp_path}/o.db",
            repository,
            anchor_command=hook,
            patience_seconds=0.1,
        ) as client,
    ):
        halted = await client.run(a_plan("one"))
        open_now.touch()
        resume = orchestrator_service_pb2.ResumeRunRequest(request_id="resume", run_id="r1")
        await call(client.stub.ResumeRun(resume))
        run = await client.stopped()

    assert (halted.state, halted.reasons[0].code) == (run_pb2.RUN_STATE_RUNNING, "ANCHOR_HOOK_FAILED")
    assert "storage is closed" in halted.reasons[0].message
    assert run.state == run_pb2.RUN_STATE_SUCCEEDED
    assert kept.read_text()
