"""The GitHub action and the workflow that `init` writes: sound YAML, and scripts that do what they say."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from autopack.api.gate.v1 import verdict_pb2
from autopack.api.reason.v1 import reason_pb2
from autopack.cli.markdown_summary import append_summary
from autopack.cli.project_files import ACTION_PATH, ACTION_TEXT, CI_PATH, CI_TEXT

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load(ACTION_TEXT)
WORKFLOW = yaml.safe_load(CI_TEXT)
STEPS = ACTION["runs"]["steps"]
PROJECT = {
    "autopack.yaml": "version: 1\nchecks: [{name: tests, run: 'grep -q 4 a', reports: none}]\n",
    "a": "4\n",
}


def step(name: str) -> dict[str, Any]:
    (found,) = [each for each in STEPS if each.get("name") == name]
    return dict(found)


def test_the_action_is_published_at_the_root_too() -> None:
    assert (ROOT / "action.yml").read_text() == ACTION_TEXT


def test_init_writes_a_workflow_that_uses_the_action(invoke: Any, repository: Any) -> None:
    invoke("init", "--repo", str(repository.path))
    assert (repository.path / ACTION_PATH).read_text() == ACTION_TEXT
    workflow = yaml.safe_load((repository.path / CI_PATH).read_text())
    uses = [each["uses"] for each in workflow["jobs"]["gate"]["steps"]]
    assert f"./{Path(ACTION_PATH).parent}" in uses


def test_it_judges_pull_requests_and_merge_groups_with_the_least_rights() -> None:
    assert set(WORKFLOW[True]) == {"pull_request", "merge_group"}  # YAML 1.1 reads `on` as true
    assert WORKFLOW["permissions"] == {"contents": "read", "security-events": "write"}
    (checkout, _) = WORKFLOW["jobs"]["gate"]["steps"]
    assert checkout["with"] == {"fetch-depth": 0, "persist-credentials": False}


def test_it_has_the_form_of_a_composite_action() -> None:
    assert set(ACTION) == {"name", "description", "inputs", "outputs", "runs"}
    assert ACTION["runs"]["using"] == "composite"
    for each in STEPS:
        assert set(each) <= {
            *("name", "id", "if", "uses", "with", "run", "shell", "env", "working-directory"),
            "continue-on-error",
        }
        assert ("run" in each) == ("shell" in each) != ("uses" in each)
    for given in ACTION["inputs"].values():
        assert given["description"]
        assert isinstance(given["default"], str)
    assert all(output["value"].startswith("${{ steps.gate.outputs.") for output in ACTION["outputs"].values())
    named = set(re.findall(r"inputs\.([a-z-]+)", ACTION_TEXT))
    assert named == set(ACTION["inputs"])
    used = {name for each in WORKFLOW["jobs"]["gate"]["steps"] for name in each.get("with", {})}
    assert used - {"fetch-depth", "persist-credentials"} <= set(ACTION["inputs"])


def test_nothing_of_an_event_enters_a_shell_line() -> None:
    assert not any("${{" in each.get("run", "") for each in STEPS)


@pytest.fixture
def runner(tmp_path: Path, bytecode: Path) -> dict[str, str]:
    """The variables of a runner, with Autopack installed where the action puts it."""
    temporary = tmp_path / "runner"
    binaries = temporary / "autopack" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "autopack").write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m autopack.cli "$@"\n')
    (binaries / "autopack").chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AUTOPACK_", "OTEL_"))}
    return kept | {
        "RUNNER_TEMP": str(temporary),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "GITHUB_EVENT_NAME": "pull_request",
        "AUTOPACK_HOME": str(tmp_path / "home"),
        "PYTHONPYCACHEPREFIX": str(bytecode),
        "PYTHONPATH": str(ROOT),
    }


def run(
    name: str, directory: Path, environ: dict[str, str], **values: str
) -> subprocess.CompletedProcess[str]:
    """A step's script as the runner executes it, with these values for its expressions."""
    script = directory / ".git" / "step.sh"
    script.write_text(step(name)["run"])
    fixed = {key: value for key, value in step(name)["env"].items() if "${{" not in value}
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
        cwd=directory,
        env={**environ, **fixed, "BASE_IS_GIVEN": "false", "CATEGORY": "feature", "APPROVALS": "", **values},
        capture_output=True,
        text=True,
        timeout=240,
    )


