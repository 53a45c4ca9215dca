"""What the auditor's tests stand on: the real analyzers, warm, and secrets that nobody owns."""

import asyncio
import random
import string
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from auditor_svc.analyzers.in_worker import WorkerScanner
from auditor_svc.analyzers.ruff import RuffScanner
from auditor_svc.analyzers.scanner import Scanner
from auditor_svc.analyzers.worker_process import WorkerPool
from auditor_svc.changes import read_change
from auditor_svc.domain.audit import AuditResult, AuditRules, conclude
from auditor_svc.domain.findings import Detection, Finding, Severity
from autopack.gitstore.store import GitStore
from autopack.testing.repositories import make_commit

Files = Mapping[str, bytes]
AuditFiles = Callable[..., Awaitable[AuditResult]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def scanners(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Scanner, ...]]:
    """The scanners that the service has, with one worker for all tests."""
    scanners = (WorkerScanner(WorkerPool(1)), RuffScanner(tmp_path_factory.mktemp("files")))
    yield scanners
    for scanner in scanners:
        await scanner.close()


@pytest.fixture
def audit_files(scanners: tuple[Scanner, ...], tmp_path: Path) -> AuditFiles:
    """Audits the change from one set of files to another, as the service does."""

    async def audit(
        base: Files, head: Files, block_at: Severity = Severity.HIGH, two_reviews: bool = False
    ) -> AuditResult:
        store = GitStore.open(tmp_path / "audited.git")
        before = make_commit(store, base)
        change = read_change(store, before, make_commit(store, head, before))
        reports = await asyncio.gather(*(scanner.scan(change.files) for scanner in scanners))
        rules = AuditRules(block_at, two_reviews)
        return conclude(change, [report for group in reports for report in group], rules)

    return audit


@pytest.fixture
def secret() -> Callable[..., str]:
    """Makes secrets of a form at test time, so that none is written in this repository."""
    randomness = random.Random(7)

    def make(
        prefix: str, length: int, alphabet: str = string.ascii_letters + string.digits, suffix: str = ""
    ) -> str:
        return prefix + "".join(randomness.choice(alphabet) for _ in range(length)) + suffix

    return make


@pytest.fixture
def detection() -> Callable[..., Detection]:
    """A detection, of which a test says what matters to it."""

    def make(text: str = "eval(x)", **values: object) -> Detection:
        fields: dict[str, object] = {
            "analyzer": "bandit",
            "rule_id": "B307",
            "severity": Severity.MEDIUM,
            "message": "Use of eval",
            "path": "app.py",
            "line": 1,
            "end_line": 1,
            "evidence": text,
            "masked_evidence": text,
        }
        return Detection(**{**fields, **values})  # type: ignore[arg-type]  # each value has its field's type

    return make


@pytest.fixture
def finding() -> Callable[..., Finding]:
    """A finding, of which a test says what matters to it."""

    def make(**values: object) -> Finding:
        fields: dict[str, object] = {
            "analyzer": "bandit",
            "rule_id": "B307",
            "severity": Severity.MEDIUM,
            "message": "Use of eval",
            "path": "app.py",
            "line": 1,
            "end_line": 1,
            "fingerprint": "f" * 64,
        }
        return Finding(**{**fields, **values})  # type: ignore[arg-type]  # each value has its field's type

    return make
