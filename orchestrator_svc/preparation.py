"""What can be known before a plan runs, so that it is refused before anything has changed."""

import asyncio
import logging
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from autopack.api.gate.v1 import gate_service_pb2
from autopack.errors import InvalidInput, Reason, Unavailable
from autopack.gitstore.planned_patch import of_phase, refuse_anywhere, refuse_at
from autopack.policy.availability import refuse_builder
from autopack.policy.graph import order
from autopack.policy.narrowing import refuse_plan
from autopack.policy.plan import LedgerBuilder, PatchBuilder, Plan
from autopack.policy.policy import POLICY_FILE, TIERS, Policy
from autopack.policy.read import has_policy, policy_at
from autopack.rpc.errors import call
from orchestrator_svc.projects import Base, Project
from orchestrator_svc.services import Services

GATE_SECONDS = 10.0
"""How long a gate is waited for, to be asked for its sandbox: one that just starts, above all."""
MAXIMUM_REASONS = 50

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan that could run."""

    plan: Plan
    project: Project
    base: Base
    policy: Policy
    order: tuple[str, ...]


async def prepare(project: Project, services: Services, plan: Plan) -> Prepared:
    """Finds all that can be known before a plan runs; changes nothing but the object cache.

    Raises:
        InvalidInput: with every reason.
        NotFound: `BASE_NOT_FOUND`.
        Unavailable: `SANDBOX_UNAVAILABLE`.
    """
    landing_order = order(plan.phases)
    base = await asyncio.to_thread(project.bring_base, plan.base)
    reasons = await asyncio.to_thread(lambda: list(_reasons(plan, project, base)))
    if reasons:
        raise InvalidInput(*reasons[:MAXIMUM_REASONS])
    policy = await asyncio.to_thread(policy_at, project.store, base.commit)
    await _require_sandbox(services, policy)
    return Prepared(plan, project, base, policy, landing_order)


def _reasons(plan: Plan, project: Project, base: Base) -> Iterator[Reason]:
    if uncommitted := _uncommitted_policy(project, base, plan.base):
        yield uncommitted
        return  # what that policy says is not known, and the rest may follow from it
    policy = policy_at(project.store, base.commit)
    yield from refuse_plan(plan, policy)
    for phase in plan.phases:
        ours = isinstance(phase.builder, LedgerBuilder)
        unavailable = None if ours else refuse_builder(phase, policy)
        if unavailable is not None and unavailable.code != "UNKNOWN_BUILDER":
            yield unavailable
        if isinstance(phase.builder, PatchBuilder):
            rules = policy.path_rules(phase.scope.paths)
            found = refuse_anywhere(phase.builder, rules)
            if not found and not phase.depends_on:
                # It is built on the run's base and nowhere else; what depends on others may fit on theirs.
                found = refuse_at(project.store, base.commit, phase.builder, rules)
            yield from (of_phase(phase.id, reason) for reason in found)
    if plan.land == "fast-forward" and not base.branch:
        yield Reason(
            "BASE_NOT_A_BRANCH",
            f"`land: fast-forward` moves a branch, and {plan.base!r} does not name one.",
            "Give the branch's name as `base`, or use `land: branch`.",
        )


def _uncommitted_policy(project: Project, base: Base, revision: str) -> Reason | None:
    """Why the policy that somebody has before them would not be the one that decides."""
    found = project.remote.work_tree_file(POLICY_FILE)
    if found is None:
        return None
    git = shlex.join(["git", "-C", str(found.directory)])
    if has_policy(project.store, base.commit):
        if found.head != base.commit or not found.changed:
            return None
        message = f"{POLICY_FILE} was edited, but the edits are not committed: the old one would decide"
        fix = f"{git} commit -m 'Change the policy' -- {POLICY_FILE}"
        fix += f"; to drop the edits: {git} restore --staged --worktree {POLICY_FILE}"
    elif found.tracked:
        message = f"{POLICY_FILE} is committed, but not in the base {revision!r} that the run starts from"
        fix = f"merge {found.head[:10]} into it, or give a base that has the policy, as `base: HEAD`"
    else:
        message = f"{POLICY_FILE} is in the work tree, but not committed"
        fix = f"{git} add --force {POLICY_FILE} && {git} commit -m 'Add the policy' -- {POLICY_FILE}"
    return Reason("POLICY_NOT_COMMITTED", message, fix, POLICY_FILE)


async def _require_sandbox(services: Services, policy: Policy) -> None:
    """Asks the gate; one that is away is waited for when the run gets there."""
    request = gate_service_pb2.GetCapabilitiesRequest()
    try:
        found = await call(services.gate.GetCapabilities(request, timeout=GATE_SECONDS, wait_for_ready=True))
    except Unavailable as error:
        log.warning("the gate could not be asked for its sandbox: %s", error)
        return
    accepted = TIERS[: TIERS.index(policy.sandbox.tier) + 1]
    if not set(accepted) & set(found.tiers):
        missing = {each.name: each for each in found.capabilities if not each.available}
        named = (missing[tier] for tier in reversed(accepted) if tier in missing)
        why = next(named, next((each for each in missing.values() if each.fix), None))
        message = f"the gate's machine has no sandbox of tier {policy.sandbox.tier!r}"
        raise Unavailable(
            Reason(
                "SANDBOX_UNAVAILABLE",
                f"{message}: {why.detail}" if why else message,
                (why.fix if why else "") or "run `autopack doctor` there",
            )
        )