def outputs(environ: dict[str, str]) -> dict[str, str]:
    lines = Path(environ["GITHUB_OUTPUT"]).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_a_pull_request_is_judged_against_what_it_is_merged_into(
    repository: Any, runner: dict[str, str]
) -> None:
    old = repository.commit(PROJECT, "first")
    repository.git("checkout", "-q", "-b", "topic")
    repository.commit({"b": "1\n"}, "topic")
    repository.git("checkout", "-q", "main")
    repository.commit({"a": "not any more\n"}, "the base has gone on, and broke the check")
    repository.git("merge", "-q", "--no-ff", "-m", "merge", "topic")
    ended = run("Gate", repository.path, runner, BASE=old, HEAD_REVISION="HEAD")
    assert (ended.returncode, outputs(runner)["verdict"]) == (1, "REJECT"), ended.stderr
    summary = Path(runner["GITHUB_STEP_SUMMARY"]).read_text()
    assert "### Autopack: refused" in summary
    assert "CHECK\\_FAILED" in summary
    # Only what the topic changes was judged: one new file, of one line.
    assert "Risk 0 of 100" in summary


def test_a_merge_group_is_judged_as_it_is_named(repository: Any, runner: dict[str, str]) -> None:
    base = repository.commit(PROJECT, "first")
    head = repository.commit({"b": "1\n"}, "second")
    runner["GITHUB_EVENT_NAME"] = "merge_group"
    ended = run("Gate", repository.path, runner, BASE=base, HEAD_REVISION=head)
    assert (ended.returncode, outputs(runner)["verdict"]) == (0, "ACCEPT"), ended.stderr
    assert Path(outputs(runner)["sarif"]).read_text().startswith("{")
    assert "### Autopack: accepted" in Path(runner["GITHUB_STEP_SUMMARY"]).read_text()


def test_what_gave_no_verdict_is_an_error(repository: Any, runner: dict[str, str], tmp_path: Path) -> None:
    base = repository.commit(PROJECT, "first")
    repository.commit({"b": "1\n"}, "second")
    repository.git("clone", "-q", "--depth=1", f"file://{repository.path}", str(tmp_path / "shallow"))
    ended = run("Gate", tmp_path / "shallow", runner, BASE=base, HEAD_REVISION="HEAD")
    assert (ended.returncode, outputs(runner)) == (2, {"verdict": "ERROR"})
    assert "SHALLOW_REPOSITORY" in ended.stderr
    assert "no verdict" in Path(runner["GITHUB_STEP_SUMMARY"]).read_text()


def test_a_name_is_never_an_option_or_a_command(
    repository: Any, runner: dict[str, str], tmp_path: Path
) -> None:
    base = repository.commit(PROJECT, "first")
    hostile = {
        "BASE": f"{base}",
        "HEAD_REVISION": "--sarif=/x",
        "CATEGORY": "$(touch ran)",
        "APPROVALS": "-h",
    }
    for name, value in {**hostile, "BASE": "; touch ran"}.items():
        values = {"BASE": base, "HEAD_REVISION": "HEAD"} | {name: value}
        assert run("Gate", repository.path, runner, **values).returncode in (1, 2)
    assert not list(tmp_path.rglob("ran"))


def test_where_it_is_installed_from_must_be_said(
    repository: Any, runner: dict[str, str], tmp_path: Path
) -> None:
    ended = run("Install Autopack", repository.path, runner, REQUIREMENT="", GITHUB_ACTION_PATH=str(tmp_path))
    assert ended.returncode == 4
    assert "requirement" in ended.stderr


def test_the_summary_shows_names_as_they_are(tmp_path: Path) -> None:
    hostile = "a|b\n::add-mask::x\n<img src=x> ##[error]"
    verdict = verdict_pb2.Verdict(
        decision=verdict_pb2.DECISION_NEEDS_APPROVAL,
        reasons=[reason_pb2.Reason(code="NEW_FAILURES", message=hostile, fix="mend", path=hostile, line=3)],
        checks=[verdict_pb2.CheckResult(name=hostile, outcome=verdict_pb2.CHECK_OUTCOME_FAILED)],
        risk=verdict_pb2.Risk(
            score=20, level="low", factors=[verdict_pb2.RiskFactor(name="size", points=20, detail=hostile)]
        ),
    )
    append_summary(tmp_path / "summary.md", verdict)
    append_summary(tmp_path / "summary.md", verdict)
    text = (tmp_path / "summary.md").read_text()
    assert text.count("### Autopack: needs a person's approval") == 2
    assert "<img" not in text
    assert "##[" not in text
    assert not re.search(r"^\s*::", text, re.MULTILINE)
    for row in [line for line in text.splitlines() if line.startswith("| ")]:
        assert len(re.findall(r"(?<!\\)\|", row)) in (5, 10)
