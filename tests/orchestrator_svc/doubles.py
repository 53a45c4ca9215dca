"""The other services as the orchestrator's tests need them: real servers, scripted answers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from autopack.api.auditor.v1 import audit_pb2, auditor_service_pb2, auditor_service_pb2_grpc
from autopack.api.builder.v1 import build_pb2, builder_service_pb2, builder_service_pb2_grpc
from autopack.api.gate.v1 import gate_service_pb2, gate_service_pb2_grpc, verdict_pb2
from autopack.api.git.v1 import git_service_pb2_grpc
from autopack.api.memory.v1 import memory_pb2, memory_service_pb2, memory_service_pb2_grpc
from autopack.errors import Reason
from autopack.gitstore.digest import change_digest
from autopack.gitstore.store import GitStore, Signature
from autopack.gitstore.transfer import get_commits, put_commit
from autopack.gitstore.write_path import Edit, apply_edits
from autopack.policy.policy import DEFAULT_POLICY
from autopack.rpc.channel import create_channel
from autopack.rpc.errors import reasons_to_proto
from autopack.rpc.server import Server, ServerSettings, Service, create_server

ACCEPT = verdict_pb2.DECISION_ACCEPT
REJECT = verdict_pb2.DECISION_REJECT
NEEDS_APPROVAL = verdict_pb2.DECISION_NEEDS_APPROVAL


def phase_of(request_id: str) -> tuple[str, int]:
    """Phase and attempt that a request id names."""
    _, phase_id, number, *_ = request_id.split("/")
    return phase_id, int(number)


@dataclass
class Script:
    """What the doubles answer; every request is kept."""

    decide: Callable[[str, int, bool], "verdict_pb2.Decision"] = lambda phase, attempt, approved: ACCEPT
    """Decision by phase, attempt and whether an approval was shown."""
    files: Callable[[str, int], dict[str, str]] = lambda phase, attempt: {
        f"{phase}.txt": f"{phase} {attempt}\n"
    }
    """What an attempt writes."""
    fail_build: Callable[[str, int], tuple[Reason, ...]] = lambda phase, attempt: ()
    hold_gate: dict[str, asyncio.Event] = field(default_factory=dict)
    """Phases whose verdict waits for an event."""
    hold_build: dict[str, asyncio.Event] = field(default_factory=dict)
    check: Callable[[gate_service_pb2.StartGateRequest], Awaitable[None]] | None = None
    """What a judgement takes; None: no time."""
    fate: Mapping[tuple[str, str], "verdict_pb2.Decision"] | None = None
    """Decisions by run and phase in place of `decide`; what must be approved is accepted once it is."""
    tiers: tuple[str, ...] = ("namespaces", "landlock")
    """Sandboxes that the gate's machine has."""
    builds: list[builder_service_pb2.StartBuildRequest] = field(default_factory=list)
    gates: list[gate_service_pb2.StartGateRequest] = field(default_factory=list)
    audits: list[auditor_service_pb2.StartAuditRequest] = field(default_factory=list)
    records: list[memory_pb2.RunRecord] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    forgotten: set[str] = field(default_factory=set)
    """Judgements that the gate has lost."""
    asked: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def note(self, kept: list[Any], request: Any) -> None:
        """Keeps a request and tells whoever waits for it."""
        kept.append(request)
        async with self.asked:
            self.asked.notify_all()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Returns when what was asked so far meets the condition."""
        async with self.asked:
            await asyncio.wait_for(self.asked.wait_for(condition), 30)


class Objects:
    """A service's own store, filled over the real GitService."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    async def having(self, address: str, project_id: str, *commits: str) -> tuple[GitStore, Any, Any]:
        store = await asyncio.to_thread(GitStore.open, self.directory / f"{project_id}.git")
        channel = create_channel(address)
        stub = git_service_pb2_grpc.GitServiceStub(channel)
        if lacking := [commit for commit in commits if not store.has(commit)]:
            await get_commits(store, stub, project_id, lacking, [])
        return store, stub, channel


async def _unasked(self: object, request: Any, context: Any) -> Any:
    raise AssertionError("the orchestrator does not ask this")


UNASKED: Any = _unasked


