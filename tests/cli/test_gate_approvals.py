"""`autopack gate --approvals`: consent that is signed, by a registered key, and to this very change."""

import json
from pathlib import Path
from typing import Any

import pytest

from autopack.signing.keys import create_private_key

CHECKS = "version: 1\nchecks: [{name: tests, run: 'test -f requirements.txt', reports: none}]\n"


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Path]:
    """Ada's key, which the policy knows, and another one."""
    paths = {name: tmp_path / f"{name}.key" for name in ("ada", "eve")}
    for path in paths.values():
        create_private_key(path)
    return paths


@pytest.fixture
def asking(repository: Any, keys: dict[str, Path]) -> tuple[str, str]:
    """Base and head of a change that needs a person."""
    from autopack.signing.keys import read_private_key

    policy = f"{CHECKS}approvals: {{keys: {{ada: {read_private_key(keys['ada']).public.line}}}}}\n"
    base = repository.commit({"autopack.yaml": policy, "requirements.txt": ""}, "first")
    return base, repository.commit({"requirements.txt": "a==1\n"}, "second")


def test_only_a_registered_key_s_signature_of_this_very_change_counts(
    autopack: Any, asking: tuple[str, str], keys: dict[str, Path], tmp_path: Path
) -> None:
    file = tmp_path / "approvals.yaml"

    def gate() -> Any:
        more = ("--approvals", str(file)) if file.exists() else ()
        return autopack("gate", "--base", asking[0], "--head", asking[1], "--json", *more)

    def codes(ended: Any) -> set[str]:
        return {reason["code"] for reason in ended.json["reasons"]}

    asked = gate()
    assert asked.code == 3, asked.stdout
    assert (asked.code, asked.json["verdict"]) == (3, "NEEDS_APPROVAL"), asked.stderr
    digest = asked.json["change_digest"]
    for given, code in (
        ((digest,), "APPROVAL_UNPROVEN"),
        ((digest, "--as", "ada", "--key", str(keys["eve"])), "APPROVAL_UNPROVEN"),
        ((digest, "--as", "eve", "--key", str(keys["eve"])), "APPROVAL_UNPROVEN"),
        ((digest, "--as", "bob", "--key", str(keys["ada"])), "APPROVAL_UNPROVEN"),
        (("0" * 64, "--as", "ada", "--key", str(keys["ada"])), "APPROVAL_STALE"),
    ):
        printed = autopack("approve", "--digest", *given)
        assert printed.code == 0, printed.stderr
        file.write_text(printed.stdout)
        ended = gate()
        assert (ended.code, code in codes(ended)) == (3, True), ended.stdout
    entry = autopack("approve", "--digest", digest, "--as", "ada", "--key", str(keys["ada"])).stdout
    forged = json.loads(entry.removeprefix("- ")) | {"change_digest": "1" * 64}
    file.write_text(f"- {json.dumps(forged)}\n")
    assert gate().code == 3
    file.write_text(entry)
    ended = gate()
    assert (ended.code, ended.json["verdict"]) == (0, "ACCEPT")
    (approved,) = [reason for reason in ended.json["reasons"] if reason["code"] == "APPROVED"]
    assert "proven by their keys" in approved["message"]


def test_what_is_no_digest_or_no_key_is_told(invoke: Any, tmp_path: Path) -> None:
    assert invoke("approve", "--digest", "abc").code == 2
    assert invoke("approve", "--digest", "0" * 64, "--key", str(tmp_path / "none")).code == 2
    assert invoke("approve", "some-run", "--digest", "0" * 64).code == 2
