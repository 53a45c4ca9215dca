"""Keys through whole runs: an approver signs, the gate's key is rotated and revoked, a clone proves it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from autopack.signing.keys import create_private_key, read_private_key

CHECKS = "version: 1\nchecks: [{name: sound, run: 'grep -q 1 src/value.txt', reports: none}]\n"


@dataclass
class Scene:
    """A repository whose policy knows Ada's key, and a clone of it from which everything is verified."""

    autopack: Any
    repository: Any
    directory: Path

    def run(self, run_id: str, text: str) -> Any:
        phase = {
            "id": "change",
            "goal": "Write the value",
            "category": "schema_change",
            "scope": {"paths": ["src/**"]},
            "builder": {"kind": "patch", "files": {"src/value.txt": text}},
        }
        plan = self.directory / f"{run_id}.yaml"
        plan.write_text(yaml.safe_dump({"version": 1, "name": "n", "base": "main", "phases": [phase]}))
        return self.autopack("run", str(plan), "--run-id", run_id, "--json")

    def landed(self, run_id: str, text: str) -> None:
        """A run that Ada has approved, and that is merged."""
        (waiting,) = self.run(run_id, text).json["phases"]
        ended = self.approve(run_id, waiting["approval"]["digest"], "ada")
        assert (ended.code, ended.json["state"]) == (0, "SUCCEEDED"), ended.stderr
        self.repository.git("merge", "-q", "--ff-only", f"autopack/{run_id}")

    def approve(self, run_id: str, digest: str, key: str) -> Any:
        place = str(self.directory / f"{key}.key")
        return self.autopack(
            "approve", run_id, "change", "--digest", digest, "--as", "ada", "--key", place, "--json"
        )

    def verify(self, target: str, key: Path) -> Any:
        clone = self.directory / "clone"
        if not clone.exists():
            self.repository.git("clone", "-q", str(self.repository.path), str(clone))
            self.repository.git("-C", str(clone), "config", "advice.detachedHead", "false")
        self.repository.git("-C", str(clone), "fetch", "-q", "origin")
        self.repository.git("-C", str(clone), "checkout", "-q", "--detach", "origin/main")
        return self.autopack("verify", target, "--repo", str(clone), "--key", str(key))

    def public(self, name: str) -> Path:
        """The gate's public key as it is now, kept under a name as somebody would."""
        shown = self.autopack("key", "show", "--json").json
        kept = self.directory / f"{name}.pub"
        kept.write_text(Path(shown["public_key"]).read_text())
        return kept


@pytest.fixture
def scene(autopack: Any, repository: Any, tmp_path: Path) -> Scene:
    for name in ("ada", "eve"):
        create_private_key(tmp_path / f"{name}.key")
    line = read_private_key(tmp_path / "ada.key").public.line
    policy = f"{CHECKS}approvals: {{categories: [schema_change], keys: {{ada: {line}}}}}\n"
    repository.commit({"autopack.yaml": policy, "src/value.txt": "1\n"}, "first")
    return Scene(autopack, repository, tmp_path)


def test_keys_of_people_and_of_the_gate_through_whole_runs(scene: Scene) -> None:
    base = scene.repository.git("rev-parse", "main")
    waiting = scene.run("first", "11\n")
    digest = waiting.json["phases"][0]["approval"]["digest"]
    refused = scene.approve("first", digest, "eve")
    assert (waiting.code, refused.code, refused.json["error"]["code"]) == (3, 1, "APPROVAL_UNPROVEN")
    ended = scene.approve("first", digest, "ada")
    assert (ended.code, ended.json["state"]) == (0, "SUCCEEDED"), ended.stderr
    scene.repository.git("merge", "-q", "--ff-only", "autopack/first")
    old = scene.public("old")
    for target, lines in (("first", 2), (f"{base}..HEAD", 1), ("origin/main", 1)):
        proven = scene.verify(target, old)
        assert (proven.code, proven.stdout.count("ok  ")) == (0, lines), (
            target + proven.stdout + proven.stderr
        )
        assert "approved by ada (proven)" in proven.stdout

    rotated = scene.autopack("key", "rotate", "--repo", str(scene.repository.path), "--json")
    new = scene.public("new")
    assert (rotated.code, new.read_text() == old.read_text()) == (0, False), rotated.stderr
    scene.landed("second", "12\n")
    assert [scene.verify("first", new).code, scene.verify("second", old).code] == [0, 0]
    assert scene.verify(f"{base}..origin/main", new).stdout.endswith("holds: 2 of 2\n")

    # The second key was stolen before the second run: what it signed since counts for nothing.
    until = scene.repository.git("rev-list", "--max-count=1", "--grep=Retire", "autopack-attestations")
    place = str(scene.repository.path)
    revoked = scene.autopack("key", "revoke", "--repo", place, "--attested", until, "--json")
    assert revoked.code == 0, revoked.stderr
    stolen = scene.verify("second", new)
    assert (stolen.code, "KEY_RETIRED" in stolen.stdout) == (1, True), stolen.stderr
    assert scene.public("third").read_text() not in (old.read_text(), new.read_text())
