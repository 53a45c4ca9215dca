"""A real gate on a socket, with a real GitService to get objects from and an auditor that says what a test wants."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from google.protobuf.message import Message
from grpc.aio import ServicerContext

from autopack.api.auditor.v1 import audit_pb2, auditor_service_pb2, auditor_service_pb2_grpc
from autopack.api.gate.v1 import gate_service_pb2, gate_service_pb2_grpc, verdict_pb2
from autopack.api.git.v1 import git_service_pb2, git_service_pb2_grpc
from autopack.api.git.v1.git_service_pb2 import PutPackHeader
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
POLICY = b"version: 1\nchecks: [{name: tests, run: 'python -m pytest -q', reports: pytest, timeout: 60}]\n"


class Auditor(auditor_service_pb2_grpc.AuditorServiceServicer):
    """Knows the audits that a test has given it, and of every other one that it is clean."""

    def __init__(self) -> None:
        self.audits: dict[str, audit_pb2.Audit] = {}
        self.clean: tuple[str, str] | None = None
        self.held: asyncio.Event | None = None
        self.asked = asyncio.Event()

    async def WaitAudit(
        self, request: auditor_service_pb2.WaitAuditRequest, context: ServicerContext[Message, Message]
    ) -> auditor_service_pb2.WaitAuditResponse:
        self.asked.set()
        if self.held is not None:
            await self.held.wait()
        if request.request_id in self.audits:
            return auditor_service_pb2.WaitAuditResponse(audit=self.audits[request.request_id])
        if self.clean is None:
            raise NotFound(Reason("OPERATION_NOT_FOUND", "no such audit", "start it"))
        base, head = self.clean
        return auditor_service_pb2.WaitAuditResponse(audit=clean_audit(base, head))


def clean_audit(base: str, head: str) -> audit_pb2.Audit:
    return audit_pb2.Audit(
        state=audit_pb2.AUDIT_STATE_SUCCEEDED,
        recommendation=audit_pb2.RECOMMENDATION_APPROVE,
        analyzers=[audit_pb2.AnalyzerRun(name="ruff", version="1")],
        findings_digest="f" * 64,
        base=base,
        head=head,
    )


@dataclass
class Bench:
    """What a test of the gate has at hand."""

    config: Config
    repository: GitStore
    git_address: str
    auditor: Auditor
    gate: RunningService
    stub: "gate_service_pb2_grpc.GateServiceAsyncStub"
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def commit(self, files: Files, *parents: str) -> str:
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
    ) -> gate_service_pb2.StartGateRequest:
        self.auditor.clean = (base, head)
        return gate_service_pb2.StartGateRequest(
            request_id=request_id or f"run/phase/{next(self.numbers)}/gate",
            project_id=PROJECT,
            base=base,
            head=head,
            policy_commit=policy_commit or base,
            scope=gate_service_pb2.GateScope(paths=paths, category=category, checks=checks),
            audit_request_id="run/phase/1/audit",
            approvals=[verdict_pb2.Approval(change_digest=digest, approver="ann") for digest in approvals],
            git_address=self.git_address,
        )

    async def judgement(self, request: gate_service_pb2.StartGateRequest) -> verdict_pb2.Judgement:
        await call(self.stub.StartGate(request))
        wait = gate_service_pb2.WaitGateRequest(request_id=request.request_id)
        return (await call(self.stub.WaitGate(wait, timeout=120))).judgement

    async def verdict(self, request: gate_service_pb2.StartGateRequest) -> verdict_pb2.Verdict:
        judgement = await self.judgement(request)
        assert judgement.state == verdict_pb2.JUDGEMENT_STATE_SUCCEEDED, judgement.reasons
        return judgement.verdict

    async def judge(self, base: Files, head: Files, **differing: object) -> verdict_pb2.Verdict:
        """The verdict on the change from these files to those."""
        first = self.commit(base)
        second = self.commit(head, first)
        return await self.verdict(self.request(first, second, **differing))  # type: ignore[arg-type]  # as above


async def _authorize(header: PutPackHeader) -> None:
    raise AssertionError("the gate gives no objects")


@pytest.fixture
def project_files() -> Mapping[str, bytes]:
    """A project with a policy and one passing test."""
    return {
        "autopack.yaml": POLICY,
        "src/__init__.py": b"",
        "src/maths.py": b"def double(x):\n    return 2 * x\n",
        "tests/test_maths.py": b"from src.maths import double\n\ndef test_double():\n    assert double(2) == 4\n",
    }


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    repository = GitStore.open(tmp_path / "owner.git")
    auditor = Auditor()

    def stores(project_id: str) -> GitStore:
        if project_id != PROJECT:
            raise NotFound(Reason("PROJECT_NOT_FOUND", "no such project", ""))
        return repository

    git = GitServiceServicer(stores, _authorize, _authorize)
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
    async with others:
        config = Config(
            directory=tmp_path / "gate",
            address=f"unix:{tmp_path}/gate.sock",
            auditor_address=others.address,
            audit_patience_seconds=0.3,
        )
        gate = await start(config)
        channel = create_channel(gate.server.address)
        stub = gate_service_pb2_grpc.GateServiceStub(channel)
        bench = Bench(config, repository, others.address, auditor, gate, stub)
        try:
            yield bench
        finally:
            await channel.close(None)
            await bench.gate.close()
