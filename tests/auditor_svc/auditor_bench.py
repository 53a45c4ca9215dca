"""A real auditor with a real GitService to get objects from."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from google.protobuf.message import Message
from grpc.aio import ServicerContext

from auditor_svc.__main__ import start
from auditor_svc.config import Config
from autopack.api.auditor.v1 import auditor_service_pb2, auditor_service_pb2_grpc
from autopack.api.auditor.v1.audit_pb2 import Audit
from autopack.api.git.v1 import git_service_pb2, git_service_pb2_grpc
from autopack.errors import NotFound, Reason
from autopack.gitstore.service import GitServiceServicer
from autopack.gitstore.store import GitStore
from autopack.rpc.channel import create_channel
from autopack.rpc.errors import call, to_exception
from autopack.rpc.lifetime import RunningService
from autopack.rpc.server import ServerSettings, Service, create_server
from autopack.testing.repositories import Files, make_commit

PROJECT = "demo"
SHELL = b"import subprocess\n\n\ndef run(command):\n    subprocess.run(command, shell=True)\n"
"""What every auditor must find, on line 5."""


class Git(GitServiceServicer):
    """The repository's owner, which a test can hold back."""

    def __init__(self, store: GitStore) -> None:
        super().__init__(self._store, self._refuse, self._refuse)
        self.store = store
        self.asked = asyncio.Event()
        self.answers = asyncio.Event()
        self.answers.set()

    def _store(self, project_id: str) -> GitStore:
        if project_id != PROJECT:
            raise NotFound(Reason("PROJECT_NOT_FOUND", "no such project", ""))
        return self.store

    async def _refuse(self, *_: object) -> None:
        raise AssertionError("the auditor gives no objects")

    async def GetPack(
        self, request: git_service_pb2.GetPackRequest, context: ServicerContext[Message, Message]
    ) -> AsyncIterator[git_service_pb2.GetPackResponse]:
        self.asked.set()
        await self.answers.wait()
        async for response in super().GetPack(request, context):
            yield response


@dataclass
class Bench:
    """What a test of the auditor has at hand."""

    config: Config
    git: Git
    git_address: str
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    auditor: RunningService | None = None
    stub: "auditor_service_pb2_grpc.AuditorServiceAsyncStub" = field(init=False)

    async def start(self, **differing: Any) -> None:
        """Starts an auditor with these settings changed, in place of the one before."""
        await self.stop()
        self.config = replace(self.config, **differing)
        self.auditor = await start(self.config)
        self._channel = create_channel(self.auditor.server.address)
        self.stub = auditor_service_pb2_grpc.AuditorServiceStub(self._channel)

    async def stop(self) -> None:
        if self.auditor is not None:
            await self._channel.close(None)
            await self.auditor.close()
            self.auditor = None

    def request(self, base: Files, head: Files, **differing: Any) -> auditor_service_pb2.StartAuditRequest:
        """A request to audit the change from these files to those, which no other test has."""
        number = next(self.numbers)
        first = make_commit(self.git.store, base, message=f"base {number}")
        fields = {
            "request_id": f"run/phase/{number}/audit",
            "project_id": PROJECT,
            "base": first,
            "head": make_commit(self.git.store, head, first),
            "policy_commit": first,
            "git_address": self.git_address,
        }
        return auditor_service_pb2.StartAuditRequest(**(fields | differing))

    async def begin(self, request: auditor_service_pb2.StartAuditRequest) -> Audit:
        return (await call(self.stub.StartAudit(request))).audit

    async def wait(self, request_id: str) -> Audit:
        request = auditor_service_pb2.WaitAuditRequest(request_id=request_id)
        return (await call(self.stub.WaitAudit(request, timeout=60))).audit

    async def ended(self, request: auditor_service_pb2.StartAuditRequest) -> Audit:
        """How an audit ended."""
        await self.begin(request)
        return await self.wait(request.request_id)

    async def cancel(self, request_id: str) -> Audit:
        request = auditor_service_pb2.CancelAuditRequest(request_id=request_id)
        return (await call(self.stub.CancelAudit(request))).audit

    async def sarif(self, request_id: str) -> dict[str, Any]:
        """The whole document."""
        request = auditor_service_pb2.GetSarifRequest(request_id=request_id)
        stream = self.stub.GetSarif(request)
        try:
            chunks = [response.chunk async for response in stream]
        except Exception as error:
            raise to_exception(error) from error  # type: ignore[arg-type]  # nothing else comes from a stream
        document: dict[str, Any] = json.loads(b"".join(chunks))
        return document


@asynccontextmanager
async def open_bench(directory: Path, database_url: str = "") -> AsyncIterator[Bench]:
    """A running auditor and what it needs, below one directory."""
    git = Git(GitStore.open(directory / "owner.git"))
    owner = create_server(
        ServerSettings("127.0.0.1:0", name="owner", drain_seconds=0),
        [
            Service(
                "autopack.api.git.v1.GitService",
                lambda server: git_service_pb2_grpc.add_GitServiceServicer_to_server(git, server),
                git_service_pb2.DESCRIPTOR,
            )
        ],
    )
    (directory / "auditor").mkdir()
    async with owner:
        config = Config(
            directory=directory / "auditor",
            address=f"unix:{directory}/auditor.sock",
            database_url=database_url,
        )
        bench = Bench(config, git, owner.address)
        try:
            await bench.start()
            yield bench
        finally:
            git.answers.set()
            await bench.stop()
