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
from gate_svc.background import Background
from gate_svc.candidate import Candidate, read_candidate
from gate_svc.checks import Checks
from gate_svc.domain.audit import AuditFacts, audit_facts
from gate_svc.domain.checking import CheckFacts, proven
from gate_svc.domain.decide import Facts, decide
from gate_svc.domain.evidence import CheckRun
from gate_svc.domain.facts import risk_facts
from gate_svc.domain.probing.probed import Probed
from gate_svc.domain.request import GateRequest
from gate_svc.domain.risk import assess
from gate_svc.domain.ruling import Ruling, refuse
from gate_svc.domain.verdict import Verdict
from gate_svc.environments import Environments
from gate_svc.judges import Judges
from gate_svc.places import Planned, Runs, prepare_places
from gate_svc.probes import Probes
from gate_svc.repeats import repeated
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
    judges: Judges
    checks: Checks
    probes: Probes
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
                    risk=assess(
                        risk_facts(
                            candidate.files, candidate.categories, candidate.policy, found, checked.unreached
                        )
                    ),
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
        environment, before = [
            await self.environments.prepare(store, request.policy_commit, candidate.policy, sandbox, commit)
            for commit in (request.head, request.base)
        ]
        mounts = environment.mounts
        if mounts and (taken := await asyncio.to_thread(_taken, store, candidate.tree, mounts)):
            return _Checked(rulings=taken, environment_digest=environment.digest, skipped=True)
        places = await prepare_places(
            store,
            request.policy_commit,
            candidate,
            self.trees,
            self.judges,
            (environment, before),
            sandbox,
            self.machine,
        )
        with _as_raised():
            async with asyncio.TaskGroup() as group:
                checks = [
                    group.create_task(self._check(request.request_id, candidate, check, places.runs(check)))
                    for check in candidate.checks
                ]
        facts = tuple(check.result() for check in checks)
        return _Checked(facts, (), environment.digest, sandbox.tier)

    async def _check(self, owner: str, candidate: Candidate, check: Check, runs: Runs) -> CheckFacts:
        """A check on the head and, where it reports by test, on the base, and what else the change is asked;
        each only if need be."""
        plan = probed = None
        if runs.probed and runs.base:
            plan = await self.probes.plan(candidate, check, runs.probed.key, runs.base.key)
            probed = await self.probes.known(plan)
        planned = (runs.head, runs.base, runs.own, runs.own_base, runs.teeth)
        head, base, own, own_base, teeth = await asyncio.gather(*map(self._recall, planned))
        known = CheckFacts(check, head, base, own, own_base, teeth, runs.changed, runs.bug_fix, cached=True)
        known = replace(
            known,
            probed=probed,
            survivors=candidate.policy.judge.probe.survivors,
            refactoring="refactoring" in candidate.categories,
        )
        wanted = ((own, runs.own), (teeth, runs.teeth), (probed, plan))
        if proven(known) and all(kept or not run for kept, run in wanted):
            return replace(known, repeats=await repeated(self.checks, owner, known, runs))
        head, own = (kept if kept is not None and kept.green else None for kept in (head, own))
        probing: asyncio.Task[Probed | None] | None = None
        async with Background[CheckRun | None]() as background, Background[Probed | None]() as beyond:
            if probed is None and plan and runs.probed:
                probing = beyond.start(self.probes.run(plan, owner, check, runs.probed.place))
            before = background.start(self._run(owner, check, runs.base, base, names.BASELINE_SPAN))
            own_before = background.start(
                self._run(owner, check, runs.own_base, own_base, names.BASELINE_SPAN)
            )
            beside = background.start(self._run(owner, check, runs.own, own, names.CHECK_SPAN))
            toothless = background.start(self._run(owner, check, runs.teeth, teeth, names.BASELINE_SPAN))
            seen = await self._run(owner, check, runs.head, head, names.CHECK_SPAN)
            new = await beside
            if (seen and seen.usable) or (new and new.usable):
                base, own_base, teeth = await before, await own_before, await toothless
            facts = replace(
                known, head=seen, base=base, own=new, own_base=own_base, teeth=teeth, cached=seen is head
            )
            if probing and proven(facts):
                facts = replace(facts, probed=await probing)
        return replace(facts, repeats=await repeated(self.checks, owner, facts, runs))

    async def _recall(self, planned: Planned | None) -> CheckRun | None:
        return await self.checks.recall(planned.key) if planned else None

    async def _run(
        self, owner: str, check: Check, planned: Planned | None, known: CheckRun | None, span_name: str
    ) -> CheckRun | None:
        """A run, where it is planned and not known."""
        if planned is None or known is not None:
            return known
        return await self.checks.run(planned.key, owner, check, planned.place, span_name)


@dataclass(frozen=True, slots=True)
class _Checked:
    """What came of the checks."""

    checks: tuple[CheckFacts, ...] = ()
    rulings: tuple[Ruling, ...] = ()
    environment_digest: str = ""
    sandbox_tier: str = ""
    skipped: bool = False
    """Whether the change is refused already, so that nothing was run."""

    @property
    def unreached(self) -> int:
        """Changed lines that the tests of no check come to."""
        probed = [check.probed for check in self.checks if check.probed]
        return min((each.changed_lines - each.reached_lines for each in probed), default=0)


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
