"""Checks that a commit is what was accepted: every claim that can be computed from the repository alone.

Nothing of the repository is executed, and nothing of it believed but what a trusted key has signed.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from autopack.attestation.ledgers import disagreement
from autopack.attestation.predicates import CHANGE, OF_A_CHANGE, RUN
from autopack.attestation.storage import RUN_FILE, change_file, directory_of, read_file
from autopack.attestation.trailers import Trailers, read_trailers
from autopack.attestation.trust import Trust
from autopack.errors import AutopackError, InvalidInput, Reason
from autopack.gitstore.digest import change_digest
from autopack.gitstore.effects import missing_effects
from autopack.gitstore.objects import GITLINK
from autopack.gitstore.store import GitStore
from autopack.policy.policy import Policy
from autopack.policy.read import policy_at
from autopack.policy.run_ids import is_run_id
from autopack.signing.approvals import proven_by
from autopack.signing.document import Document, canonical, refusal
from autopack.signing.document import field as member
from autopack.signing.dsse import parse_envelope
from autopack.signing.statement import Statement, parse_statement

COMMIT_BYTES = 1_000_000
FILE_BYTES = 200_000_000
RANGE_LIMIT = 100_000
"""Commits that are looked at for one answer."""
_POLICIES = 64


@dataclass(frozen=True, slots=True)
class Accepted:
    """A landed commit, and what is proven of it."""

    commit: str
    parent: str
    run_id: str
    phase_id: str
    attempt: int
    slot: int
    run_base: str
    change: str
    """Commit that the builder made."""
    decision_digest: str
    approvals: tuple[str, ...]
    """Who approved it, and whether a key of theirs proves it."""
    key_id: str


@dataclass(frozen=True, slots=True)
class Line:
    """What is said of one commit."""

    commit: str
    subject: str
    accepted: Accepted | None
    reason: Reason | None
    """The first claim that does not hold."""


@dataclass(slots=True)
class Verifier:
    """For one repository and the keys that are trusted for it."""

    store: GitStore
    trust: Trust
    _policies: dict[str, tuple[Policy, str]] = field(default_factory=dict)
    """With their digests."""
    _last: Accepted | None = None
    """Histories are walked forwards, so this is the next one's parent."""

    def lines(self, base: str, head: str) -> Iterator[Line]:
        """One for each commit after `base` up to `head`, oldest first.

        Raises InvalidInput `RANGE_BROKEN` where `head` does not come after `base`.
        """
        for commit in self._between(base, head):
            message = self.store.message(commit)
            subject = message.partition("\n")[0]
            try:
                yield Line(commit, subject, self.accepted(commit), None)
            except AutopackError as error:
                yield Line(commit, subject, None, error.reasons[0])

    def accepted(self, commit: str) -> Accepted:
        """What is proven of one commit. Raises InvalidInput with the first claim that does not hold."""
        found = self._attested(commit)
        parent = found.parent
        if parent != found.run_base:
            last = self._last
            before = last if last is not None and last.commit == parent else self._attested(parent)
            if before.run_id != found.run_id:
                raise fails("ORDER_BROKEN", f"its run began at {found.run_base[:12]}, not at its parent")
            if not before.slot < found.slot or before.run_base != found.run_base:
                raise fails("ORDER_BROKEN", f"it landed in slot {found.slot}, after slot {before.slot}")
        told = disagreement(self.store, parent, commit, self._attested)
        if told is not None:
            raise fails("LEDGER_DISAGREES", told)
        self._last = found
        return found

    def _attested(self, commit: str) -> Accepted:
        if self.store.size(commit) > COMMIT_BYTES:
            raise fails("COMMIT_TOO_LARGE", f"more than {COMMIT_BYTES} bytes")
        read = self.store.read_commit(commit)
        said = read_trailers(read.message)
        if said is None or not is_run_id(said.run_id):
            raise fails("NOT_ATTESTED", "its message names no run, phase, attempt and verdict")
        name = change_file(commit)
        data = read_file(self.store, said.run_id, name)
        if data is None:
            raise fails(
                "ATTESTATION_MISSING", f"the repository has no attestation of it by run {said.run_id}"
            )
        statement, key_id = self._bundle(data, f"{directory_of(said.run_id)}/{name}", commit, read.tree)
        if len(read.parents) != 1:
            raise fails("ORDER_BROKEN", "it has not exactly one parent")
        return self._claims(statement.predicate, commit, read.tree, read.parents[0], said, key_id)

    def _bundle(self, data: bytes, path: str, commit: str, tree: str) -> tuple[Statement, str]:
        """The change's own statement out of all that are there; each is signed and about this commit."""
        found: dict[str, tuple[Statement, str, bytes]] = {}
        written = b""
        for line in data.splitlines():
            envelope = parse_envelope(line, path)
            key = self.trust.signer(envelope)
            self.trust.refuse_retired(self.store, key, path, data)
            statement = parse_statement(envelope, path)
            kind = statement.predicate_type
            if kind not in OF_A_CHANGE:
                raise refusal("VERSION_UNKNOWN", path, f"a predicate of type {kind[:100]!r}")
            if statement.digests("gitCommit") != (commit,):
                raise fails("OTHER_SUBJECT", "the attestation is of another commit")
            if statement.digests("gitTree") != (tree,):
                raise fails("OTHER_SUBJECT", "the attestation is of another tree")
            if kind in found:
                raise fails("STATEMENT_TWICE", f"two statements of type {kind}")
            written += envelope.to_json() + b"\n"
            found[kind] = statement, key.key_id, envelope.payload
        if missing := [kind for kind in OF_A_CHANGE if kind not in found]:
            raise fails("ATTESTATION_INCOMPLETE", f"no statement of type {missing[0]}")
        if tuple(found) != OF_A_CHANGE or written != data:
            raise fails(
                "ATTESTATION_CHANGED",
                "its statements are not in the order and form in which they were signed",
            )
        statement, key_id, payload = found[CHANGE]
        summary = found[OF_A_CHANGE[-1]][0].predicate
        digest = {"sha256": hashlib.sha256(payload).hexdigest()}
        if [each.get("digest") for each in member(summary, "inputAttestations", list, path)] != [digest]:
            raise fails("OTHER_SUBJECT", "the summary is of another statement")
        return statement, key_id

    def _claims(
        self, predicate: Document, commit: str, tree: str, parent: str, said: Trailers, key_id: str
    ) -> Accepted:
        source = f"attestation of {commit[:12]}"
        decision = member(predicate, "decision", dict, source)
        run = member(predicate, "run", dict, source)
        phase = member(predicate, "phase", dict, source)
        builder = member(predicate, "builder", dict, source)
        if member(decision, "decision", str, source) != "ACCEPT":
            raise fails("NOT_ACCEPTED", f"the verdict was {decision['decision']}")
        digest = hashlib.sha256(canonical(decision)).hexdigest()
        if not digest == said.decision_digest == predicate.get("decisionDigest"):
            raise fails("OTHER_VERDICT", "its trailer names another verdict than is attested")
        named = (run.get("id"), phase.get("id"), phase.get("attempt"))
        if named != (said.run_id, said.phase_id, said.attempt):
            raise fails("OTHER_VERDICT", "its trailers name another run, phase or attempt than is attested")
        if decision.get("tree") != tree or predicate.get("parent") != parent:
            raise fails("OTHER_SUBJECT", "another tree or parent was accepted")
        if decision.get("base_tree") != self.store.commit_tree(parent):
            raise fails("OTHER_SUBJECT", "its parent has another tree than it was judged on")
        base = member(run, "base", str, source)
        if predicate.get("policyCommit") != base:
            raise fails("OTHER_POLICY", "its policy was not read at the base of its run")
        policy, policy_digest = self._policy(base)
        if decision.get("policy") != policy_digest:
            raise fails("OTHER_POLICY", f"the policy at {base[:12]} is another one than was applied")
        changes = self.store.diff(parent, commit)
        if decision.get("change") != change_digest(changes, policy_digest):
            raise fails("OTHER_CHANGE", "it changes something else than was judged")
        for each in changes:
            if each.new_oid and each.new_mode != GITLINK:
                # Reading compares contents with the id, which git itself does not do when it checks out.
                self.store.read_blob(each.new_oid, FILE_BYTES)
        change = member(builder, "change", str, source)
        if not self.store.has(change):
            raise fails("CHANGE_MISSING", f"the repository has not what the builder made ({change[:12]})")
        dropped = missing_effects(self.store, self.store.parents(change)[0], change, parent, commit)
        if dropped:
            raise fails("CHANGE_DROPPED", f"it has lost what was built of {dropped[0]}")
        return Accepted(
            commit=commit,
            parent=parent,
            run_id=said.run_id,
            phase_id=said.phase_id,
            attempt=said.attempt,
            slot=member(phase, "slot", int, source),
            run_base=base,
            change=change,
            decision_digest=digest,
            approvals=tuple(_approvals(predicate, decision, policy, source)),
            key_id=key_id,
        )

    def _policy(self, commit: str) -> tuple[Policy, str]:
        if commit not in self._policies:
            if len(self._policies) >= _POLICIES:
                self._policies.clear()
            policy = policy_at(self.store, commit)
            self._policies[commit] = policy, policy.digest
        return self._policies[commit]

    def _between(self, base: str, head: str) -> list[str]:
        """Commits after `base` up to `head`, oldest first, by first parents."""
        found = []
        commit = head
        while commit != base:
            found.append(commit)
            # Before the first commit is nothing, which "" names.
            commit = next(iter(self.store.parents(commit)), "")
            if (not commit and base) or len(found) > RANGE_LIMIT:
                raise InvalidInput(
                    Reason(
                        "RANGE_BROKEN",
                        f"{head[:12]} does not come after {base[:12]}, as far as this clone goes back",
                        "name an earlier commit; of a shallow clone: git fetch --unshallow",
                    )
                )
        return found[::-1]


