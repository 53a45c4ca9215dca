"""From all that is known of a change to the verdict: a pure function, and the only place that decides.

REFUSE outweighs ASK outweighs NOTE, so another bad fact can never make a verdict milder.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from autopack.errors import Reason
from autopack.policy.narrowing import NO_CHECKS
from autopack.policy.policy import Policy
from autopack.signing.approvals import proven_by
from autopack.signing.keys import PublicKey
from gate_svc.domain.audit import AuditFacts, judge_audit
from gate_svc.domain.checking import CheckFacts, judge_check, result
from gate_svc.domain.risk import Risk
from gate_svc.domain.ruling import Ruling, Weight, ask, note, refuse
from gate_svc.domain.text import one_line
from gate_svc.domain.verdict import Decision, Verdict

REASONS_LIMIT = 200
"""Reasons in a verdict; the rest is counted."""

MESSAGE_LIMIT = 1000
"""Characters of a reason's message."""


@dataclass(frozen=True, slots=True)
class ApprovalGiven:
    """A person's consent to one change digest."""

    change_digest: str
    approver: str
    key_id: str = ""
    signature: bytes = b""
    """Of their own key; empty: unproven."""
    time: float = 0.0
    """When, by the word of whoever passed it on; Unix, seconds."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All that is known of a change."""

    tree: str
    base_tree: str
    change_digest: str
    policy: Policy
    environment_digest: str
    categories: tuple[str, ...]
    """Declared and found, sorted."""
    rulings: tuple[Ruling, ...]
    """What its paths and contents say."""
    checks_required: bool
    """False for what no check can judge: ledgers, and the policy's own first change."""
    checks: tuple[CheckFacts, ...]
    audit: AuditFacts
    risk: Risk
    approvals: tuple[ApprovalGiven, ...]
    sandbox_tier: str


def decide(facts: Facts) -> Verdict:
    """The verdict on a change."""
    judged = [(each, *judge_check(each)) for each in facts.checks]
    rulings = [
        *facts.rulings,
        *_without_checks(facts),
        *(ruling for _, _, _, said in judged for ruling in said),
        *judge_audit(facts.audit, facts.policy.audit.block_at),
        *_by_risk(facts),
        *_by_category(facts),
    ]
    if "test_harness" in facts.categories:
        rulings = [replace(each, weight=Weight.ASK) if each.harness else each for each in rulings]
    decision, concluding = _conclude(max((each.weight for each in rulings), default=Weight.NOTE), facts)
    by_weight = sorted([*rulings, *concluding], key=lambda ruling: -ruling.weight)
    return Verdict(
        decision=decision,
        reasons=_bounded([ruling.reason for ruling in by_weight]),
        change_digest=facts.change_digest,
        tree=facts.tree,
        base_tree=facts.base_tree,
        policy_digest=facts.policy.digest,
        environment_digest=facts.environment_digest,
        checks=tuple(
            result(each, outcome, comparison, of=len(judged)) for each, outcome, comparison, _ in judged
        ),
        risk=facts.risk,
        categories=facts.categories,
        findings_digest=facts.audit.findings_digest,
        sandbox_tier=facts.sandbox_tier,
    )


def _conclude(heaviest: Weight, facts: Facts) -> tuple[Decision, tuple[Ruling, ...]]:
    """The decision, and what there is to say on approvals."""
    if heaviest is Weight.REFUSE:
        return Decision.REJECT, ()
    if heaviest is Weight.NOTE:
        return Decision.ACCEPT, ()
    given = [each for each in facts.approvals if each.change_digest == facts.change_digest]
    keys = facts.policy.approvals.public_keys()
    proven = {each.approver for each in given if _is_proven(each, keys)}
    if proven:
        reason = Reason("APPROVED", f"approved by {', '.join(sorted(proven))}, proven by their keys")
        return Decision.ACCEPT, (note(reason),)
    approvers = ", ".join(sorted({each.approver for each in given}))
    if given and not keys:
        return Decision.ACCEPT, (note(Reason("APPROVED", f"approved by {approvers}, not proven by a key")),)
    if given:
        unproven = Reason(
            "APPROVAL_UNPROVEN",
            f"approved by {approvers}, but not with the key that the policy has for them",
            "approve with --key: a key whose public half is in approvals.keys at the run's base",
        )
        return Decision.NEEDS_APPROVAL, (ask(unproven),)
    if facts.approvals:
        stale = Reason(
            "APPROVAL_STALE",
            f"no approval given so far is for the change {facts.change_digest}",
            "look at the change as it is now, and approve that digest",
        )
        return Decision.NEEDS_APPROVAL, (ask(stale),)
    return Decision.NEEDS_APPROVAL, ()


def _is_proven(approval: ApprovalGiven, keys: Mapping[str, PublicKey]) -> bool:
    own = [keys[approval.approver]] if approval.approver in keys else []
    return proven_by(own, approval.change_digest, approval.approver, approval.key_id, approval.signature)


def _without_checks(facts: Facts) -> Iterator[Ruling]:
    if facts.checks_required and not facts.checks:
        yield refuse(NO_CHECKS)


def _by_risk(facts: Facts) -> Iterator[Ruling]:
    risk, thresholds = facts.risk, facts.policy.risk
    made_of = ", ".join(f"{factor.name} {factor.points}" for factor in risk.factors)
    if risk.score >= thresholds.reject_at:
        yield refuse(
            Reason(
                "RISK_TOO_HIGH",
                f"risk {risk.score} reaches the policy's reject_at {thresholds.reject_at}: {made_of}",
                "split the change",
            )
        )
    elif risk.score >= thresholds.approve_at:
        yield ask(
            Reason(
                "RISK_NEEDS_APPROVAL",
                f"risk {risk.score} reaches the policy's approve_at {thresholds.approve_at}: {made_of}",
                "approve the change, or split it",
            )
        )


def _by_category(facts: Facts) -> Iterator[Ruling]:
    for category in facts.categories:
        if category in facts.policy.approvals.categories:
            yield ask(
                Reason(
                    "CATEGORY_NEEDS_APPROVAL",
                    f"the policy wants a person's approval for category {category}",
                    "approve the change",
                )
            )


def _bounded(reasons: list[Reason]) -> tuple[Reason, ...]:
    listed = [
        replace(each, message=one_line(each.message, MESSAGE_LIMIT)) for each in reasons[:REASONS_LIMIT]
    ]
    if len(reasons) > REASONS_LIMIT:
        left = len(reasons) - REASONS_LIMIT
        listed.append(Reason("MORE_REASONS", f"{left} more reasons", "mend these first"))
    return tuple(listed)
