"""A real gate with a real GitService to get objects from, and an auditor that says what a test wants."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from google.protobuf.message import Message
from grpc.aio import ServicerContext

from autopack.api.auditor.v1 import audit_pb2, auditor_service_pb2, auditor_service_pb2_grpc
from autopack.api.gate.v1 import gate_service_pb2, gate_service_pb2_grpc, verdict_pb2
from autopack.api.git.v1 import git_service_pb2, git_service_pb2_grpc
from autopack.api.plan.v1 import plan_pb2
from autopack.errors import NotFound, Reason
from autopack.gitstore.service import GitServiceServicer
from autopack.gitstore.store import GitStore
from autopack.rpc.channel import create_channel
from autopack.rpc.errors import call
from autopack.rpc.lifetime import RunningService
from autopack.rpc.server import ServerSettings, Service, create_server
from autopack.testing.repositories import Files, make_commit
from gate_svc.__main__ import start
from gate_svc.config import Config

PROJECT = "demo"
# Plugins that no test here needs take most of the time of a small test run.
PYTEST = "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 python -m pytest -q"

ACCEPT = verdict_pb2.DECISION_ACCEPT
REJECT = verdict_pb2.DECISION_REJECT
NEEDS_APPROVAL = verdict_pb2.DECISION_NEEDS_APPROVAL


def policy(run: str = PYTEST, reports: str = "pytest", more: str = "", timeout: int = 60) -> bytes:
    """A policy with one check."""
    check = json.dumps({"name": "tests", "run": run, "reports": reports, "timeout": timeout})
    return f"version: 1\nchecks: [{check}]\n{more}".encode()


TESTED: Files = {
    "autopack.yaml": policy(),
    "src/__init__.py": b"",
    "src/maths.py": b"def double(x):\n    return 2 * x\n",
    "tests/test_maths.py": b"from src.maths import double\n\ndef test_double():\n    assert double(2) == 4\n",
}
"""A project with one passing test that pytest runs."""

QUICK: Files = {
    "autopack.yaml": policy("cat results; ! grep -q '^not ok' results", "tap"),
    "results": b"1..2\nok 1 - adds\nok 2 - divides\n",
    "src/maths.py": b"def double(x):\n    return 2 * x\n",
}
"""A project whose check takes no time: it prints the file `results`, which is TAP."""


def codes(verdict: verdict_pb2.Verdict) -> list[str]:
    """The reasons' codes, in order."""
    return [reason.code for reason in verdict.reasons]


def clean_audit(base: str, head: str) -> audit_pb2.Audit:
    """An audit that found nothing."""
    return audit_pb2.Audit(
        state=audit_pb2.AUDIT_STATE_SUCCEEDED,
        recommendation=audit_pb2.RECOMMENDATION_APPROVE,
        analyzers=[audit_pb2.AnalyzerRun(name="ruff", version="1")],
        findings_digest="f" * 64,
        base=base,
        head=head,
    )


class Auditor(auditor_service_pb2_grpc.AuditorServiceServicer):
    """Answers with the one audit that it was given, once it is not held back."""

    def __init__(self) -> None:
        self.audit: audit_pb2.Audit | None = None
        self.asked = asyncio.Event()
        self.answers = asyncio.Event()
        self.answers.set()

    async def WaitAudit(
        self, request: auditor_service_pb2.WaitAuditRequest, context: ServicerContext[Message, Message]
    ) -> auditor_service_pb2.WaitAuditResponse:
        self.asked.set()
        await self.answers.wait()
        if self.audit is None:
            raise NotFound(Reason("OPERATION_NOT_FOUND", "no such audit", "start it"))
        return auditor_service_pb2.WaitAuditResponse(audit=self.audit)

    async def StartAudit(
        self, request: auditor_service_pb2.StartAuditRequest, context: ServicerContext[Message, Message]
    ) -> auditor_service_pb2.StartAuditResponse:
        raise AssertionError("the gate starts no audits")

    async def CancelAudit(
        self, request: auditor_service_pb2.CancelAuditRequest, context: ServicerContext[Message, Message]
    ) -> auditor_service_pb2.CancelAuditResponse:
        raise AssertionError("the gate stops no audits")

    def GetSarif(
        self, request: auditor_service_pb2.GetSarifRequest, context: ServicerContext[Message, Message]
    ) -> AsyncIterator[auditor_service_pb2.GetSarifResponse]:
        raise AssertionError("the gate reads no SARIF")


