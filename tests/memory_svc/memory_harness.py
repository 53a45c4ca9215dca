"""Memory with a real repository owner beside it: both served over Unix sockets, as in production."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from autopack.api.git.v1 import git_service_pb2, git_service_pb2_grpc
from autopack.api.memory.v1 import memory_pb2
from autopack.api.memory.v1.memory_service_pb2 import (
    ListEntriesRequest,
    RecallRequest,
    RecordRunRequest,
    StartIndexRequest,
    StartTidyRequest,
    WaitIndexRequest,
    WaitTidyRequest,
)
from autopack.api.memory.v1.memory_service_pb2_grpc import MemoryServiceStub
from autopack.api.plan.v1 import plan_pb2
from autopack.errors import NotFound, PermissionDenied, Reason
from autopack.gitstore.service import GitServiceServicer
from autopack.gitstore.store import GitStore
from autopack.gitstore.write_path import LEDGER_LIMITS
from autopack.ledger.append_only import LEDGER_PATHS, check_ledger_change
from autopack.rpc.channel import create_channel
from autopack.rpc.errors import call, reasons_to_proto
from autopack.rpc.server import ServerSettings, Service, create_server
from autopack.testing.repositories import make_commit
from memory_svc.__main__ import start
from memory_svc.config import Config
from memory_svc.domain.records import RunRecord
from tests.memory_svc.memory_samples import PROJECT

if TYPE_CHECKING:
    from autopack.api.memory.v1.memory_service_pb2_grpc import MemoryServiceAsyncStub

TOKEN = "upload-token"


@dataclass
class Owner:
    """The one owner of the project's repository, as the orchestrator is."""

    store: GitStore
    address: str
    received: list[str] = field(default_factory=list)

    def stores(self, project_id: str) -> GitStore:
        if project_id != PROJECT:
            raise NotFound(Reason("PROJECT_NOT_FOUND", f"no project {project_id!r}"))
        return self.store

    async def authorize(self, header: git_service_pb2.PutPackHeader) -> None:
        if header.upload_token != TOKEN:
            raise PermissionDenied(Reason("UPLOAD_REFUSED", "not the token of a running attempt"))

    async def on_received(self, header: git_service_pb2.PutPackHeader, store: GitStore) -> None:
        self.received.append(header.commit)

    def commit(self, files: Mapping[str, bytes], *parents: str) -> str:
        return make_commit(self.store, files, *parents)

    def text(self, commit: str, path: str) -> str:
        data = self.store.read(commit, path)
        assert data is not None
        return data.decode()

    def files(self, commit: str) -> dict[str, bytes]:
        return {entry.path: self.store.read_blob(entry.oid) for entry in self.store.entries(commit)}

    def refusals(self, base: str, head: str) -> tuple[Reason, ...]:
        """What the gate would say of a change of category ledger."""
        changed = [change.path for change in self.store.diff(base, head)]
        return check_ledger_change(
            lambda path: self.store.read(base, path, LEDGER_LIMITS.file_bytes),
            lambda path: self.store.read(head, path, LEDGER_LIMITS.file_bytes),
            changed,
        )


@dataclass
class Bench:
    """A running memory and what a caller does with it."""

    stub: "MemoryServiceAsyncStub"
    owner: Owner
    numbers: int = 0

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    async def record(self, *records: RunRecord) -> None:
        for record in records:
            await call(self.stub.RecordRun(record_request(record)))

    async def tidy(self, base: str, *run_ids: str, request_id: str = "") -> memory_pb2.Tidy:
        identity = request_id or f"tidy-{self.number()}"
        request = StartTidyRequest(
            request_id=identity,
            project_id=PROJECT,
            base=base,
            run_ids=run_ids,
            upload_token=TOKEN,
            git_address=self.owner.address,
        )
        await call(self.stub.StartTidy(request))
        return (await call(self.stub.WaitTidy(WaitTidyRequest(request_id=identity)))).tidy

    async def index(self, commit: str, rebuild: bool = False, include_code: bool = False) -> memory_pb2.Index:
        identity = f"index-{self.number()}"
        request = StartIndexRequest(
            request_id=identity,
            project_id=PROJECT,
            commit=commit,
            rebuild=rebuild,
            include_code=include_code,
            git_address=self.owner.address,
        )
        await call(self.stub.StartIndex(request))
        return (await call(self.stub.WaitIndex(WaitIndexRequest(request_id=identity)))).index

    async def recall(
        self,
        query: str,
        pending: bool = False,
        project: str = PROJECT,
        include_code: bool = False,
        **limits: int,
    ) -> list[memory_pb2.Hit]:
        request = RecallRequest(
            project_id=project, query=query, include_pending=pending, include_code=include_code, **limits
        )
        return list((await call(self.stub.Recall(request))).hits)

    async def entry_ids(self) -> list[str]:
        response = await call(self.stub.ListEntries(ListEntriesRequest(project_id=PROJECT)))
        return [entry.entry_id for entry in response.entries]


def record_request(record: RunRecord, request_id: str = "") -> RecordRunRequest:
    message = memory_pb2.RunRecord(
        run_id=record.run_id,
        project_id=record.project_id,
        plan_name=record.plan_name,
        state=record.state,
        base=record.base,
        head=record.head,
        phases=[
            memory_pb2.PhaseRecord(
                phase_id=phase.phase_id,
                goal=phase.goal,
                category=phase.category,
                state=phase.state,
                commit=phase.commit,
                decision_digest=phase.decision_digest,
                paths=phase.paths,
                checks=phase.checks,
                attempts=[
                    memory_pb2.AttemptRecord(
                        number=attempt.number, state=attempt.state, reasons=reasons_to_proto(attempt.reasons)
                    )
                    for attempt in phase.attempts
                ],
                decision=plan_pb2.PhaseDecision(**asdict(phase.decision)) if phase.decision else None,
            )
            for phase in record.phases
        ],
    )
    message.submit_time.FromDatetime(record.submit_time)
    return RecordRunRequest(request_id=request_id or f"{record.run_id}/record", record=message)


@asynccontextmanager
async def running_owner(directory: Path) -> AsyncIterator[Owner]:
    store = await asyncio.to_thread(GitStore.open, directory / "owner.git")
    owner = Owner(store, f"unix:{directory / 'git.sock'}")
    servicer = GitServiceServicer(owner.stores, owner.authorize, owner.on_received)
    service = Service(
        "autopack.api.git.v1.GitService",
        lambda server: git_service_pb2_grpc.add_GitServiceServicer_to_server(servicer, server),
        git_service_pb2.DESCRIPTOR,
    )
    async with create_server(ServerSettings(owner.address), [service]):
        yield owner


@asynccontextmanager
async def running_bench(config: Config, owner: Owner) -> AsyncIterator[Bench]:
    running = await start(config)
    try:
        async with create_channel(running.server.address) as channel:
            yield Bench(MemoryServiceStub(channel), owner)
    finally:
        await running.close()


LEDGERS = sorted(LEDGER_PATHS)
