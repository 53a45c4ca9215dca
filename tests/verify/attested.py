"""Histories as a gate attests them, made without services: its own statements, signed with a real key."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autopack.attestation.log import digest_of
from autopack.attestation.predicates import RUN
from autopack.attestation.storage import (
    BRANCH,
    INPUT_FILE,
    LOG_FILE,
    RUN_FILE,
    add_files,
    add_run,
    change_file,
    ref_of,
)
from autopack.errors import AutopackError, Reason
from autopack.gitstore.digest import change_digest
from autopack.gitstore.store import GitStore, Signature
from autopack.policy.read import policy_at
from autopack.signing.document import canonical
from autopack.signing.dsse import sign
from autopack.signing.keys import PrivateKey, create_private_key
from autopack.signing.statement import PAYLOAD_TYPE, to_payload
from autopack.testing.repositories import Files, make_commit
from gate_svc.domain.attestation import Landing, statements
from gate_svc.domain.decide import ApprovalGiven
from gate_svc.domain.record import record_of
from gate_svc.domain.request import GateRequest
from gate_svc.domain.risk import Risk
from gate_svc.domain.verdict import CheckOutcome, CheckResult, Decision, TestCounts, Verdict

Give = Callable[[str], ApprovalGiven]
POLICY = b"version: 1\nchecks: [{name: tests, run: 'true', reports: none}]\n"
SUBMITTED = 1_700_000_000


@dataclass
class Attested:
    """A repository with one or more attested runs."""

    path: Path
    key: PrivateKey
    store: GitStore = field(init=False)
    policy: bytes = POLICY
    commits: list[str] = field(default_factory=list)
    """Of the first run."""

    def __post_init__(self) -> None:
        self.store = GitStore.open(self.path)
        self.files: dict[str, bytes] = {"autopack.yaml": self.policy, "a.txt": b"a\n"}
        self.head = make_commit(self.store, self.files, message="base")
        self.store.update_refs([("refs/heads/main", self.head, "")])

    def change(
        self,
        run_id: str,
        base: str,
        slot: int,
        files: Files,
        approvals: Sequence[Callable[[str], ApprovalGiven]] = (),
    ) -> str:
        """One landed commit with its attestation."""
        store, parent = self.store, self.head
        built = make_commit(store, files, parent, message=f"{run_id}/{slot}")
        tree = store.commit_tree(built)
        policy = policy_at(store, base)
        digest = change_digest(store.diff(parent, built), policy.digest)
        verdict = Verdict(
            decision=Decision.ACCEPT,
            reasons=(Reason("APPROVED", "by somebody"),) if approvals else (),
            change_digest=digest,
            tree=tree,
            base_tree=store.commit_tree(parent),
            policy_digest=policy.digest,
            environment_digest="e" * 64,
            checks=(
                CheckResult(
                    "tests",
                    "true",
                    "none",
                    60,
                    CheckOutcome.PASSED,
                    0,
                    TestCounts(),
                    (),
                    (),
                    (),
                    "1" * 64,
                    "",
                    0.1,
                    False,
                    "",
                ),
            ),
            risk=Risk(5, "low", ()),
            categories=("feature",),
            findings_digest="f" * 64,
            sandbox_tier="namespaces",
        )
        request = GateRequest(
            "id", "project", parent, built, base, (), "feature", (), "audit",
            tuple(give(digest) for give in approvals), "",
        )  # fmt: skip
        record = record_of(request, verdict, ["seccomp"], "m" * 64, "0.1.0", SUBMITTED + 0.5, SUBMITTED + 1.0)
        text = (
            f"Change {slot}\n\nAutopack-Run: {run_id}\nAutopack-Phase: p{slot}\nAutopack-Attempt: 1\n"
            f"Autopack-Verdict: sha256:{verdict.decision_digest}\n"
        )
        author = Signature("Autopack", "autopack@localhost", SUBMITTED + slot)
        commit = store.commit(tree=tree, parents=[parent], message=text, author=author)
        raw = [store.read_object(bytes.fromhex(oid))[1] for oid in (commit, parent)]
        landing = Landing(raw[0], raw[1], run_id, f"p{slot}", 1, slot, "b" * 64, base, "patch", "", built)
        bundle = b"".join(self.signed(payload) + b"\n" for payload in statements(record, landing))
        self.keep(run_id, {change_file(commit): bundle}, built)
        self.head = commit
        return commit

    def signed(self, payload: bytes, key: PrivateKey | None = None) -> bytes:
        key = key or self.key
        return sign(PAYLOAD_TYPE, payload, key.public.key_id, key.sign).to_json()

    def keep(self, run_id: str, files: dict[str, bytes], *also: str) -> None:
        """Adds files to the run's ref."""
        ref = ref_of(run_id)
        before = self.store.resolve(ref)
        new = add_files(self.store, before, files, also, "attest\n", SUBMITTED)
        self.store.update_refs([(ref, new, before or "")])

    def run(self, run_id: str, changes: int = 3) -> None:
        """A whole run: its commits, its log, how it ended."""
        base = self.head
        commits = []
        for slot in range(1, changes + 1):
            self.files = {**self.files, f"{run_id}-{slot}.txt": f"{slot}\n".encode()}
            commits.append(self.change(run_id, base, slot, self.files))
        self.end(run_id, base, commits)
        self.commits = self.commits or commits

    def end(self, run_id: str, base: str, commits: list[str]) -> None:
        digest, lines = "", []
        for number in range(1, 5):
            event = {
                "sequence": number, "time": SUBMITTED + number / 8, "phase_id": "", "attempt": 0,
                "state": "S", "message": f"event {number}", "reasons": [],
            }  # fmt: skip
            digest = digest_of(digest, event)
            lines.append(canonical({**event, "digest": digest}) + b"\n")
        given = canonical({"run": run_id})
        predicate = {
            "run": {"id": run_id, "plan": "b" * 64, "base": base},
            "state": "SUCCEEDED",
            "phases": [self.landed(commit, slot) for slot, commit in enumerate(commits, 1)],
            "log": {"events": len(lines), "head": digest},
            "input": hashlib.sha256(given).hexdigest(),
        }
        subject = [(f"run {run_id}", "gitCommit", self.head)]
        envelope = self.signed(to_payload(subject, RUN, predicate))
        self.keep(run_id, {RUN_FILE: envelope, LOG_FILE: b"".join(lines), INPUT_FILE: given})
        old = self.store.resolve("refs/heads/main") or ""
        self.store.update_refs([("refs/heads/main", self.head, old)])

    def landed(self, commit: str, slot: int) -> dict[str, object]:
        verdict = self.store.message(commit).rstrip().rpartition("sha256:")[2]
        return {"id": f"p{slot}", "state": "LANDED", "slot": slot, "commit": commit, "decision": verdict}

    def publish(self, run_id: str) -> None:
        """Puts the run on the branch that clones have."""
        tip = self.store.resolve(BRANCH)
        run = self.store.resolve(ref_of(run_id))
        assert run is not None
        self.store.update_refs([(BRANCH, add_run(self.store, tip, run_id, run, SUBMITTED), tip or "")])


def attested(directory: Path, policy: bytes = POLICY) -> Attested:
    """An empty one."""
    return Attested(directory / "repository.git", create_private_key(directory / "gate.key"), policy)


def found(made: Attested, target: str, key: PrivateKey | None = None) -> list[str]:
    """Codes of what does not hold; empty where all does. As the command finds them, without its child."""
    from autopack.cli.commands.verify import claims

    public = (key or made.key).public
    try:
        lines = list(claims(target, made.path, {public.key_id: public}))
    except AutopackError as error:
        return [reason.code for reason in error.reasons]
    json.dumps(lines)
    return [line["reason"]["code"] for line in lines if not line["holds"]]


__all__ = ["ApprovalGiven", "Attested", "attested", "found"]
