"""The flow of a run, over SQLite and over Postgres: what lands, in which order, and after which refusals."""

import asyncio
from pathlib import Path

import pytest

from autopack.api.orchestrator.v1 import orchestrator_service_pb2, run_pb2
from autopack.api.plan.v1 import plan_pb2
from autopack.errors import AlreadyExists, FailedPrecondition, InvalidInput, Reason
from autopack.rpc.errors import call
from tests.orchestrator_svc.conftest import Client, a_plan, an_orchestrator, git
from tests.orchestrator_svc.doubles import ACCEPT, NEEDS_APPROVAL, REJECT, Script, doubles


def states(run: run_pb2.Run) -> dict[str, str]:
    """State by phase."""
    return {
        phase.phase_id: run_pb2.PhaseState.Name(phase.state).removeprefix("PHASE_STATE_")
        for phase in run.phases
    }


async def test_a_phase_lands_as_one_commit_with_its_trailers(client: Client) -> None:
    run = await client.run(a_plan("one"))

    assert run.state == run_pb2.RUN_STATE_SUCCEEDED
    body = git(client.repository, "log", "-1", "--format=%B", "autopack/r1")
    assert body.splitlines()[0] == "Do one"
    assert "Autopack-Run: r1" in body
    assert "Autopack-Attempt: 1" in body
    assert f"Autopack-Verdict: sha256:{run.phases[0].verdict.decision_digest}" in body
    assert git(client.repository, "show", "autopack/r1:one.txt") == "one 1"
    assert run.head == git(client.repository, "rev-parse", "autopack/r1")


async def test_phases_land_in_the_order_of_slots_whatever_ends_first(client: Client, script: Script) -> None:
    script.hold_gate["a"] = asyncio.Event()
    await client.submit(a_plan("a", "b", "c"))
    await script.until(lambda: len(script.gates) >= 3)
    script.hold_gate["a"].set()
    run = await client.stopped()

    assert run.state == run_pb2.RUN_STATE_SUCCEEDED
    assert client.landed() == ["a", "b", "c"]
    assert len(script.gates) == 3


async def test_a_diamond_is_built_on_what_it_depends_on(client: Client, script: Script) -> None:
    run = await client.run(a_plan("top", ("left", ["top"]), ("right", ["top"]), ("end", ["left", "right"])))

    assert client.landed() == ["top", "left", "right", "end"]
    commits = {phase.phase_id: phase.commit for phase in run.phases}
    bases = {request.phase.phase_id: request.base for request in script.builds}
    assert bases["left"] == bases["right"] == commits["top"]
    assert bases["end"] == commits["right"]


async def test_a_refused_attempt_hands_its_reasons_to_the_next(client: Client, script: Script) -> None:
    script.decide = lambda phase, attempt, approved: REJECT if attempt == 1 else ACCEPT
    run = await client.run(a_plan("one"))

    assert states(run) == {"one": "LANDED"}
    assert [reason.code for reason in script.builds[1].feedback] == ["SCRIPTED"]
    assert [attempt.state for attempt in run.phases[0].attempts] == [
        run_pb2.ATTEMPT_STATE_REFUSED,
        run_pb2.ATTEMPT_STATE_LANDED,
    ]


async def test_refusals_escalate_to_the_builder_that_the_policy_names_and_then_to_a_person(
    client: Client, script: Script
) -> None:
    model = "kind: model, endpoint: 'http://127.0.0.1:9/v1'"
    builders = f"{{weak: {{{model}, model: w, stronger: strong}}, strong: {{{model}, model: s}}}}"
    policy = f"version: 1\nbudget: {{attempts: 9}}\nbuilders: {builders}\n"
    (client.repository / "autopack.yaml").write_text(policy)
    git(client.repository, "add", "autopack.yaml")
    git(client.repository, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "Policy")
    plan = a_plan("one")
    plan.phases[0].builder.CopyFrom(plan_pb2.BuilderSpec(named=plan_pb2.NamedBuilder(use="weak")))
    plan.phases[0].scope.paths[:] = ["src/**"]
    plan.phases[0].budget.attempts = 9
    outside = Reason("PATH_OUT_OF_SCOPE", "lib/x.py is outside the phase's scope", "leave it", "lib/x.py")
    script.fail_build = lambda phase, attempt: (outside,)
    run = await client.run(plan)

    assert states(run) == {"one": "FAILED"}
    used = [request.phase.builder.named.use for request in script.builds]
    assert used == ["weak", "weak", "strong", "strong"]
    assert {tuple(request.phase.scope.paths) for request in script.builds} == {("src/**",)}
    assert [reason.code for reason in run.phases[0].reasons] == ["PATH_OUT_OF_SCOPE", "PLAN_PROPOSED"]
    assert "- lib/x.py" in run.phases[0].reasons[1].fix


