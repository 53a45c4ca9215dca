"""What the gate keeps of a judgement, so that it can sign later what it judged and nothing else."""

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

from gate_svc.domain.probing.probed import Probed
from gate_svc.domain.request import GateRequest
from gate_svc.domain.verdict import CheckResult, Verdict

Record = dict[str, Any]


def record_of(
    request: GateRequest,
    verdict: Verdict,
    enforced: Sequence[str],
    machine: str,
    version: str,
    started: float,
    ended: float,
) -> Record:
    """What was judged, what decided, and what differs between machines.

    Args:
        request: what was asked.
        verdict: what was answered.
        enforced: what the sandbox of this machine can enforce, by name.
        machine: digest of the gate's rules and of the Python that checks find.
        version: of the gate.
        started: Unix time of the judgement's beginning, seconds.
        ended: of its end.
    """
    return {
        "decision": verdict.decided,
        "policyCommit": request.policy_commit,
        "scope": list(request.scope),
        "category": request.category,
        "plannedChecks": [check.name for check in request.checks],
        "risk": {
            "score": verdict.risk.score,
            "level": verdict.risk.level,
            "factors": [[each.name, each.points, each.detail] for each in verdict.risk.factors],
        },
        "approvals": [
            {
                "approver": each.approver,
                "changeDigest": each.change_digest,
                "time": each.time,
                "keyId": each.key_id,
                "signature": base64.b64encode(each.signature).decode(),
            }
            for each in request.approvals
        ],
        "machine": {
            "gateVersion": version,
            "gateDigest": machine,
            "started": round(started, 3),
            "ended": round(ended, 3),
            "sandbox": {"tier": verdict.sandbox_tier, "enforced": list(enforced)},
            "checks": [_check(check) for check in verdict.checks],
        },
    }


def _check(check: CheckResult) -> Record:
    return {
        "name": check.name,
        "seconds": round(check.seconds, 3),
        "cached": check.cached,
        "exitCode": check.exit_code,
        "passed": check.tests.passed,
        "failed": check.tests.failed,
        "errors": check.tests.errors,
        "skipped": check.tests.skipped,
        "outputTailSha256": hashlib.sha256(check.output_tail.encode()).hexdigest(),
        "repeated": [
            {
                "test": name,
                "headFailed": each.head_failed,
                "headRuns": each.head_runs,
                "baseFailed": each.base_failed,
                "baseRuns": each.base_runs,
            }
            for name, each in check.repeats.items()
        ],
        "blind": check.tests.blind,
        "compared": check.tests.compared,
        "selfReported": check.tests.self_reported,
        **({"mutants": _mutants(check.probed)} if check.probed else {}),
    }


def _mutants(probed: Probed) -> Record:
    """With the seed by which they were drawn, now that it can be known."""
    return {
        "seed": probed.seed,
        "possible": probed.possible,
        "killed": probed.killed,
        "survived": probed.survived,
        "notReached": probed.not_reached,
        "notTried": probed.not_tried,
    }
