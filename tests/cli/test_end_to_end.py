"""Plans driven by the command over the real services: exit codes, documents, and what is printed."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

POLICY = """\
version: 1
project: calc
checks: [{name: tests, run: "python -m pytest -q -p no:cacheprovider", reports: pytest, timeout: 120}]
judge: {paths: ["tests/**"]}
approvals: {categories: [dependency]}
"""
PROJECT = {
    "autopack.yaml": POLICY,
    "calc.py": "def gcd(a, b):\n    return a\n",
    "requirements.txt": "# none\n",
    "tests/test_calc.py": (
        "import sys\nsys.path.insert(0, '.')\nfrom calc import gcd\n\n\n"
        "def test_gcd():\n    assert gcd(12, 18) == 6\n"
    ),
}
MENDED = "def gcd(a, b):\n    while b:\n        a, b = b, a % b\n    return abs(a)\n"


def phase(name: str, path: str, text: str, **more: Any) -> dict[str, Any]:
    """A phase that writes one file."""
    builder = {"kind": "patch", "files": {path: text}}
    return {"id": name, "goal": f"write {path}", "scope": {"paths": [path]}, "builder": builder, **more}


FIX = phase("fix", "calc.py", MENDED, category="bug_fix")
DOCUMENT = phase(
    "document", "docs/usage.md", "# Use\n\x1b[31mred\x1b[0m\n", depends_on=["fix"], category="docs"
)
DEPEND = phase("depend", "requirements.txt", "python-escpos==3.1\n")
BREAK = phase("break", "calc.py", "def gcd(a, b):\n    return 7\n")


@pytest.fixture(scope="module")
def world(make_world: Any) -> Iterator[Any]:
    """A repository, and a resident all-in-one that makes commands quick."""
    with make_world(PROJECT) as found:
        yield found


@pytest.fixture(scope="module")
def landed(world: Any) -> Any:
    """The document of a run that succeeded."""
    return world.run("landed", FIX, DOCUMENT, name="mend")


def test_a_plan_lands_and_the_document_is_the_contracts(world: Any, landed: Any) -> None:
    assert landed.code == 0
    document = landed.json
    assert document["schema"] == "run/v1alpha1"
    assert (document["run_id"], document["state"]) == ("landed", "SUCCEEDED")
    assert document["base"] == world.repository.git("rev-parse", "main")
    assert document["head"] == world.repository.git("rev-parse", "autopack/landed")
    assert re.fullmatch("[0-9a-f]{32}", document["trace_id"])
    assert set(document["usage"]) >= {"seconds", "input_tokens", "output_tokens"}
    assert [entry["id"] for entry in document["phases"]] == ["fix", "document"]
    for entry in document["phases"]:
        assert (entry["state"], entry["verdict"], entry["reasons"]) == ("LANDED", "ACCEPT", [])
        (attempt,) = entry["attempts"]
        assert (attempt["number"], attempt["state"]) == (1, "LANDED")
        assert set(attempt) >= {"number", "state", "change", "reasons", "usage"}
    assert document["phases"][-1]["commit"] == document["head"]
    assert world.repository.git("show", "autopack/landed:calc.py") == MENDED.strip()


def test_progress_goes_to_standard_error(landed: Any) -> None:
    assert "fix BUILDING" in landed.stderr
    assert "fix LANDED" in landed.stderr


def test_the_same_run_id_with_the_same_plan_is_the_same_run(world: Any, landed: Any) -> None:
    again = world.run("landed", FIX, DOCUMENT, name="mend")
    assert (again.code, again.json["head"]) == (0, landed.json["head"])


def test_the_same_run_id_with_another_plan_is_refused(world: Any, landed: Any) -> None:
    ended = world.run("landed", FIX)
    assert (ended.code, ended.json["error"]["code"]) == (2, "RUN_ID_IN_USE")


def test_show_and_status_print_the_run(world: Any, landed: Any) -> None:
    assert world.autopack("show", "landed", "--json").json == landed.json
    status = world.autopack("status", "landed")
    assert status.code == 0
    assert re.search(r"fix +LANDED", status.stdout)
    shown = world.autopack("show", "landed").stdout
    assert "check tests PASSED" in shown
    assert "git push origin autopack/landed" in shown
    assert "autopack trace landed" in shown


def test_runs_are_listed(world: Any, landed: Any) -> None:
    document = world.autopack("runs", "--json").json
    assert document["schema"] == "runs/v1alpha1"
    assert {"landed", "SUCCEEDED"} <= {value for run in document["runs"] for value in run.values()}
    assert len(world.autopack("runs", "--json", "--limit", "1").json["runs"]) == 1


def test_a_diff_is_harmless_on_a_terminal_and_exact_when_asked(world: Any, landed: Any) -> None:
    plain = world.autopack("diff", "landed", "document")
    assert plain.code == 0
    assert "\x1b" not in plain.stdout
    assert "+\\x1b[31mred\\x1b[0m" in plain.stdout
    assert "+\x1b[31mred\x1b[0m" in world.autopack("diff", "landed", "document", "--raw").stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["show", "nothing"], "RUN_NOT_FOUND"),
        (["diff", "landed", "nothing"], "PHASE_NOT_FOUND"),
        (["trace", "nothing"], "RUN_NOT_FOUND"),
        (["cancel", "nothing"], "RUN_NOT_FOUND"),
        (["resume", "nothing"], "RUN_NOT_FOUND"),
        (["approve", "nothing", "fix", "--digest", "0" * 64], "RUN_NOT_FOUND"),
    ],
)
def test_what_does_not_exist_ends_with_2(world: Any, landed: Any, arguments: list[str], code: str) -> None:
    ended = world.autopack(*arguments, *([] if arguments[0] == "diff" else ["--json"]))
    assert ended.code == 2
    assert code in (ended.stderr if arguments[0] == "diff" else ended.stdout)


def test_an_ended_run_cannot_be_resumed_or_cancelled(world: Any, landed: Any) -> None:
    for command in ("resume", "cancel"):
        ended = world.autopack(command, "landed", "--json")
        assert (ended.code, ended.json["error"]["code"]) == (1, "RUN_ENDED")


def test_a_phase_that_breaks_a_test_is_refused_and_says_what_and_what_to_do(world: Any) -> None:
    mended = phase("mend", "calc.py", MENDED)
    broken = {**BREAK, "depends_on": ["mend"], "budget": {"attempts": 1}}
    follower = phase("after", "docs/a.md", "a\n", depends_on=["break"])
    ended = world.run("refused", mended, broken, follower)
    assert ended.code == 1
    phases = {entry["id"]: entry for entry in ended.json["phases"]}
    assert [phases[name]["state"] for name in ("mend", "break", "after")] == ["LANDED", "FAILED", "SKIPPED"]
    reason = phases["break"]["reasons"][0]
    assert reason["code"] == "NEW_FAILURES"
    assert "test_gcd" in reason["message"]
    assert reason["fix"]
    assert phases["break"]["verdict"] == "REJECT"
    shown = world.autopack("status", "refused").stdout
    assert "NEW_FAILURES" in shown
    assert "autopack diff refused break" in shown


def test_a_run_that_waits_ends_with_3_and_goes_on_when_exactly_that_change_is_approved(world: Any) -> None:
    ended = world.run("waiting", DEPEND)
    assert (ended.code, ended.json["state"]) == (3, "WAITING_APPROVAL")
    (waiting,) = ended.json["phases"]
    approval = waiting["approval"]
    assert approval["reasons"][0]["code"] == "CATEGORY_NEEDS_APPROVAL"
    assert approval["command"] == f"autopack approve waiting depend --digest {approval['digest']}"
    assert approval["command"] in world.autopack("status", "waiting").stdout
    stale = world.autopack("approve", "waiting", "depend", "--digest", "0" * 64, "--json")
    assert (stale.code, stale.json["error"]["code"]) == (1, "APPROVAL_STALE")
    done = world.autopack(*approval["command"].split()[1:], "--json")
    assert (done.code, done.json["state"]) == (0, "SUCCEEDED")
    again = world.autopack("reject", "waiting", "depend", "--why", "late", "--json")
    assert (again.code, again.json["error"]["code"]) == (1, "NOT_WAITING")


def test_a_rejected_change_does_not_land(world: Any) -> None:
    assert world.run("rejected", DEPEND).code == 3
    ended = world.autopack("reject", "rejected", "depend", "--why", "not this one", "--json")
    assert (ended.code, ended.json["state"]) == (1, "FAILED")
    assert "not this one" in json.dumps(ended.json["phases"][0]["reasons"])


def test_a_waiting_run_can_be_cancelled(world: Any) -> None:
    assert world.run("cancelled", DEPEND).code == 3
    ended = world.autopack("cancel", "cancelled", "--json")
    assert (ended.code, ended.json["state"]) == (0, "CANCELLED")


def test_wait_goes_on_when_somebody_else_approves(world: Any, wait_until: Any) -> None:
    path = world.plan(DEPEND, name="wait")
    waiter = world.autopack.start("run", str(path), "--run-id", "patient", "--wait", "--json")

    def digest() -> str:
        shown = world.autopack("show", "patient", "--json").json
        return next((p["approval"]["digest"] for p in shown.get("phases", []) if "approval" in p), "")

    wait_until(digest, 60)
    assert waiter.poll() is None
    assert world.autopack("approve", "patient", "depend", "--digest", digest()).code == 0
    out, err = waiter.communicate(timeout=60)
    assert (waiter.returncode, json.loads(out)["state"]) == (0, "SUCCEEDED"), err


def test_a_dry_run_says_what_would_be_done_and_changes_nothing(world: Any) -> None:
    before = (world.repository.git("for-each-ref"), world.autopack("runs", "--json").json)
    path = world.plan(DOCUMENT, FIX)
    document = world.autopack("run", str(path), "--dry-run", "--json").json
    assert document["schema"] == "dry-run/v1alpha1"
    assert document["order"] == ["fix", "document"]
    assert [check["name"] for check in document["checks"]] == ["tests"]
    assert document["base"] == world.repository.git("rev-parse", "main")
    assert "document after fix" in world.autopack("run", str(path), "--dry-run").stdout
    assert (world.repository.git("for-each-ref"), world.autopack("runs", "--json").json) == before


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"base": "no-such-branch"}, "BASE_NOT_FOUND"),
        ({"gaol": "x"}, "UNKNOWN_KEY"),
        ({"version": 2}, "UNKNOWN_VERSION"),
        ({"phases": [{**FIX, "depends_on": ["fix"]}]}, "DEPENDENCY_CYCLE"),
        ({"phases": [FIX, FIX]}, "DUPLICATE_ID"),
        ({"phases": [phase("x", "../x", "")]}, "PATH_ESCAPES"),
        ({"phases": [{**FIX, "builder": {"use": "nobody"}}]}, "UNKNOWN_BUILDER"),
    ],
)
def test_what_can_be_known_before_the_run_ends_with_2(world: Any, change: dict[str, Any], code: str) -> None:
    ended = world.autopack("run", str(world.plan(FIX, **change)), "--run-id", "never", "--json")
    assert (ended.code, ended.json["error"]["code"]) == (2, code)
    assert ended.json["error"]["fix"]


def test_a_plan_that_is_refused_changes_nothing(world: Any) -> None:
    before = (world.repository.git("for-each-ref"), world.autopack("runs", "--json").json)
    path = world.plan({**FIX, "builder": {"use": "nobody"}})
    assert world.autopack("run", str(path), "--run-id", "never").code == 2
    assert (world.repository.git("for-each-ref"), world.autopack("runs", "--json").json) == before


def test_do_runs_a_goal(world: Any) -> None:
    ended = world.autopack(
        *("do", "Say hello", "--builder", "command", "--run", "echo hello > HELLO.md", "--scope", "HELLO.md"),
        *("--check", "test -s HELLO.md", "--json"),
    )
    assert (ended.code, ended.json["state"]) == (0, "SUCCEEDED")
    assert world.repository.git("show", f"{ended.json['head']}:HELLO.md") == "hello"
    names = [check["name"] for check in ended.json["phases"][0]["judgement"]["checks"]]
    assert names == ["tests", "check-1"]


def test_a_trace_url_is_printed_when_there_is_one(world: Any, landed: Any) -> None:
    environ = {"AUTOPACK_TRACE_URL": "http://jaeger/trace/{trace_id}?run={run_id}"}
    document = world.autopack("show", "landed", "--json", **environ).json
    assert document["trace_url"] == f"http://jaeger/trace/{landed.json['trace_id']}?run=landed"
    assert document["trace_url"] in world.autopack("status", "landed", **environ).stdout
    plain = world.autopack("show", "landed", "--json", AUTOPACK_TRACE_URL="http://jaeger/trace/").json
    assert plain["trace_url"] == f"http://jaeger/trace/{landed.json['trace_id']}"


def test_a_trace_is_shown_as_a_waterfall_and_as_json(world: Any, landed: Any) -> None:
    document = world.autopack("trace", "landed", "--json").json
    assert {span["trace_id"] for span in document["spans"]} == {landed.json["trace_id"]}
    services = {span["service"] for span in document["spans"]}
    assert services == {"orchestrator_svc", "builder_svc", "auditor_svc", "gate_svc", "memory_svc"}
    lines = world.autopack("trace", "landed").stdout.splitlines()
    assert "autopack.run" in lines[0]
    assert any("autopack.gate.check tests" in line and "gate_svc" in line for line in lines)
    calls = world.autopack("trace", "landed", "--calls").stdout.splitlines()
    assert len(calls) == len(document["spans"]) + 1


def test_a_report_shows_verdicts_changes_and_trace_on_one_page(
    world: Any, landed: Any, tmp_path: Path
) -> None:
    file = tmp_path / "run.html"
    document = world.autopack("report", "landed", "-o", str(file), "--json").json
    assert document == {"schema": "report/v1alpha1", "run_id": "landed", "file": str(file)}
    text = file.read_text()
    for phase in landed.json["phases"]:
        assert phase["id"] in text
        assert phase["commit"] in text
        assert phase["judgement"]["decision_digest"] in text
    assert "autopack.gate.check" in text
    assert "diff --git" in text
    assert [path.name for path in tmp_path.iterdir()] == ["run.html"]


def test_a_report_that_cannot_be_made_or_written_says_so(world: Any, landed: Any, tmp_path: Path) -> None:
    for run_id, directory, code in (
        ("nothing", tmp_path, "RUN_NOT_FOUND"),
        ("landed", tmp_path / "no", "FILE_UNWRITABLE"),
    ):
        ended = world.autopack("report", run_id, "-o", str(directory / "a.html"), "--json")
        assert (ended.code, ended.json["error"]["code"]) == (2, code)
    assert list(tmp_path.iterdir()) == []


def test_a_repository_without_checks_refuses_and_says_how_to_add_one(
    world: Any, make_repository: Any
) -> None:
    other: Any = make_repository(world.directory / "bare-of-checks", {"a.txt": "a\n"})
    path = world.plan(phase("a", "a.txt", "b\n"))
    ended = world.autopack("run", str(path), "--repo", str(other.path), "--json")
    assert ended.code == 2
    error = ended.json["error"]
    assert error["code"] == "NO_CHECKS"
    assert "checks" in error["fix"]


def test_repositories_that_cannot_be_used_are_told(world: Any, tmp_path: Path) -> None:
    path = str(world.plan(FIX))
    missing = world.autopack("run", path, "--repo", str(tmp_path / "no"), "--json")
    assert (missing.code, missing.json["error"]["code"]) == (2, "REPOSITORY_NOT_FOUND")
    none = world.autopack("run", path, "--repo", str(tmp_path), "--json")
    assert (none.code, none.json["error"]["code"]) == (2, "NOT_A_REPOSITORY")


def test_a_server_that_is_not_there_ends_with_4(world: Any, landed: Any) -> None:
    ended = world.autopack("show", "landed", "--server", "127.0.0.1:1", "--json")
    assert ended.code == 4
    assert ended.json["error"]["code"] == "SERVICE_UNAVAILABLE"
    wrong = world.autopack("show", "landed", "--server", "nonsense", "--json")
    assert (wrong.code, wrong.json["error"]["code"]) == (2, "ADDRESS_INVALID")


def test_commands_for_a_server_name_it(world: Any, landed: Any) -> None:
    address = f"unix:{world.autopack.home}/run/orchestrator.sock"
    shown = world.autopack("status", "landed", "--server", address)
    assert shown.code == 0
    assert f"autopack trace landed --server {address}" in shown.stdout