def run_statement(store: GitStore, trusted: Trust, run_id: str) -> tuple[Document, str]:
    """What was signed of a run as it ended, and the run's head. Raises InvalidInput."""
    data = read_file(store, run_id, RUN_FILE)
    if data is None:
        raise fails("RUN_NOT_ATTESTED", f"the repository has no statement of how run {run_id} ended")
    path = f"{directory_of(run_id)}/{RUN_FILE}"
    envelope = parse_envelope(data, path)
    if envelope.to_json() != data:
        raise fails("ATTESTATION_CHANGED", "the run's statement is not in the form in which it was signed")
    trusted.refuse_retired(store, trusted.signer(envelope), path, data)
    statement = parse_statement(envelope, path)
    if statement.predicate_type != RUN:
        raise refusal("VERSION_UNKNOWN", path, f"a predicate of type {statement.predicate_type[:100]!r}")
    heads = statement.digests("gitCommit")
    if len(heads) != 1 or member(statement.predicate, "run", dict, path).get("id") != run_id:
        raise fails("OTHER_SUBJECT", "the statement is of another run")
    return statement.predicate, heads[0]


def _approvals(predicate: Document, decision: Document, policy: Policy, source: str) -> Iterator[str]:
    """Who approved, in words. Raises InvalidInput `APPROVAL_UNPROVEN` where nobody did who had to."""
    keys = policy.approvals.public_keys()
    proven: list[str] = []
    given: list[str] = []
    for each in member(predicate, "approvals", list, source):
        if not isinstance(each, dict) or each.get("changeDigest") != decision.get("change"):
            continue
        approver, key_id = member(each, "approver", str, source), member(each, "keyId", str, source)
        try:
            signature = base64.b64decode(member(each, "signature", str, source), validate=True)
        except (ValueError, binascii.Error):
            raise refusal("DOCUMENT_INVALID", source, "a signature that is no base64") from None
        own = [keys[approver]] if approver in keys else []
        is_proven = proven_by(own, str(each["changeDigest"]), approver, key_id, signature)
        (proven if is_proven else given).append(approver)
    said = {
        reason[0]
        for reason in member(decision, "reasons", list, source)
        if isinstance(reason, list) and reason
    }
    if "APPROVED" in said and not proven and (keys or not given):
        raise fails("APPROVAL_UNPROVEN", "a person had to approve it, and no registered key has signed that")
    yield from (f"{approver} (proven)" for approver in proven)
    yield from (f"{approver} (unproven)" for approver in given)


def fails(code: str, message: str) -> InvalidInput:
    """A claim that does not hold."""
    return InvalidInput(
        Reason(code, message, "this history is not what the gate accepted: find out who made it")
    )