class BuilderDouble(builder_service_pb2_grpc.BuilderServiceServicer):
    def __init__(self, script: Script, objects: Objects) -> None:
        self.script, self.objects = script, objects
        self.running: dict[str, asyncio.Task[build_pb2.Build]] = {}

    async def StartBuild(self, request: Any, context: Any) -> Any:
        running = self.running.get(request.request_id)
        if running is None or (running.done() and running.exception()):
            if running is None:
                await self.script.note(self.script.builds, request)
            self.running[request.request_id] = asyncio.create_task(self.build(request))
        build = build_pb2.Build(request_id=request.request_id, state=build_pb2.BUILD_STATE_RUNNING)
        return builder_service_pb2.StartBuildResponse(build=build)

    async def WaitBuild(self, request: Any, context: Any) -> Any:
        build = await asyncio.shield(self.running[request.request_id])
        return builder_service_pb2.WaitBuildResponse(build=build)

    async def CancelBuild(self, request: Any, context: Any) -> Any:
        await self.script.note(self.script.cancelled, request.request_id)
        self.running[request.request_id].cancel()
        return builder_service_pb2.CancelBuildResponse()

    async def build(self, request: builder_service_pb2.StartBuildRequest) -> build_pb2.Build:
        phase_id, attempt = phase_of(request.request_id)
        if phase_id in self.script.hold_build:
            await self.script.hold_build[phase_id].wait()
        failed = self.script.fail_build(phase_id, attempt)
        if failed:
            return build_pb2.Build(
                request_id=request.request_id,
                state=build_pb2.BUILD_STATE_FAILED,
                reasons=reasons_to_proto(failed),
                usage=build_pb2.Usage(seconds=0.5, input_tokens=10, output_tokens=5),
            )
        store, stub, channel = await self.objects.having(
            request.git_address, request.project_id, request.base
        )
        edits = [Edit(path, text.encode()) for path, text in self.script.files(phase_id, attempt).items()]
        tree = await asyncio.to_thread(apply_edits, store, request.base, edits, DEFAULT_POLICY.path_rules())
        commit = store.commit(
            tree=tree, parents=[request.base], message="built", author=Signature("b", "b@localhost", 0)
        )
        await put_commit(
            store,
            stub,
            request.project_id,
            commit,
            request.base,
            request.request_id,
            request.upload_token,
        )
        await channel.close(None)
        return build_pb2.Build(
            request_id=request.request_id,
            state=build_pb2.BUILD_STATE_SUCCEEDED,
            commit=commit,
            usage=build_pb2.Usage(seconds=0.5, input_tokens=10, output_tokens=5),
        )


class AuditorDouble(auditor_service_pb2_grpc.AuditorServiceServicer):
    WaitAudit = CancelAudit = GetSarif = UNASKED

    def __init__(self, script: Script) -> None:
        self.script = script

    async def StartAudit(self, request: Any, context: Any) -> Any:
        await self.script.note(self.script.audits, request)
        return auditor_service_pb2.StartAuditResponse(audit=audit_pb2.Audit(request_id=request.request_id))


