"""One judgement, from the request to the verdict: the gate's flow, stated once.

A fault of the machine is raised and gives no verdict; whatever is wrong with the change is in the verdict.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from autopack.errors import AutopackError, Reason
from autopack.gitstore.copies import Copies
from autopack.gitstore.store import GitStore
from autopack.policy.plan import Check
from autopack.telemetry import names
from autopack.telemetry.metrics import metrics
from autopack.telemetry.tracing import span
from gate_svc.audits import Audits
from gate_svc.candidate import Candidate, read_candidate
from gate_svc.checks import Checks, Place
from gate_svc.domain.audit import AuditFacts, audit_facts
from gate_svc.domain.checking import CheckFacts, proven
from gate_svc.domain.decide import Facts, decide
from gate_svc.domain.evidence import CheckRun
from gate_svc.domain.facts import risk_facts
from gate_svc.domain.keys import check_key
from gate_svc.domain.request import GateRequest
from gate_svc.domain.risk import assess
from gate_svc.domain.ruling import Ruling, refuse
from gate_svc.domain.verdict import Verdict
from gate_svc.environments import Environments
from gate_svc.sandboxes import Sandboxes
from gate_svc.trees import Trees


@dataclass(frozen=True, slots=True)
class Judging:
    """What judgements are made with."""

    copies: Copies
    audits: Audits
    sandboxes: Sandboxes
    environments: Environments
    trees: Trees
    checks: Checks
    machine: str
    """Stands for what else the outcome of a check depends on here: the gate's version, the Python."""

    async def judge(self, request: GateRequest) -> Verdict:
        """The verdict on one change. Raises AutopackError where there can be none."""
        attributes = {names.REQUEST_ID: request.request_id, names.PROJECT_ID: request.project_id}
        with span(names.GATE_SPAN, attributes) as current:
            store = await self.copies.with_commits(
                request.project_id, request.git_address, request.policy_commit, request.base, request.head
            )
            candidate = await asyncio.to_thread(read_candidate, store, request)
            with _as_raised():
                async with asyncio.TaskGroup() as group:
                    auditing = group.create_task(self._audit(store, request, candidate))
                    checking = group.create_task(self._checked(store, request, candidate))
            audit, checked = auditing.result(), checking.result()
            found = tuple(finding.severity for finding in audit.findings)
            verdict = decide(
                Facts(
                    tree=candidate.tree,
                    base_tree=candidate.base_tree,
                    change_digest=candidate.change_digest,
                    policy=candidate.policy,
                    environment_digest=checked.environment_digest,
                    categories=candidate.categories,
                    rulings=(*candidate.rulings, *checked.rulings),
                    checks_required=candidate.checks_required and not checked.skipped,
                    checks=checked.checks,
                    audit=audit,
                    risk=assess(risk_facts(candidate.files, candidate.categories, candidate.policy, found)),
                    approvals=request.approvals,
                    sandbox_tier=checked.sandbox_tier,
                )
            )
            current.set_attributes(
                {
                    names.VERDICT: verdict.decision,
                    names.TREE: verdict.tree,
                    names.CHANGE_DIGEST: verdict.change_digest,
                    names.SANDBOX_TIER: verdict.sandbox_tier,
                }
            )
        metrics().verdicts.add(1, {names.VERDICT: verdict.decision})
        return verdict

    async def _audit(self, store: GitStore, request: GateRequest, candidate: Candidate) -> AuditFacts:
        """The audit, and whether it is of this very change: its base may be another one."""
        report = await self.audits.wait(request.audit_request_id)
        if report is None or not report.succeeded:
            return audit_facts(report, same_change=False)
        if (report.base, report.head) == (request.base, request.head):
            return audit_facts(report, same_change=True)
        await self.copies.with_commits(
            request.project_id, request.git_address, request.policy_commit, report.base, report.head
        )
        changes = await asyncio.to_thread(store.diff, report.base, report.head)
        return audit_facts(report, same_change=changes == candidate.changes)

    async def _checked(self, store: GitStore, request: GateRequest, candidate: Candidate) -> "_Checked":
        """What the checks say; nothing is run for a change that is refused already."""
        if candidate.refused:
            return _Checked(skipped=True)
        if not candidate.checks:
            return _Checked()
        sandbox = await self.sandboxes.at_least(candidate.policy.sandbox.tier)
        environment = await self.environments.prepare(store, request.policy_commit, candidate.policy, sandbox)
        taken = await asyncio.to_thread(_taken, store, candidate.tree, environment.mounts)
        if taken:
            return _Checked(rulings=taken, environment_digest=environment.digest, skipped=True)
        # The head as it is, its own tests included. The policy commit's tests over the head's product
        # would be one more tree beside it, with results of its own.
        head = await self.trees.prepare(store, request.policy_commit, candidate.tree)
        place = Place(head, environment, sandbox, candidate.policy.sandbox)
        base = await self.trees.prepare(store, request.policy_commit, candidate.base_tree)
        before = replace(place, tree=base)
        with _as_raised():
            async with asyncio.TaskGroup() as group:
                checks = [
                    group.create_task(self._check(request.request_id, check, candidate, place, before))
                    for check in candidate.checks
                ]
        facts = tuple(check.result() for check in checks)
        return _Checked(facts, (), environment.digest, sandbox.tier)

    async def _check(
        self, owner: str, check: Check, candidate: Candidate, place: Place, before: Place
    ) -> CheckFacts:
        """A check on the head and, where it reports by test, on the base; each only if need be."""
        key, base_key = (
            check_key(check, tree, place.environment.digest, place.rules, place.sandbox.tier, self.machine)
            for tree in (candidate.tree, candidate.base_tree)
        )
        kept, kept_base = await asyncio.gather(self.checks.recall(key), self.checks.recall(base_key))
        recalled = CheckFacts(check, kept, kept_base, cached=True)
        if proven(recalled):
            return recalled
        base: asyncio.Task[CheckRun] | None = None
        if check.reports != "none" and kept_base is None:
            base = asyncio.create_task(self.checks.run(base_key, owner, check, before, names.BASELINE_SPAN))
        try:
            if kept is not None and kept.green:
                head = kept
            else:
                head = await self.checks.run(key, owner, check, place, names.CHECK_SPAN)
            if base is not None and head.usable:
                kept_base = await base
            return CheckFacts(check, head, kept_base, cached=head is kept)
        finally:
            if base is not None:
                base.cancel()
                await asyncio.gather(base, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class _Checked:
    """What came of the checks."""

    checks: tuple[CheckFacts, ...] = ()
    rulings: tuple[Ruling, ...] = ()
    environment_digest: str = ""
    sandbox_tier: str = ""
    skipped: bool = False
    """Whether the change is refused already, so that nothing was run."""


def _taken(store: GitStore, tree: str, mounts: Iterable[str]) -> tuple[Ruling, ...]:
    """The environment appears where no file of the change can be."""
    return tuple(
        refuse(
            Reason(
                "ENVIRONMENT_PATH_TAKEN",
                f"environment.setup makes {name}, and the tree has it too",
                "leave it out of the repository, or let the set-up use another name",
                path=name,
            )
        )
        for name in mounts
        if store.entry(tree, name) is not None
    )


@contextmanager
def _as_raised() -> Iterator[None]:
    """What one task of a group has raised, without the group around it."""
    try:
        yield
    except ExceptionGroup as failures:
        known = [each for each in failures.exceptions if isinstance(each, AutopackError)]
        raise (known or failures.exceptions)[0] from None
