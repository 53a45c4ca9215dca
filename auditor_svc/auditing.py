"""One audit from request to result: objects, policy, analyzers, conclusion."""

import asyncio
import hashlib
import json
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from auditor_svc.analyzers.dependencies import Advisories, audit_dependencies
from auditor_svc.analyzers.scanner import Scanner
from auditor_svc.changes import changed_paths, read_change
from auditor_svc.domain.audit import AuditResult, AuditRules, conclude
from auditor_svc.domain.change import ChangedFile
from auditor_svc.domain.dependencies import names_dependencies
from auditor_svc.domain.findings import AnalyzerReport, Severity
from auditor_svc.domain.sarif_in import MAXIMUM_BYTES as MAXIMUM_SARIF_BYTES
from auditor_svc.domain.sarif_in import read_sarif
from auditor_svc.domain.suppressions import Suppression
from auditor_svc.reviewers.panel import Panel
from autopack.errors import Reason, Unavailable
from autopack.gitstore.copies import Copies
from autopack.gitstore.store import GitStore
from autopack.policy import policy as policy_file
from autopack.policy.categories import categories
from autopack.policy.paths import matches
from autopack.policy.policy import Policy
from autopack.policy.read import policy_at
from autopack.telemetry import names
from autopack.telemetry.tracing import span

AUDIT_SECONDS = 600.0
"""Of the analyzers over one change; each file has a limit of its own far below."""


@dataclass(frozen=True, slots=True)
class AuditRequest:
    """What is to be audited."""

    request_id: str
    project_id: str
    base: str
    head: str
    policy_commit: str
    git_address: str
    category: str
    """Declared; empty where none is."""


@dataclass(frozen=True, slots=True)
class Job:
    """A request with all that decides its result."""

    request: AuditRequest
    store: GitStore
    rules: AuditRules
    policy: policy_file.AuditRules
    key: str
    """SHA-256 of everything that the result depends on."""


class Auditing:
    """Makes audits, a bounded number at a time."""

    def __init__(
        self,
        copies: Copies,
        scanners: Sequence[Scanner],
        panel: Panel,
        advisories: Advisories,
        concurrent: int,
    ) -> None:
        self._copies = copies
        self._advisories = advisories
        self._panel = panel
        self._scanners = scanners
        self._slots = asyncio.Semaphore(concurrent)

    async def prepare(self, request: AuditRequest) -> Job:
        """Gets objects, policy and versions. Raises AutopackError where one cannot be had."""
        store = await self._copies.with_commits(
            request.project_id, request.git_address, request.policy_commit, request.base, request.head
        )
        policy, rules = await asyncio.to_thread(_rules, store, request, time.time())
        versions: dict[str, str] = {}
        for scanner in self._scanners:
            versions |= await scanner.versions()
        versions |= {"advisories": await asyncio.to_thread(self._advisories.stamp)}
        return Job(request, store, rules, policy.audit, _key(request, policy, rules, versions))

    async def run(self, job: Job) -> AuditResult:
        """The audit. Raises Unavailable `AUDIT_TIMED_OUT`."""
        request = job.request
        attributes = {
            names.REQUEST_ID: request.request_id,
            names.BASE: request.base,
            names.COMMIT: request.head,
        }
        async with self._slots:
            with span(names.AUDIT_SPAN, attributes) as current:
                change = await asyncio.to_thread(read_change, job.store, request.base, request.head)
                try:
                    async with asyncio.timeout(AUDIT_SECONDS):
                        reports, (reviews, judged) = await asyncio.gather(
                            self._scan(change.files),
                            self._panel.review(change.files, job.policy, _reviews_required(job)),
                        )
                        if any(names_dependencies(item.path) for item in change.files):
                            licenses = job.policy.licenses
                            reports.append(
                                await asyncio.to_thread(
                                    audit_dependencies, change.files, licenses, self._advisories
                                )
                            )
                        if job.policy.sarif:
                            reports += await asyncio.to_thread(_brought, job, change.files)
                except TimeoutError as error:
                    raise _timed_out() from error
                result = await asyncio.to_thread(conclude, change, reports, job.rules, reviews, judged)
                current.set_attribute(names.FINDINGS, len(result.findings))
                current.set_attribute(names.STATE, result.outcome.name)
                return result

    async def _scan(self, files: Sequence[ChangedFile]) -> list[AnalyzerReport]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_observed(scanner, files)) for scanner in self._scanners]
        return [report for task in tasks for report in task.result()]


async def _observed(scanner: Scanner, files: Sequence[ChangedFile]) -> tuple[AnalyzerReport, ...]:
    with span(names.ANALYZER_SPAN, {names.ANALYZER: ",".join(scanner.names)}) as current:
        reports = await scanner.scan(files)
        current.set_attribute(names.FINDINGS, sum(len(report.new) for report in reports))
        failures = [reason.code for report in reports for reason in report.failures]
        if failures:
            current.set_attribute(names.REASON, failures[0])
        return reports


def _reviews_required(job: Job) -> int:
    return 2 if job.rules.two_reviews else 1 if job.policy.review == "always" else 0


def _brought(job: Job, files: Sequence[ChangedFile]) -> list[AnalyzerReport]:
    """What other scanners wrote, from the change itself: it can only add findings."""
    head = job.request.head
    return [
        read_sarif(path, job.store.read(head, path, MAXIMUM_SARIF_BYTES), files) for path in job.policy.sarif
    ]


def _rules(store: GitStore, request: AuditRequest, now: float) -> tuple[Policy, AuditRules]:
    policy = policy_at(store, request.policy_commit)
    found = categories(changed_paths(store, request.base, request.head), policy, request.category)
    return policy, AuditRules(
        block_at=Severity.named(policy.audit.block_at),
        two_reviews=bool(set(found) & set(policy.audit.dual)),
        suppressions=tuple(
            Suppression(item.rule, partial(matches, item.paths), item.reason, item.owner, item.expires)
            for item in policy.audit.suppressions
        ),
        today=time.strftime("%Y-%m-%d", time.gmtime(now)) if policy.audit.suppressions else "",
    )


def _key(request: AuditRequest, policy: Policy, rules: AuditRules, versions: Mapping[str, str]) -> str:
    parts = [
        request.project_id,
        request.base,
        request.head,
        policy.digest,
        rules.two_reviews,
        rules.today,
        sorted(versions.items()),
        platform.python_version(),
        _CODE,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _code_digest() -> str:
    """SHA-256 of this package's sources: whoever changes a rule changes the key."""
    digest = hashlib.sha256()
    for path in sorted(
        file for suffix in ("py", "yaml") for file in Path(__file__).parent.rglob(f"*.{suffix}")
    ):
        digest.update(path.read_bytes())
    return digest.hexdigest()


_CODE = _code_digest()


def _timed_out() -> Unavailable:
    return Unavailable(
        Reason(
            "AUDIT_TIMED_OUT",
            f"the analyzers took more than {AUDIT_SECONDS:.0f} s, so the change has not been audited",
            "split the change",
        )
    )
