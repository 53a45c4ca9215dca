"""`gate` and `audit` on any change, and the ledgers' commands, over the real services."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

POLICY = """\
version: 1
project: shop
checks: [{name: tests, run: "python -m pytest -q -p no:cacheprovider", reports: pytest, timeout: 120}]
judge: {paths: ["tests/**"]}
approvals: {categories: [dependency]}
"""
PROJECT = {
    "autopack.yaml": POLICY,
    "shop.py": "PRICE = 3\n",
    "requirements.txt": "",
    "tests/test_shop.py": (
        "import sys\nsys.path.insert(0, '.')\nimport shop\n\n\ndef test_a():\n    assert shop.PRICE\n"
    ),
}
SECRET = "import subprocess\n\n\ndef run(x):\n    return subprocess.run(x, shell=True)\n"


@pytest.fixture(scope="module")
def world(make_world: Any) -> Iterator[Any]:
    """A repository with a branch for each kind of change, and a resident all-in-one."""
    with make_world(PROJECT) as found:
        for branch, files in {
            "good": {"shop.py": "PRICE = 4\n"},
            "broken": {"shop.py": "PRICE = 0\n"},
            "unsafe": {"shop.py": "PRICE = 3\n" + SECRET},
            "asking": {"requirements.txt": "python-escpos==3.1\n"},
        }.items():
            found.repository.git("checkout", "-q", "-b", branch, "main")
            found.repository.commit(files, branch)
        found.repository.git("checkout", "-q", "main")
        yield found


def gate(world: Any, head: str, *more: str) -> Any:
    return world.autopack("gate", "--repo", ".", "--base", "main", "--head", head, "--json", *more)


def test_a_good_change_is_accepted_with_the_contracts_document(world: Any) -> None:
    ended = gate(world, "good")
    assert ended.code == 0
    document = ended.json
    assert (document["schema"], document["verdict"]) == ("gate/v1alpha1", "ACCEPT")
    assert document["tree"] == world.repository.git("rev-parse", "good^{tree}")
    assert document["base"] == world.repository.git("rev-parse", "main")
    assert len(document["change_digest"]) == 64
    (check,) = document["checks"]
    assert set(check) >= {"name", "outcome", "seconds", "cached", "tests"}
    assert (check["name"], check["outcome"], check["tests"]["passed"]) == ("tests", "PASSED", 1)
    assert set(document["risk"]) == {"score", "level", "factors"}
    assert isinstance(document["reasons"], list)


def test_a_change_that_breaks_a_test_is_rejected_in_words_too(world: Any) -> None:
    ended = gate(world, "broken")
    assert (ended.code, ended.json["verdict"]) == (1, "REJECT")
    assert "NEW_FAILURES" in {reason["code"] for reason in ended.json["reasons"]}
    plain = world.autopack("gate", "--base", "main", "--head", "broken")
    assert plain.code == 1
    assert plain.stdout.startswith("REJECT\n")
    assert "test_a" in plain.stdout


def test_a_change_that_needs_a_person_ends_with_3_until_that_very_change_is_approved(world: Any) -> None:
    asked = gate(world, "asking")
    assert (asked.code, asked.json["verdict"]) == (3, "NEEDS_APPROVAL")
    file = world.directory / "approvals.yaml"
    consent = {
        "change_digest": asked.json["change_digest"],
        "approver": "ada",
        "time": "2026-01-02T03:04:05+00:00",
    }
    file.write_text(json.dumps([consent]))
    assert gate(world, "asking", "--approvals", str(file)).code == 0
    file.write_text(json.dumps([{**consent, "change_digest": "0" * 64}]))
    assert gate(world, "asking", "--approvals", str(file)).code == 3


@pytest.mark.parametrize(
    "text", ["- {change_digest: abc, approver: ada}", "- {approver: ada}", "approvals: 7", "["]
)
def test_approvals_that_are_none_are_told(world: Any, text: str) -> None:
    file = world.directory / "broken.yaml"
    file.write_text(text)
    ended = gate(world, "asking", "--approvals", str(file))
    assert ended.code == 2
    assert ended.json["error"]["path"] == str(file)


def test_the_audits_findings_are_written_as_sarif(world: Any) -> None:
    file = world.directory / "findings.sarif"
    assert gate(world, "unsafe", "--sarif", str(file)).code == 1
    document = json.loads(file.read_text())
    assert document["version"] == "2.1.0"
    assert [result["ruleId"] for run in document["runs"] for result in run["results"]]


def test_revisions_that_do_not_exist_or_have_diverged_are_told(world: Any) -> None:
    missing = gate(world, "nothing")
    assert (missing.code, missing.json["error"]["code"]) == (2, "REVISION_NOT_FOUND")
    ended = world.autopack("gate", "--base", "good", "--head", "broken", "--json")
    assert (ended.code, ended.json["error"]["code"]) == (2, "BASE_NOT_ANCESTOR")


def test_an_audit_finds_what_the_change_introduces(world: Any) -> None:
    ended = world.autopack("audit", "--base", "main", "--head", "unsafe", "--format", "json")
    assert ended.code == 1
    document = ended.json
    assert (document["schema"], document["recommendation"]) == ("audit/v1alpha1", "REVISE")
    finding = document["findings"][0]
    assert (finding["path"], finding["severity"]) == ("shop.py", "HIGH")
    assert {analyzer["name"] for analyzer in document["analyzers"]} >= {"ruff", "bandit"}
    text = world.autopack("audit", "--base", "main", "--head", "unsafe")
    assert text.code == 1
    assert f"shop.py:{finding['line']}: HIGH" in text.stdout
    sarif = world.autopack("audit", "--base", "main", "--head", "unsafe", "--format", "sarif")
    assert sarif.json["runs"]


def test_an_audit_of_a_good_change_finds_nothing(world: Any) -> None:
    ended = world.autopack("audit", "--base", "main", "--head", "good", "--format", "json")
    assert (ended.code, ended.json["recommendation"], ended.json["findings"]) == (0, "APPROVE", [])


def test_merged_runs_are_tidied_indexed_and_recalled(world: Any) -> None:
    files = {"shop.py": "PRICE = 5\n\n\ndef discount(percent):\n    return PRICE * percent // 100\n"}
    phase = {
        "id": "discount",
        "goal": "Give loyal customers a discount",
        "scope": {"paths": ["shop.py"]},
        "builder": {"kind": "patch", "files": files},
    }
    run = world.run("discount", phase)
    assert run.code == 0
    nothing = world.autopack("tidy", "--json")
    assert (nothing.code, nothing.json["entries"]) == (0, [])
    world.repository.git("merge", "-q", "--ff-only", "autopack/discount")
    shown = world.autopack("tidy", "--json")
    assert (shown.json["executed"], len(shown.json["entries"])) == (False, 1)
    assert "+## BUILD-0001" in shown.json["diff"]
    assert "autopack tidy --execute" in world.autopack("tidy").stdout
    with ThreadPoolExecutor() as people:
        racing = [people.submit(world.autopack, "tidy", "--execute", "--json") for _ in range(2)]
    done = [one.result() for one in racing]
    assert [one.code for one in done] == [0, 0]
    landed = [one.json["run"] for one in done if one.json["executed"]]
    assert {run["state"] for run in landed} == {"SUCCEEDED"}
    assert len({run["run_id"] for run in landed}) == 1
    history = (world.repository.path / "docs/BUILD_HISTORY.md").read_text()
    assert history.count("\n## BUILD-") == 1
    assert world.autopack("tidy", "--json").json["entries"] == []

    # On another machine, from a clone: the run that the tidy tells of, then its entries, bit for bit.
    clone, home = world.directory / "clone", world.directory / "elsewhere"
    world.repository.git("clone", "-q", "--no-local", str(world.repository.path), str(clone))
    key = world.autopack.home / "keys" / "gate.pub"
    replayed = world.autopack(
        *("replay", landed[0]["run_id"], "--repo", str(clone), "--key", str(key), "--json"),
        AUTOPACK_HOME=str(home),
    )
    assert (replayed.code, replayed.json["same"]) == (0, True), replayed.stderr

    (hit, *_) = world.autopack("recall", "discount for loyal customers", "--json").json
    assert set(hit) >= {"score", "text", "source", "entry_id", "trust"}
    assert (hit["schema"], hit["entry_id"], hit["trust"]) == ("recall/v1alpha1", "BUILD-0001", "accepted")
    assert "BUILD-0001" in world.autopack("recall", "discount for loyal customers").stdout
    index = world.autopack("index", "--rebuild", "--json").json
    assert (index["schema"], index["rebuilt"]) == ("index/v1alpha1", True)
    assert index["chunks"] == index["added"] > 0
