"""`autopack doctor`: every fact tried, each with its mend, and 4 where nothing untrusted can be run."""

from typing import Any

import pytest

from autopack.cli import machine
from autopack.cli.machine import Finding, examine


@pytest.fixture
def home(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AUTOPACK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_everything_is_examined(invoke: Any, home: Any) -> None:
    ended = invoke("doctor", "--json")
    document = ended.json
    assert document["schema"] == "doctor/v1alpha1"
    facts = {fact["name"]: fact for fact in document["facts"]}
    assert {
        "python",
        "git",
        "home",
        "disk",
        "memory",
        "port",
        "sandbox",
        "landlock",
        "namespaces",
    } <= facts.keys()
    assert all(fact["ok"] or fact["fix"] or not fact["essential"] for fact in facts.values())
    assert document["ok"] == all(fact["ok"] for fact in facts.values() if fact["essential"])
    assert ended.code == (0 if document["ok"] else 4)
    assert facts["sandbox"]["ok"] == bool(document["tiers"])


def test_without_any_sandbox_it_ends_with_4_and_the_mend(
    invoke: Any, home: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [
        Finding("sandbox", False, "no tier works", "sudo sysctl -w user.max_user_namespaces=15000", True)
    ]
    monkeypatch.setattr(machine, "_sandbox", lambda: (found, ()))
    ended = invoke("doctor")
    assert ended.code == 4
    assert "-> sudo sysctl -w user.max_user_namespaces=15000" in ended.stdout
    assert "not fit to run: sandbox" in ended.stdout
    assert invoke("doctor", "--json").json["ok"] is False


def test_a_home_that_cannot_be_used_is_a_finding(tmp_path: Any) -> None:
    (tmp_path / "file").write_text("")
    findings, _ = examine({"AUTOPACK_HOME": str(tmp_path / "file" / "x")})
    (home,) = [finding for finding in findings if finding.name == "home"]
    assert (home.holds, home.essential, bool(home.fix)) == (False, True, True)