async def test_what_memory_recalls_reaches_the_builder(client: Client, script: Script) -> None:
    await client.run(a_plan("one"))

    assert [text.entry_id for text in script.builds[0].recalled] == ["DBG-0001"]


async def test_a_phase_fails_when_its_attempts_are_spent(client: Client, script: Script) -> None:
    script.decide = lambda phase, attempt, approved: REJECT if phase == "bad" else ACCEPT
    run = await client.run(a_plan("bad", ("behind", ["bad"]), "other"))

    assert run.state == run_pb2.RUN_STATE_FAILED
    assert states(run) == {"bad": "FAILED", "behind": "SKIPPED", "other": "LANDED"}
    assert client.landed() == ["other"]
    assert [reason.code for reason in run.phases[0].reasons] == ["SCRIPTED"]
    assert [reason.code for reason in run.phases[1].reasons] == ["DEPENDENCY_NOT_LANDED"]


async def test_followers_of_a_refusal_are_judged_again_on_what_is_really_there(
    client: Client, script: Script
) -> None:
    script.hold_gate["bad"] = asyncio.Event()
    script.decide = lambda phase, attempt, approved: REJECT if phase == "bad" else ACCEPT
    await client.submit(a_plan("bad", "good"))
    await script.until(lambda: len(script.gates) >= 2)
    script.hold_gate["bad"].set()
    await client.stopped()

    good = [request for request in script.gates if "/good/" in request.request_id]
    assert len({request.base for request in good}) >= 2
    assert git(client.repository, "ls-tree", "--name-only", "autopack/r1").split() == [
        "README.md",
        "good.txt",
    ]


async def test_changes_that_conflict_are_built_again_on_the_head(client: Client, script: Script) -> None:
    script.files = lambda phase, attempt: {"shared.txt": f"{phase} {attempt}\n"}
    run = await client.run(a_plan("one", "two"))

    assert states(run) == {"one": "LANDED", "two": "LANDED"}
    assert [reason.code for reason in run.phases[1].attempts[0].reasons] == ["MERGE_CONFLICT"]
    assert script.builds[-1].base == run.phases[0].commit
    assert git(client.repository, "show", "autopack/r1:shared.txt") == "two 2"


async def test_a_run_waits_for_approval_and_others_go_on(client: Client, script: Script) -> None:
    script.decide = lambda phase, attempt, ok: ACCEPT if ok or phase != "risky" else NEEDS_APPROVAL
    plan = a_plan("risky", ("behind", ["risky"]), "other")
    run = await client.run(plan)

    assert run.state == run_pb2.RUN_STATE_WAITING_APPROVAL
    assert states(run) == {"risky": "WAITING_APPROVAL", "behind": "QUEUED", "other": "LANDED"}

    risky = next(phase for phase in run.phases if phase.phase_id == "risky")
    await client.approve("risky", risky.approval.digest)
    run = await client.stopped()

    assert run.state == run_pb2.RUN_STATE_SUCCEEDED
    assert client.landed() == ["other", "risky", "behind"]
    assert {phase.phase_id: phase.slot for phase in run.phases} == {"other": 3, "risky": 4, "behind": 5}


