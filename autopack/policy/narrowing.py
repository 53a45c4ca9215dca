"""A plan under a policy: what it may not widen, and what a phase may spend in the end."""

from collections.abc import Sequence
from dataclasses import fields, replace

from autopack.errors import Reason
from autopack.policy.availability import unknown_builder
from autopack.policy.plan import Budget, Check, LedgerBuilder, Phase, Plan
from autopack.policy.policy import DEFAULT_BUDGET, POLICY_FILE, Policy

NO_CHECKS = Reason(
    "NO_CHECKS",
    "neither the policy nor the phase says how to check a change",
    "add to autopack.yaml: checks: [{name: tests, run: 'python -m pytest -q', reports: pytest}]",
    path=POLICY_FILE,
)


def refuse_plan(plan: Plan, policy: Policy) -> tuple[Reason, ...]:
    """Why the plan cannot run under this policy, each reason once: all of it known before anything runs."""
    found = (reason for phase in plan.phases for reason in _phase_faults(phase, policy))
    return tuple(dict.fromkeys(found))


def merge_checks(policy: Policy, added: Sequence[Check]) -> tuple[Check, ...]:
    """The checks that a phase's change meets: the policy's, then those that its plan adds.

    An added check that the policy has in the same words is left out; one that shares a name gets another.
    """
    merged = list(policy.checks)
    for check in added:
        if any((known.run, known.reports) == (check.run, check.reports) for known in policy.checks):
            continue
        names = {known.name for known in merged}
        candidates = (check.name, *(f"plan.{check.name[:90]}{suffix}" for suffix in ("", *range(2, 200))))
        merged.append(replace(check, name=next(name for name in candidates if name not in names)))
    return tuple(merged)


def phase_budget(phase: Phase, policy: Policy) -> Budget:
    """What the phase may spend: the least of what it and the policy state, else the default."""
    spent = {}
    for entry in fields(Budget):
        own, cap = getattr(phase.budget, entry.name), getattr(policy.budget, entry.name)
        spent[entry.name] = min(filter(None, (own, cap)), default=getattr(DEFAULT_BUDGET, entry.name))
    return Budget(**spent)


def _phase_faults(phase: Phase, policy: Policy) -> list[Reason]:
    unknown = (unknown_builder(phase, policy), policy.refuse_category(phase.category))
    found = [reason for reason in unknown if reason]
    if not isinstance(phase.builder, LedgerBuilder) and not merge_checks(policy, phase.checks):
        found.append(NO_CHECKS)
    for entry in fields(Budget):
        own, cap = getattr(phase.budget, entry.name), getattr(policy.budget, entry.name)
        if cap and own > cap:
            message = f"phase `{phase.id}` asks for {own:g} {entry.name}, the policy's budget has {cap:g}"
            fix = "ask for less: a plan may only narrow the policy"
            found.append(Reason("BUDGET_OVER_POLICY", message, fix))
    return found
