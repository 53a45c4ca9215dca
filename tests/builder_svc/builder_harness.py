"""A real builder and a real GitService over a temporary store, and what tests ask of them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from autopack.api.builder.v1 import build_pb2
from autopack.api.builder.v1 import builder_service_pb2 as service_pb2
from autopack.api.builder.v1.builder_service_pb2_grpc import BuilderServiceStub
from autopack.api.git.v1 import git_service_pb2
from autopack.api.git.v1.git_service_pb2_grpc import add_GitServiceServicer_to_server
from autopack.api.plan.v1 import plan_pb2
from autopack.errors import NotFound, PermissionDenied, Reason
from autopack.gitstore.service import GitServiceServicer
from autopack.gitstore.store import GitStore
from autopack.rpc.channel import create_channel
from autopack.rpc.errors import call, reasons_to_proto
from autopack.rpc.lifetime import RunningService
from autopack.rpc.server import Server, ServerSettings, Service, create_server
from autopack.testing.repositories import Files, make_commit
from builder_svc.__main__ import start
from builder_svc.config import Config

if TYPE_CHECKING:  # known to type checkers only
    from autopack.api.builder.v1.builder_service_pb2_grpc import BuilderServiceAsyncStub

PROJECT = "project"
TOKEN = "upload-token"
CONTEXT_TOKENS = 512
"""That the real model reads and writes: little, so that it is quick."""
FILES: Mapping[str, bytes] = {
    "src/a.py": b"def a():\n    return 1\n",
    "src/b.py": b"def b():\n    return 2\n",
    "tests/test_a.py": b"from a import a\n\n\ndef test_a():\n    assert a() == 2\n",
    "README.md": b"# Example\n",
}


@dataclass(slots=True)
class Owner:
    """The orchestrator's side: the project's repository behind a GitService."""

    store: GitStore
    address: str = ""
    received: list[git_service_pb2.PutPackHeader] = field(default_factory=list)
    token: str = TOKEN
    server: Server | None = None

    def commit(self, files: Files, *parents: str) -> str:
        return make_commit(self.store, files, *parents)

    def stores(self, project_id: str) -> GitStore:
        if project_id != PROJECT:
            raise NotFound(Reason("PROJECT_NOT_FOUND", f"no project {project_id}"))
        return self.store

    async def authorize(self, header: git_service_pb2.PutPackHeader) -> None:
        if header.upload_token != self.token:
            raise PermissionDenied(Reason("UPLOAD_REFUSED", "not the token of a running attempt"))

    async def on_received(self, header: git_service_pb2.PutPackHeader, store: GitStore) -> None:
        self.received.append(header)


@asynccontextmanager
async def serving_owner(directory: Path, address: str = "127.0.0.1:0") -> AsyncIterator[Owner]:
    made = Owner(GitStore.open(directory))
    servicer = GitServiceServicer(made.stores, made.authorize, made.on_received)
    service = Service(
        "autopack.api.git.v1.GitService",
        lambda server: add_GitServiceServicer_to_server(servicer, server),
        git_service_pb2.DESCRIPTOR,
    )
    async with create_server(ServerSettings(address), [service]) as server:
        made.address, made.server = server.address, server
        yield made


@dataclass(slots=True)
class Client:
    """Calls a running builder as the orchestrator does."""

    owner: Owner
    config: Config
    running: RunningService
    channel: grpc.aio.Channel
    builds: int = 0

    def request(
        self,
        builder: plan_pb2.BuilderSpec,
        *,
        files: Files = FILES,
        policy: str = "",
        base: str = "",
        scope: Sequence[str] = ("src/**",),
        context: Sequence[str] = (),
        request_id: str = "",
        attempt: int = 1,
        feedback: Sequence[Reason] = (),
        recalled: Sequence[build_pb2.RecalledText] = (),
        seconds: int = 60,
        tokens: int = 100_000,
        usd: float = 0.0,
        goal: str = "Make a() return 2.",
        hints: Sequence[str] = (),
    ) -> service_pb2.StartBuildRequest:
        self.builds += 1
        commit = base or self.owner.commit({**files, "autopack.yaml": policy.encode()} if policy else files)
        return service_pb2.StartBuildRequest(
            request_id=request_id or f"run/phase/{self.builds}/build",
            project_id=PROJECT,
            base=commit,
            policy_commit=commit,
            phase=plan_pb2.Phase(
                phase_id="phase",
                goal=goal,
                category="bug_fix",
                scope=plan_pb2.Scope(paths=scope, context=context),
                builder=builder,
                hints=hints,
            ),
            attempt=attempt,
            feedback=reasons_to_proto(feedback),
            recalled=recalled,
            budget=plan_pb2.Budget(attempts=3, seconds=seconds, tokens=tokens, usd=usd),
            upload_token=TOKEN,
            git_address=self.owner.address,
        )

    @property
    def stub(self) -> "BuilderServiceAsyncStub":
        return BuilderServiceStub(self.channel)

    async def start(self, request: service_pb2.StartBuildRequest) -> build_pb2.Build:
        return (await call(self.stub.StartBuild(request))).build

    async def wait(self, request_id: str) -> build_pb2.Build:
        request = service_pb2.WaitBuildRequest(request_id=request_id)
        return (await call(self.stub.WaitBuild(request, timeout=120))).build

    async def cancel(self, request_id: str) -> build_pb2.Build:
        return (
            await call(self.stub.CancelBuild(service_pb2.CancelBuildRequest(request_id=request_id)))
        ).build

    async def build(self, request: service_pb2.StartBuildRequest) -> build_pb2.Build:
        """To its end."""
        await self.start(request)
        return await self.wait(request.request_id)

    def changed(self, build: build_pb2.Build) -> dict[str, bytes | None]:
        """What a build that must have succeeded has changed: new contents by path, None for a removal."""
        assert build.state == build_pb2.BUILD_STATE_SUCCEEDED, codes(build)
        store = self.owner.store
        (base,) = store.parents(build.commit)
        return {
            change.path: store.read_blob(change.new_oid) if change.new_mode else None
            for change in store.diff(base, build.commit)
        }


def codes(build: build_pb2.Build) -> list[tuple[str, str]]:
    """Code and path of each reason."""
    return [(reason.code, reason.path) for reason in build.reasons]


def failure(build: build_pb2.Build) -> str:
    """Code of the first reason of a build that must have failed, and says what to do."""
    assert build.state == build_pb2.BUILD_STATE_FAILED
    assert not build.commit
    assert build.reasons[0].message
    assert build.reasons[0].fix
    return build.reasons[0].code


@asynccontextmanager
async def running_builder(owner: Owner, config: Config) -> AsyncIterator[Client]:
    running = await start(config)
    try:
        async with create_channel(running.server.address) as channel:
            yield Client(owner, config, running, channel)
    finally:
        await running.close()


def patch(diff: str) -> plan_pb2.BuilderSpec:
    return plan_pb2.BuilderSpec(patch=plan_pb2.PatchBuilder(diff=diff))


def whole(files: Mapping[str, str | None]) -> plan_pb2.BuilderSpec:
    """A patch builder of whole files; None removes one."""
    contents = [plan_pb2.FileContent(path=path, contents=text) for path, text in files.items()]
    return plan_pb2.BuilderSpec(patch=plan_pb2.PatchBuilder(files=contents))


def command(line: str) -> plan_pb2.BuilderSpec:
    return plan_pb2.BuilderSpec(command=plan_pb2.CommandBuilder(run=line))


def named(name: str = "local") -> plan_pb2.BuilderSpec:
    return plan_pb2.BuilderSpec(named=plan_pb2.NamedBuilder(use=name))