async def test_an_approval_of_another_change_is_stale(client: Client, script: Script) -> None:
    script.decide = lambda phase, attempt, approved: NEEDS_APPROVAL
    await client.run(a_plan("risky"))

    with pytest.raises(FailedPrecondition, match="APPROVAL_STALE"):
        await client.approve("risky", "0" * 64)


async def test_the_same_approval_twice_is_one(client: Client, script: Script) -> None:
    script.decide = lambda phase, attempt, approved: ACCEPT if approved else NEEDS_APPROVAL
    run = await client.run(a_plan("risky"))
    digest = run.phases[0].approval.digest
    await client.approve("risky", digest)
    await client.stopped()
    run = await client.approve("risky", digest)

    assert run.state == run_pb2.RUN_STATE_SUCCEEDED


async def test_a_rejection_fails_the_phase_and_what_depends_on_it(client: Client, script: Script) -> None:
    script.decide = lambda phase, attempt, approved: NEEDS_APPROVAL if phase == "risky" else ACCEPT
    await client.run(a_plan("risky", ("behind", ["risky"]), "other"))
    request = orchestrator_service_pb2.RejectPhaseRequest(
        request_id="reject", run_id="r1", phase_id="risky", why="Not in this release."
    )
    await call(client.stub.RejectPhase(request))
    run = await client.stopped()

    assert run.state == run_pb2.RUN_STATE_FAILED
    assert states(run) == {"risky": "FAILED", "behind": "SKIPPED", "other": "LANDED"}
    assert run.phases[-1].reasons or run.phases[0].reasons


async def test_cancel_stops_the_builder_and_keeps_what_landed(client: Client, script: Script) -> None:
    script.hold_build["slow"] = asyncio.Event()
    await client.submit(a_plan("quick", ("slow", ["quick"])))
    await script.until(lambda: len(script.builds) >= 2)
    request = orchestrator_service_pb2.CancelRunRequest(request_id="cancel", run_id="r1")
    run = (await call(client.stub.CancelRun(request))).run

    assert run.state == run_pb2.RUN_STATE_CANCELLED
    assert states(run) == {"quick": "LANDED", "slow": "CANCELLED"}
    assert client.landed() == ["quick"]
    await script.until(lambda: bool(script.cancelled))
    assert script.cancelled == ["r1/slow/1/build"]


async def test_the_same_run_id_and_plan_is_the_same_run(client: Client, script: Script) -> None:
    await client.run(a_plan("one"))
    again = await client.submit(a_plan("one"))

    assert again.state == run_pb2.RUN_STATE_SUCCEEDED
    assert len(script.builds) == 1


async def test_a_run_id_with_another_plan_is_refused(client: Client) -> None:
    await client.run(a_plan("one"))

    with pytest.raises(AlreadyExists, match="RUN_ID_IN_USE"):
        await client.submit(a_plan("two"))


async def test_a_provider_that_is_away_burns_no_attempt(client: Client, script: Script) -> None:
    away = [True]

    def fail(phase: str, attempt: int) -> tuple[Reason, ...]:
        return (Reason("BUILDER_UNAVAILABLE", "503", ""),) if away and away.pop() else ()

    script.fail_build = fail
    run = await client.run(a_plan("one"))

    assert run.state == run_pb2.RUN_STATE_SUCCEEDED
    assert len(run.phases[0].attempts) == 1


async def test_tokens_are_counted_and_what_is_left_is_granted(client: Client, script: Script) -> None:
    script.decide = lambda phase, attempt, approved: REJECT if attempt == 1 else ACCEPT
    plan = a_plan("one")
    plan.phases[0].budget.tokens = 1000
    run = await client.run(plan)

    assert [request.budget.tokens for request in script.builds] == [1000, 985]
    assert (run.usage.input_tokens, run.usage.output_tokens) == (20, 10)


