"""The branch that a run is to move has moved: its train goes again on it, a bounded number of times."""

import asyncio
from pathlib import Path
from unittest.mock import Mock

import pytest

from autopack.api.orchestrator.v1 import orchestrator_service_pb2, run_pb2
from autopack.api.plan.v1 import plan_pb2
from autopack.errors import Reason, Unavailable
from autopack.rpc.errors import call
from orchestrator_svc import moved_target
from orchestrator_svc.domain.run import Run
from orchestrator_svc.moved_target import REPLAYS
from orchestrator_svc.projects import Project
from tests.orchestrator_svc.conftest import Client, a_plan, git
from tests.orchestrator_svc.doubles import ACCEPT, NEEDS_APPROVAL, REJECT, Script

FORWARD = plan_pb2.LANDING_FAST_FORWARD


def commit(repository: Path, path: str, text: str) -> str:
    """Somebody commits to main."""
    (repository / path).write_text(text)
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", f"Write {path}")
    return git(repository, "rev-parse", "main")


async def moved_while_judged(client: Client, script: Script, path: str, text: str) -> str:
    """Submits two phases and commits to main while the second one is judged; the commit."""
    script.hold_gate["two"] = asyncio.Event()
    await client.submit(a_plan("one", ("two", ["one"]), landing=FORWARD))
    await script.until(lambda: any("/two/" in gate.request_id for gate in script.gates))
    moved = commit(client.repository, path, text)
    script.hold_gate["two"].set()
    return moved


def subjects(repository: Path, span: str) -> list[str]:
    return git(repository, "log", "--reverse", "--format=%s", span).splitlines()


async def test_the_train_goes_again_on_the_moved_branch(client: Client, script: Script) -> None:
    moved = await moved_while_judged(client, script, "other.txt", "other\n")
    run = await client.stopped()

    assert run.state == run_pb2.RUN_STATE_SUCCEEDED
    assert subjects(client.repository, f"{moved}..main") == ["Do one", "Do two"]
    assert run.base == moved
    assert git(client.repository, "rev-parse", "main") == run.head
    assert git(client.repository, "rev-parse", "autopack/r1") == run.head
    assert git(client.repository, "status", "--porcelain") == ""
    assert (client.repository / "other.txt").exists()
    # Built once, judged on each base, under the policy of each.
    assert [request.phase.phase_id for request in script.builds] == ["one", "two"]
    assert [gate.policy_commit == moved for gate in script.gates] == [False, False, True, True]
    assert [event.sequence for event in client.events] == list(range(1, len(client.events) + 1))


async def test_a_change_that_does_not_fit_there_is_built_again(client: Client, script: Script) -> None:
    moved = await moved_while_judged(client, script, "two.txt", "somebody else's\n")
    run = await client.stopped()

    assert run.state == run_pb2.RUN_STATE_SUCCEEDED
    assert [len(phase.attempts) for phase in run.phases] == [1, 2]
    assert run.phases[1].attempts[0].reasons[0].code == "MERGE_CONFLICT"
    assert subjects(client.repository, f"{moved}..main") == ["Do one", "Do two"]


async def test_what_is_refused_on_the_moved_branch_does_not_land_there(
    client: Client, script: Script
) -> None:
    script.decide = lambda phase, attempt, approved: (
        REJECT if phase == "two" and script.gates[-1].policy_commit == moved else ACCEPT
    )
    moved = ""
    moved = await moved_while_judged(client, script, "other.txt", "other\n")
    run = await client.stopped()

    assert run.state == run_pb2.RUN_STATE_FAILED
    assert [phase.state for phase in run.phases] == [
        run_pb2.PHASE_STATE_LANDED,
        run_pb2.PHASE_STATE_FAILED,
    ]
    assert git(client.repository, "rev-parse", "main") == moved
    assert client.landed() == ["one"]


async def test_an_approval_still_holds_for_the_same_change(client: Client, script: Script) -> None:
    script.decide = lambda phase, attempt, approved: ACCEPT if approved or phase == "one" else NEEDS_APPROVAL
    await client.submit(a_plan("one", ("two", ["one"]), landing=FORWARD))
    waiting = await client.stopped()
    moved = commit(client.repository, "other.txt", "other\n")
    await client.approve("two", waiting.phases[1].approval.digest)
    run = await client.stopped()

    assert run.state == run_pb2.RUN_STATE_SUCCEEDED
    assert subjects(client.repository, f"{moved}..main") == ["Do one", "Do two"]


async def test_a_branch_that_never_stands_still_is_given_up(client: Client, script: Script) -> None:
    """It moves whenever a change is judged, so that no landing finds it where it was."""

    def moving(phase: str, attempt: int, approved: bool) -> int:
        commit(client.repository, "other.txt", f"{len(script.gates)}\n")
        return ACCEPT

    script.decide = moving  # type: ignore[assignment]  # the enum's own type is known to type checkers only
    run = await client.run(a_plan("one", landing=FORWARD))

    assert run.state == run_pb2.RUN_STATE_FAILED
    assert run.reasons[0].code == "TARGET_MOVED"
    assert run.reasons[0].fix
    assert len(script.gates) == 1 + REPLAYS
    assert client.landed() == ["one"]


async def test_a_run_that_somebody_has_merged_is_done(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = moved_target._move

    def merged_first(project: Project, run: Run, branch: str) -> tuple[Reason, ...]:
        commit(client.repository, "other.txt", "other\n")
        git(client.repository, "merge", "-q", "--no-edit", "autopack/r1")
        return move(project, run, branch)

    monkeypatch.setattr(moved_target, "_move", merged_first)
    run = await client.run(a_plan("one", landing=FORWARD))

    assert run.state == run_pb2.RUN_STATE_SUCCEEDED
    assert client.landed() == []


async def test_cut_off_between_refs_and_rows_it_goes_again_all_the_same(
    client: Client, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = Unavailable(Reason("DATABASE_UNAVAILABLE", "gone", ""))
    with monkeypatch.context() as patch:
        patch.setattr(moved_target, "replay_on", Mock(side_effect=gone))
        moved = await moved_while_judged(client, script, "other.txt", "other\n")
        halted = await client.stopped()
    resume = orchestrator_service_pb2.ResumeRunRequest(request_id="resume", run_id="r1")
    await call(client.stub.ResumeRun(resume))
    run = await client.stopped()

    assert halted.reasons[0].code == "DATABASE_UNAVAILABLE"
    assert run.state == run_pb2.RUN_STATE_SUCCEEDED
    assert subjects(client.repository, f"{moved}..main") == ["Do one", "Do two"]
