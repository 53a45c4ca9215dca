"""What can be known before a run starts is refused then, and nothing has changed."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from autopack.api.orchestrator.v1 import orchestrator_service_pb2, run_pb2
from autopack.api.plan.v1 import plan_pb2
from autopack.errors import AlreadyExists, AutopackError, InvalidInput, Unavailable
from autopack.rpc.errors import call
from tests.orchestrator_svc.conftest import Client, a_plan, an_orchestrator, git
from tests.orchestrator_svc.doubles import Script, doubles

POLICY = "version: 1\nchecks: [{name: check, run: 'true', reports: none}]\n"
README = "--- a/README.md\n+++ b/README.md\n@@ -1 +1 @@\n-{}\n+{}\n"
OLD = "A project."


@pytest.fixture
async def client(tmp_path: Path, script: Script, repository: Path) -> AsyncIterator[Client]:
    """A client of an orchestrator on SQLite: what is refused here never gets to the database."""
    url = f"sqlite:///{tmp_path / 'orchestrator.db'}"
    async with (
        doubles(script, tmp_path / "doubles") as addresses,
        an_orchestrator(tmp_path / "orchestrator", addresses, url, repository) as client,
    ):
        yield client


def commit(repository: Path, name: str, text: str) -> str:
    (repository / name).write_text(text)
    git(repository, "add", "--force", name)
    git(repository, "commit", "-q", "-m", name)
    return git(repository, "rev-parse", "HEAD")


def patches(*phases: tuple[str, list[str], str]) -> plan_pb2.Plan:
    """A plan of ready patches: name, dependencies, diff."""
    plan = a_plan(*((name, depends_on) for name, depends_on, _ in phases))
    for phase, (_, _, diff) in zip(plan.phases, phases, strict=True):
        phase.builder.patch.diff = diff
    return plan


async def refusal(client: Client, plan: plan_pb2.Plan, run_id: str = "r1") -> AutopackError:
    """Why the plan is refused, after which neither rows nor refs are others than before."""
    refs = git(client.repository, "for-each-ref")
    with pytest.raises(AutopackError) as caught:
        await client.submit(plan, run_id)
    assert git(client.repository, "for-each-ref") == refs
    listed = await call(client.stub.ListRuns(orchestrator_service_pb2.ListRunsRequest()))
    assert [run.run_id for run in listed.runs] == []
    return caught.value


async def test_a_patch_that_does_not_fit_the_base_is_refused(client: Client) -> None:
    error = await refusal(client, patches(("a", [], README.format("Other", "new"))))
    assert isinstance(error, InvalidInput)
    (reason,) = error.reasons
    assert (reason.code, reason.path, reason.line) == ("PATCH_DOES_NOT_APPLY", "README.md", 1)
    assert reason.message.startswith("phase `a`: ")


async def test_a_patch_that_an_earlier_phase_makes_fit_is_not_refused(client: Client, script: Script) -> None:
    script.files = lambda phase, attempt: {"README.md": {"a": "Second\n", "b": "Third\n"}[phase]}
    plan = patches(("a", [], README.format(OLD, "Second")), ("b", ["a"], README.format("Second", "Third")))
    run = await client.run(plan)
    assert run.state == run_pb2.RUN_STATE_SUCCEEDED


async def test_what_fits_no_base_is_refused_whatever_comes_before(client: Client) -> None:
    escaping = README.format(OLD, "x").replace("README.md", ".github/x")
    plan = patches(("a", [], README.format(OLD, "Second")), ("b", ["a"], escaping), ("c", ["a"], "garbage"))
    error = await refusal(client, plan)
    assert [reason.code for reason in error.reasons] == ["PATH_PROTECTED", "PATCH_INVALID"]


async def test_a_plan_without_checks_is_refused_where_the_policy_has_none(client: Client) -> None:
    plan = a_plan("a")
    del plan.phases[0].checks[:]
    assert [reason.code for reason in (await refusal(client, plan)).reasons] == ["NO_CHECKS"]
    commit(client.repository, "autopack.yaml", POLICY)
    assert (await client.run(plan)).state == run_pb2.RUN_STATE_SUCCEEDED


async def test_a_category_that_nobody_knows_is_refused(client: Client) -> None:
    plan = a_plan("a")
    plan.phases[0].category = "secruity_auth_change"
    (reason,) = (await refusal(client, plan)).reasons
    assert reason.code == "UNKNOWN_CATEGORY"
    assert "`security_auth_change`" in reason.fix


async def test_a_policy_that_is_not_committed_is_told_with_the_command_that_commits_it(
    client: Client,
) -> None:
    (client.repository / "autopack.yaml").write_text(POLICY)
    (client.repository / ".gitignore").write_text("autopack.yaml\n")
    (reason,) = (await refusal(client, a_plan("a"))).reasons
    assert reason.code == "POLICY_NOT_COMMITTED"
    git_add, git_commit = reason.fix.split(" && ")
    git(client.repository, *git_add.split()[3:])
    git(client.repository, "commit", "-m", "Add the policy", "--", "autopack.yaml")
    assert git_commit.endswith("commit -m 'Add the policy' -- autopack.yaml")
    await client.run(a_plan("a"))


@pytest.mark.parametrize("staged", [False, True])
async def test_edits_of_the_policy_that_are_not_committed_would_not_count_and_are_told(
    client: Client, staged: bool
) -> None:
    first = commit(client.repository, "autopack.yaml", POLICY)
    (client.repository / "autopack.yaml").write_text(POLICY + "paths: {protect: ['README.md']}\n")
    if staged:
        git(client.repository, "add", "autopack.yaml")
    (reason,) = (await refusal(client, a_plan("a"))).reasons
    assert reason.code == "POLICY_NOT_COMMITTED"
    assert "edited" in reason.message
    restore = reason.fix.split("drop the edits: ")[1]
    git(client.repository, *restore.split()[3:])
    await client.run(a_plan("a"), "r1")

    commit(client.repository, "other.txt", "x")
    (client.repository / "autopack.yaml").write_text("version: 1\n")
    await client.run(a_plan("a", base=first), "r2")  # nobody edits the policy of that commit


async def test_a_policy_that_the_base_does_not_have_yet_is_told(client: Client) -> None:
    git(client.repository, "checkout", "-q", "-b", "adopt")
    commit(client.repository, "autopack.yaml", POLICY)
    (reason,) = (await refusal(client, a_plan("a"))).reasons
    assert reason.code == "POLICY_NOT_COMMITTED"
    assert "'main'" in reason.message
    await client.run(a_plan("a", base="HEAD"))


async def test_a_sandbox_that_the_machine_lacks_is_missed_before_the_run(
    client: Client, script: Script
) -> None:
    script.tiers = ("landlock",)
    commit(client.repository, "autopack.yaml", POLICY + "sandbox: {tier: namespaces}\n")
    error = await refusal(client, a_plan("a"))
    assert isinstance(error, Unavailable)
    assert [reason.code for reason in error.reasons] == ["SANDBOX_UNAVAILABLE"]
    script.tiers = ("namespaces",)
    await client.run(a_plan("a"))


@pytest.mark.parametrize("run_id", ["a..b", "a.lock", "a.", "tidy-1"])
async def test_a_run_id_that_git_cannot_branch_on_is_refused_of_any_client(
    client: Client, run_id: str
) -> None:
    error = await refusal(client, a_plan("a"), run_id)
    assert isinstance(error, InvalidInput)
    assert [reason.code for reason in error.reasons] == ["RUN_ID_INVALID"]


@pytest.mark.parametrize("branch", ["autopack", "autopack/r1"])
async def test_a_branch_in_the_way_of_the_runs_own_is_told(client: Client, branch: str) -> None:
    git(client.repository, "branch", branch)
    error = await refusal(client, a_plan("a"))
    assert isinstance(error, AlreadyExists)
    assert [reason.code for reason in error.reasons] == ["BRANCH_EXISTS"]


async def test_a_run_is_found_again_though_its_own_commits_are_in_the_base_by_now(
    client: Client, script: Script
) -> None:
    script.files = lambda phase, attempt: {"README.md": "Second\n"}
    plan = patches(("a", [], README.format(OLD, "Second")))
    plan.landing = plan_pb2.LANDING_FAST_FORWARD
    run = await client.run(plan)
    assert git(client.repository, "rev-parse", "main") == run.head
    assert (await client.submit(plan)).head == run.head