@dataclass
class Bench:
    """What a test of the gate has at hand."""

    config: Config
    repository: GitStore
    git_address: str
    auditor: Auditor
    closers: AsyncExitStack
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    gate: RunningService = field(init=False)
    stub: "gate_service_pb2_grpc.GateServiceAsyncStub" = field(init=False)

    async def start(self, **differing: Any) -> None:
        """Starts a gate with these settings changed, which the bench then speaks to."""
        self.gate = await start(replace(self.config, **differing))
        channel = create_channel(self.gate.server.address)
        self.closers.push_async_callback(self.gate.close)
        self.closers.push_async_callback(channel.close, None)
        self.stub = gate_service_pb2_grpc.GateServiceStub(channel)

    def commit(self, files: Files, *parents: str) -> str:
        """A commit of exactly these files, in the repository of their owner."""
        return make_commit(self.repository, files, *parents)

    def request(
        self,
        base: str,
        head: str,
        *,
        request_id: str = "",
        policy_commit: str = "",
        category: str = "feature",
        paths: Sequence[str] = (),
        checks: Sequence[plan_pb2.Check] = (),
        approvals: Sequence[str] = (),
        git_address: str = "",
    ) -> gate_service_pb2.StartGateRequest:
        """A request to judge a change, and an auditor that finds nothing in it."""
        self.auditor.audit = clean_audit(base, head)
        return gate_service_pb2.StartGateRequest(
            request_id=request_id or f"run/phase/{next(self.numbers)}/gate",
            project_id=PROJECT,
            base=base,
            head=head,
            policy_commit=policy_commit or base,
            scope=gate_service_pb2.GateScope(paths=paths, category=category, checks=checks),
            audit_request_id="run/phase/1/audit",
            approvals=[verdict_pb2.Approval(change_digest=digest, approver="ann") for digest in approvals],
            git_address=git_address or self.git_address,
        )

    def change(self, base: Files, head: Files, **differing: Any) -> gate_service_pb2.StartGateRequest:
        """A request to judge the change from these files to those."""
        first = self.commit(base)
        return self.request(first, self.commit(head, first), **differing)

    async def wait(self, request_id: str) -> verdict_pb2.Judgement:
        request = gate_service_pb2.WaitGateRequest(request_id=request_id)
        return (await call(self.stub.WaitGate(request, timeout=120))).judgement

    async def judgement(self, request: gate_service_pb2.StartGateRequest) -> verdict_pb2.Judgement:
        """How a judgement ended."""
        await call(self.stub.StartGate(request))
        return await self.wait(request.request_id)

    async def verdict(self, request: gate_service_pb2.StartGateRequest) -> verdict_pb2.Verdict:
        """The verdict that a judgement ended with."""
        judgement = await self.judgement(request)
        assert judgement.state == verdict_pb2.JUDGEMENT_STATE_SUCCEEDED, judgement.reasons
        return judgement.verdict

    async def faults(self, request: gate_service_pb2.StartGateRequest) -> list[str]:
        """Codes of why a judgement ended without a verdict."""
        judgement = await self.judgement(request)
        assert judgement.state == verdict_pb2.JUDGEMENT_STATE_FAILED
        assert not judgement.HasField("verdict")
        return [reason.code for reason in judgement.reasons]

    async def judge(self, base: Files, head: Files, **differing: Any) -> verdict_pb2.Verdict:
        """The verdict on the change from these files to those."""
        return await self.verdict(self.change(base, head, **differing))


@asynccontextmanager
async def open_bench(directory: Path) -> AsyncIterator[Bench]:
    """A running gate and what it needs, below one directory."""
    repository, auditor = GitStore.open(directory / "owner.git"), Auditor()

    def stores(project_id: str) -> GitStore:
        if project_id != PROJECT:
            raise NotFound(Reason("PROJECT_NOT_FOUND", "no such project", ""))
        return repository

    async def refuse(*_: object) -> None:
        raise AssertionError("the gate gives no objects")

    git = GitServiceServicer(stores, refuse, refuse)
    others = create_server(
        ServerSettings("127.0.0.1:0", name="others", drain_seconds=0),
        [
            Service(
                "autopack.api.git.v1.GitService",
                lambda server: git_service_pb2_grpc.add_GitServiceServicer_to_server(git, server),
                git_service_pb2.DESCRIPTOR,
            ),
            Service(
                "autopack.api.auditor.v1.AuditorService",
                lambda server: auditor_service_pb2_grpc.add_AuditorServiceServicer_to_server(auditor, server),
                auditor_service_pb2.DESCRIPTOR,
            ),
        ],
    )
    async with others, AsyncExitStack() as closers:
        config = Config(
            directory=directory / "gate",
            address=f"unix:{directory}/gate.sock",
            auditor_address=others.address,
            audit_patience_seconds=0.3,
        )
        bench = Bench(config, repository, others.address, auditor, closers)
        await bench.start()
        yield bench