async def test_what_a_failed_machine_has_spent_is_not_given_again(client: Client, script: Script) -> None:
    away = Reason("MODEL_UNAVAILABLE", "HTTP 503", "Try later.")
    script.fail_build = lambda phase, attempt: (away,) if len(script.builds) < 3 else ()
    plan = a_plan("one")
    plan.phases[0].budget.tokens = 1000
    run = await client.run(plan)

    assert [request.budget.tokens for request in script.builds] == [1000, 985, 970]
    assert len(run.phases[0].attempts) == 1
    assert (run.usage.input_tokens, run.usage.output_tokens) == (30, 15)


async def test_fast_forward_moves_the_base_branch_and_its_work_tree(client: Client) -> None:
    run = await client.run(a_plan("one", landing=plan_pb2.LANDING_FAST_FORWARD))

    assert run.state == run_pb2.RUN_STATE_SUCCEEDED
    assert git(client.repository, "rev-parse", "main") == run.head
    assert (client.repository / "one.txt").read_text() == "one 1\n"
    assert git(client.repository, "status", "--porcelain") == ""


async def test_the_record_of_an_ended_run_reaches_memory(client: Client, script: Script) -> None:
    run = await client.run(a_plan("one"))
    await script.until(lambda: bool(script.records))

    assert script.records[0].head == run.head
    assert list(script.records[0].phases[0].paths) == ["one.txt"]


async def test_events_have_numbers_without_gaps(client: Client) -> None:
    await client.run(a_plan("one", "two"))

    assert [event.sequence for event in client.events] == list(range(1, len(client.events) + 1))


async def test_runs_are_listed_page_by_page(client: Client) -> None:
    for name in ("r1", "r2", "r3"):
        await client.run(a_plan("one"), run_id=name)
    request = orchestrator_service_pb2.ListRunsRequest(page_size=2)
    first = await call(client.stub.ListRuns(request))
    request.page_token = first.next_page_token
    second = await call(client.stub.ListRuns(request))

    assert [run.run_id for run in [*first.runs, *second.runs]] == ["r3", "r2", "r1"]
    assert second.next_page_token == ""


async def test_the_same_plan_gives_the_same_commits(tmp_path: Path, script: Script, repository: Path) -> None:
    """Submission time is an input of a run, so it is held still here."""
    heads = []
    for name in ("first", "second"):
        copy = tmp_path / f"copy-{name}"
        git(tmp_path, "clone", "-q", str(repository), str(copy))
        async with (
            doubles(script, tmp_path / f"doubles-{name}") as addresses,
            an_orchestrator(tmp_path / name, addresses, "", copy, lambda: 1.7e9) as client,
        ):
            run = await client.run(a_plan("a", "b", ("c", ["a"])))
            heads.append(run.head)

    assert heads[0] == heads[1]


async def test_a_stopped_orchestrator_goes_on_when_it_starts_again(
    tmp_path: Path, script: Script, repository: Path, database_url: str
) -> None:
    script.hold_gate["two"] = asyncio.Event()
    async with doubles(script, tmp_path / "doubles") as addresses:
        async with an_orchestrator(tmp_path / "o", addresses, database_url, repository) as client:
            await client.submit(a_plan("one", ("two", ["one"])))
            await script.until(lambda: any("/two/" in gate.request_id for gate in script.gates))
        script.hold_gate["two"].set()
        async with an_orchestrator(tmp_path / "o", addresses, database_url, repository) as client:
            run = await client.stopped()

    assert run.state == run_pb2.RUN_STATE_SUCCEEDED
    assert client.landed() == ["one", "two"]
    assert len(script.builds) == 2


async def test_a_policy_that_is_not_committed_is_refused_before_the_run(client: Client) -> None:
    (client.repository / "autopack.yaml").write_text("version: 1\n")

    with pytest.raises(InvalidInput, match="POLICY_NOT_COMMITTED"):
        await client.submit(a_plan("one"))


async def test_the_same_change_again_says_what_it_was_refused_for(client: Client, script: Script) -> None:
    script.decide = lambda phase, attempt, approved: REJECT
    script.files = lambda phase, attempt: {"one.txt": "the same\n"}
    run = await client.run(a_plan("one"))

    assert [reason.code for reason in run.phases[0].reasons] == ["SAME_CHANGE_AGAIN", "SCRIPTED"]