class GateDouble(gate_service_pb2_grpc.GateServiceServicer):
    def __init__(self, script: Script, objects: Objects) -> None:
        self.script, self.objects = script, objects
        self.running: dict[str, gate_service_pb2.StartGateRequest] = {}
        self.checking: dict[str, asyncio.Future[None]] = {}

    async def GetCapabilities(self, request: Any, context: Any) -> Any:
        return gate_service_pb2.GetCapabilitiesResponse(tiers=self.script.tiers)

    async def StartGate(self, request: Any, context: Any) -> Any:
        if request.request_id not in self.running:
            await self.script.note(self.script.gates, request)
            if self.script.check is not None:
                checking = asyncio.ensure_future(self.script.check(request))
                self.checking[request.request_id] = checking
        self.running[request.request_id] = request
        running = verdict_pb2.Judgement(state=verdict_pb2.JUDGEMENT_STATE_RUNNING)
        return gate_service_pb2.StartGateResponse(judgement=running)

    async def CancelGate(self, request: Any, context: Any) -> Any:
        await self.script.note(self.script.cancelled, request.request_id)
        if request.request_id in self.checking:
            self.checking.pop(request.request_id).cancel()
            del self.running[request.request_id]
        return gate_service_pb2.CancelGateResponse()

    async def WaitGate(self, request: Any, context: Any) -> Any:
        started = self.running[request.request_id]
        phase_id, attempt = phase_of(request.request_id)
        if phase_id in self.script.hold_gate:
            await self.script.hold_gate[phase_id].wait()
        if request.request_id in self.checking:
            await asyncio.wait([self.checking[request.request_id]])
        store, _, channel = await self.objects.having(
            started.git_address, started.project_id, started.base, started.head
        )
        await channel.close(None)
        digest = change_digest(store.diff(started.base, started.head), "policy")
        shown = any(approval.change_digest == digest for approval in started.approvals)
        decision = self.script.decide(phase_id, attempt, shown)
        if self.script.fate is not None:
            fate = self.script.fate.get((request.request_id.partition("/")[0], phase_id), ACCEPT)
            decision = ACCEPT if shown and fate == NEEDS_APPROVAL else fate
        reasons = () if decision == ACCEPT else (Reason("SCRIPTED", f"{phase_id} at {attempt}", "none"),)
        verdict = verdict_pb2.Verdict(
            decision=decision,
            reasons=reasons_to_proto(reasons),
            change_digest=digest,
            decision_digest=change_digest(store.diff(started.base, started.head), str(decision)),
            tree=store.commit_tree(started.head),
            base_tree=store.commit_tree(started.base),
        )
        return gate_service_pb2.WaitGateResponse(
            judgement=verdict_pb2.Judgement(
                request_id=request.request_id,
                state=verdict_pb2.JUDGEMENT_STATE_SUCCEEDED,
                verdict=verdict,
            )
        )

    async def AttestChange(self, request: Any, context: Any) -> Any:
        """Signs nothing: what the gate signs is tested with the gate."""
        if request.judgement_id in self.script.forgotten:
            await context.abort(grpc.StatusCode.NOT_FOUND, "OPERATION_NOT_FOUND")
        return gate_service_pb2.AttestChangeResponse(bundle=request.judgement_id.encode() + b"\n")

    async def AttestRun(self, request: Any, context: Any) -> Any:
        return gate_service_pb2.AttestRunResponse(envelope=request.predicate)


class MemoryDouble(memory_service_pb2_grpc.MemoryServiceServicer):
    ListEntries = StartIndex = StartTidy = WaitIndex = WaitTidy = UNASKED

    def __init__(self, script: Script) -> None:
        self.script = script

    async def Recall(self, request: Any, context: Any) -> Any:
        hit = memory_pb2.Hit(text="known", source="docs/DEBUG_LOG.md", entry_id="DBG-0001", trust="accepted")
        return memory_service_pb2.RecallResponse(hits=[hit])

    async def RecordRun(self, request: Any, context: Any) -> Any:
        await self.script.note(self.script.records, request.record)
        return memory_service_pb2.RecordRunResponse()


@dataclass(frozen=True)
class Addresses:
    """Where the doubles are."""

    builder: str
    auditor: str
    gate: str
    memory: str


@asynccontextmanager
async def doubles(script: Script, directory: Path) -> AsyncIterator[Addresses]:
    """The four services, each on a server of its own with the real interceptors."""
    builder = BuilderDouble(script, Objects(directory / "builder"))
    gate = GateDouble(script, Objects(directory / "gate"))
    parts = [
        (
            "autopack.api.builder.v1.BuilderService",
            lambda server: builder_service_pb2_grpc.add_BuilderServiceServicer_to_server(builder, server),
            builder_service_pb2.DESCRIPTOR,
        ),
        (
            "autopack.api.auditor.v1.AuditorService",
            lambda server: auditor_service_pb2_grpc.add_AuditorServiceServicer_to_server(
                AuditorDouble(script), server
            ),
            auditor_service_pb2.DESCRIPTOR,
        ),
        (
            "autopack.api.gate.v1.GateService",
            lambda server: gate_service_pb2_grpc.add_GateServiceServicer_to_server(gate, server),
            gate_service_pb2.DESCRIPTOR,
        ),
        (
            "autopack.api.memory.v1.MemoryService",
            lambda server: memory_service_pb2_grpc.add_MemoryServiceServicer_to_server(
                MemoryDouble(script), server
            ),
            memory_service_pb2.DESCRIPTOR,
        ),
    ]
    async with AsyncExitStack() as stack:
        servers: list[Server] = []
        for part in parts:
            settings = ServerSettings("127.0.0.1:0", drain_seconds=0.1)
            servers.append(await stack.enter_async_context(create_server(settings, [Service(*part)])))
        yield Addresses(*(server.address for server in servers))
