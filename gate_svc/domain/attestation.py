"""From a judgement's record and the commit as which it lands to the statements that are signed."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from autopack.attestation.predicates import (
    BUILD_TYPE,
    CHANGE,
    GATE_ID,
    LEVEL,
    PROVENANCE,
    TEST_RESULT,
    VERIFICATION_SUMMARY,
)
from autopack.attestation.trailers import Trailers, read_trailers
from autopack.errors import FailedPrecondition, InvalidInput, Reason
from autopack.gitstore.objects import Commit, ObjectInvalid, parse_commit
from autopack.policy.policy import POLICY_FILE
from autopack.signing.document import canonical
from autopack.signing.statement import to_payload
from gate_svc.domain.record import Record


@dataclass(frozen=True, slots=True)
class Landing:
    """A change as it lands, by the orchestrator's word where the judgement does not say it."""

    commit: bytes
    """As git hashes it, without its header."""
    parent: bytes
    run_id: str
    phase_id: str
    attempt: int
    slot: int
    plan_digest: str
    run_base: str
    builder_kind: str
    exchange_digest: str
    change: str
    """Commit that the builder made."""


def statements(record: Record, landing: Landing) -> list[bytes]:
    """The statements to sign: ours, then those of in-toto's catalogue.

    Raises:
        InvalidInput: `COMMIT_INVALID`.
        FailedPrecondition: `ATTESTATION_REFUSED`, where this is not what was accepted.
    """
    commit, parent = _parsed(landing.commit), _parsed(landing.parent)
    commit_id, parent_id = _id(landing.commit), _id(landing.parent)
    decision = record["decision"]
    digest = hashlib.sha256(canonical(decision)).hexdigest()
    _refuse_other(record, landing, commit, parent, parent_id, digest)
    subjects = [("commit", "gitCommit", commit_id), ("tree", "gitTree", commit.tree)]
    policy = {"uri": POLICY_FILE, "digest": {"sha256": decision["policy"]}}
    change = {
        **record,
        "decisionDigest": digest,
        "parent": parent_id,
        "run": {"id": landing.run_id, "plan": landing.plan_digest, "base": landing.run_base},
        "phase": {"id": landing.phase_id, "attempt": landing.attempt, "slot": landing.slot},
        "builder": {
            "kind": landing.builder_kind,
            "exchange": landing.exchange_digest,
            "change": landing.change,
        },
    }
    ours = to_payload(subjects, CHANGE, change)
    machine = record["machine"]
    summary = {
        "verifier": {"id": GATE_ID, "version": {"autopack": machine["gateVersion"]}},
        "timeVerified": _time(machine["ended"]),
        "resourceUri": f"git+commit:{commit_id}",
        "policy": policy,
        "inputAttestations": [
            {"uri": CHANGE, "digest": {"sha256": hashlib.sha256(ours).hexdigest()}},
        ],
        "verificationResult": "PASSED",
        "verifiedLevels": [LEVEL],
    }
    return [
        ours,
        to_payload(subjects, TEST_RESULT, _test_result(decision, policy)),
        to_payload(subjects, PROVENANCE, _provenance(record, landing, parent_id)),
        to_payload(subjects, VERIFICATION_SUMMARY, summary),
    ]


def _refuse_other(
    record: Record, landing: Landing, commit: Commit, parent: Commit, parent_id: str, digest: str
) -> None:
    decision = record["decision"]
    said = Trailers(landing.run_id, landing.phase_id, landing.attempt, digest)
    faults = {
        f"the verdict is {decision['decision']}": decision["decision"] != "ACCEPT",
        "the commit has another tree than was judged": commit.tree != decision["tree"],
        "its parent has another tree than was judged": parent.tree != decision["base_tree"],
        "it has other parents than the one given": commit.parents != (parent_id,),
        "its trailers say something else": read_trailers(commit.message) != said,
    }
    for fault, holds in faults.items():
        if holds:
            fix = "This is a fault of the orchestrator: look at its log."
            raise FailedPrecondition(Reason("ATTESTATION_REFUSED", f"Nothing is signed: {fault}.", fix))


def _test_result(decision: dict[str, Any], policy: dict[str, Any]) -> dict[str, Any]:
    """Only accepted changes are attested, so nothing has failed but what failed before."""
    checks = decision["checks"]
    warned = [check["name"] for check in checks if check["outcome"] != "PASSED"]
    return {
        "result": "WARNED" if warned else "PASSED",
        "configuration": [policy],
        "passedTests": [check["name"] for check in checks if check["outcome"] == "PASSED"],
        "warnedTests": warned,
        "failedTests": [],
    }


def _provenance(record: Record, landing: Landing, parent_id: str) -> dict[str, Any]:
    exchange = landing.exchange_digest
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "run": landing.run_id,
                "phase": landing.phase_id,
                "plan": landing.plan_digest,
                "category": record["category"],
                "scope": record["scope"],
            },
            "internalParameters": {"builder": landing.builder_kind, "attempt": landing.attempt},
            "resolvedDependencies": [
                {"name": "parent", "digest": {"gitCommit": parent_id}},
                {"name": "policy", "digest": {"gitCommit": record["policyCommit"]}},
                {"name": "change", "digest": {"gitCommit": landing.change}},
            ],
        },
        "runDetails": {
            "builder": {"id": f"{BUILD_TYPE}/{landing.builder_kind or 'unknown'}"},
            "metadata": {
                "invocationId": f"{landing.run_id}/{landing.phase_id}/{landing.attempt}",
                "finishedOn": _time(record["machine"]["ended"]),
            },
            "byproducts": [{"name": "exchange", "digest": {"sha256": exchange}}] if exchange else [],
        },
    }


def _parsed(data: bytes) -> Commit:
    try:
        return parse_commit(data)
    except ObjectInvalid as error:
        raise InvalidInput(Reason("COMMIT_INVALID", str(error), "give commits as git hashes them")) from None


def _id(commit: bytes) -> str:
    return hashlib.sha1(b"commit %d\0%b" % (len(commit), commit), usedforsecurity=False).hexdigest()


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
