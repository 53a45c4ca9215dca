"""A project and the services that drive its plan, in processes that may die: what is left is compared."""

import asyncio
import ctypes
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from autopack.api.gate.v1 import verdict_pb2
from autopack.api.memory.v1 import memory_pb2, memory_service_pb2
from autopack.api.memory.v1.memory_service_pb2_grpc import MemoryServiceStub
from autopack.api.orchestrator.v1 import orchestrator_service_pb2 as messages
from autopack.api.orchestrator.v1 import run_pb2
from autopack.api.orchestrator.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from autopack.errors import Unavailable
from autopack.host.places import LEASE_SOCKET, SERVICES, Places
from autopack.policy.convert import plan_to_proto
from autopack.policy.plan import load_plan
from autopack.rpc.channel import create_channel
from autopack.rpc.errors import call
from autopack.testing import faults

if TYPE_CHECKING:  # known to type checkers only
    from autopack.api.memory.v1.memory_service_pb2_grpc import MemoryServiceAsyncStub as Memory
    from autopack.api.orchestrator.v1.orchestrator_service_pb2_grpc import (
        OrchestratorServiceAsyncStub as Orchestrator,
    )

ROOT = Path(__file__).parents[2]
GIVEN_TIME = 1_800_000_000.0
RUN = "crash"
SCENE_SECONDS = 280.0
BETWEEN_KILLS_SECONDS = (0.0, 6.0)
LOOK_SECONDS = 0.02
POLICY = """\
version: 1
paths: {allow: ["src/**", "requirements.txt", "docs/**"]}
checks: [{name: nothing-wrong, run: "! grep -rq wrong src"}]
categories: {dependency: ["requirements*.txt"]}
approvals: {categories: [dependency]}
budget: {attempts: 2, seconds: 300}
"""
PLAN = """\
version: 1
name: crash
base: main
land: fast-forward
phases:
  - id: one
    goal: Add the first file
    scope: {paths: ["src/one.txt"]}
    builder: {kind: patch, files: {src/one.txt: "one\\n"}}
  - id: two
    goal: Get it right at the second attempt
    depends_on: [one]
    scope: {paths: ["src/two.txt"]}
    builder:
      kind: command
      run: "if [ $AUTOPACK_ATTEMPT = 2 ]; then echo right; else echo wrong; fi >src/two.txt"
  - id: three
    goal: Depend on something, which a person must allow
    scope: {paths: ["requirements.txt"]}
    builder: {kind: patch, files: {requirements.txt: "something==1\\n"}}
  - id: four
    goal: Use it
    depends_on: [three]
    scope: {paths: ["src/four.txt"]}
    builder: {kind: patch, files: {src/four.txt: "four\\n"}}
"""
ORDER = ["one", "two", "three", "four"]


@dataclass(frozen=True)
class Left:
    """What a scene leaves when all has ended; equal, however often something died on the way."""

    head: str
    """Commit on main: with it every commit, tree and ledger entry before it."""
    branch: str
    landed: tuple[str, ...]
    """Phases on the run's branch, oldest first."""
    indexed: int
    """Passages of the ledgers in memory's index."""
    status: str
    """Of the work tree."""
    files: frozenset[str]
    """What there is below the state and temporary directories, ids and random names left out."""
    orphans: tuple[str, ...]


@dataclass
class Process:
    """One process of ours, started anew when it is killed."""

    module: str
    arguments: tuple[str, ...]
    environ: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    deaths: int = 0

    def start(self, **environ: str) -> None:
        command = [sys.executable, "-P", "-m", "autopack.testing.faults", self.module, *self.arguments]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                env={**self.environ, **environ},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def revive(self) -> bool:
        """Starts it again where it was killed; whether it was. Raises where it ended in another way."""
        assert self.process is not None
        code = self.process.poll()
        if code is None:
            return False
        assert code == -signal.SIGKILL, f"{self.module} ended with {code}: {self.log.read_text()[-3000:]}"
        self.deaths += 1
        self.start()
        return True

    def stop(self, seconds: float) -> None:
        """Waits for its end, which somebody has asked for."""
        assert self.process is not None
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self.module} does not end: {self.log.read_text()[-3000:]}") from None
        assert code == 0, f"{self.module} ended with {code}: {self.log.read_text()[-3000:]}"


class Scene:
    """The project, its remote, and what runs; `together` as the all-in-one, else each service alone."""

    def __init__(self, root: Path, together: bool, database: Callable[[], str] = str) -> None:
        """`database` makes a new Postgres database for a service that runs alone; "" is SQLite."""
        self.root, self.together = root, together
        self.home, self.temporary = root / "home", root / "tmp"
        self.home.mkdir(mode=0o700)
        self.temporary.mkdir(mode=0o755)
        self.project = root / "project"
        _make_project(self.project)
        environ = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(root),
            "TMPDIR": str(self.temporary),
            "AUTOPACK_HOME": str(self.home),
            "OTEL_SDK_DISABLED": "true",
            "PYTHONPATH": str(ROOT),
            faults.CLOCK: str(GIVEN_TIME),
        }
        self._indexed = 0
        self.processes: dict[str, Process] = {}
        if together:
            self.processes["host"] = Process("autopack.host", SERVICES, environ, root / "host.log")
            return
        addresses = {name: f"unix:{self.home}/{name}.sock" for name in SERVICES}
        environ |= {f"AUTOPACK_{name.upper()}_ADDRESS": address for name, address in addresses.items()}
        for name in SERVICES:
            own = {
                "AUTOPACK_ADDRESS": addresses[name],
                "AUTOPACK_DIRECTORY": str(self.home / name),
                "AUTOPACK_DATABASE_URL": database(),
            }
            self.processes[name] = Process(f"{name}_svc", (), environ | own, root / f"{name}.log")

    async def play(
        self, victim: str = "", fault: str = "", log: Path | None = None, kills: int = 0, seed: int = 0
    ) -> Left:
        """Plays it to the end and returns what is left.

        Args:
            victim: the process that is under a fault until it has died.
            fault: name and number of the boundary where it dies.
            log: gets the names of the boundaries that the victim passes.
            kills: how many times a process is killed at a moment that chance, from `seed`, chooses.
        """
        _become_subreaper()
        before = _children()
        async with asyncio.timeout(SCENE_SECONDS):
            with _remote(self) as repository:
                for name, process in self.processes.items():
                    armed = {faults.POINT: fault, faults.LOG: str(log or "")} if name == victim else {}
                    process.start(**armed)
                reviving = asyncio.create_task(self._revive())
                killing = asyncio.create_task(self._kill(random.Random(seed), kills))
                person = asyncio.create_task(self._person(repository))
                try:
                    await asyncio.wait((reviving, person), return_when=asyncio.FIRST_COMPLETED)
                    for task in (reviving, person):
                        if task.done():
                            task.result()
                finally:
                    tasks = (reviving, person, killing)
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)
                    await asyncio.to_thread(self._stop)
        return self._left(_orphans(before))

    @property
    def deaths(self) -> int:
        """How many processes were killed."""
        return sum(process.deaths for process in self.processes.values())

    async def _revive(self) -> None:
        while True:
            for process in self.processes.values():
                process.revive()
            await asyncio.sleep(LOOK_SECONDS)

    async def _kill(self, chance: random.Random, kills: int) -> None:
        for _ in range(kills):
            await asyncio.sleep(chance.uniform(*BETWEEN_KILLS_SECONDS))
            process = chance.choice(list(self.processes.values())).process
            if process is not None and process.poll() is None:
                process.kill()

    def _stop(self) -> None:
        """The all-in-one ends by itself, since its last client has left."""
        if not self.together:
            for process in self.processes.values():
                if process.process is not None:
                    process.process.terminate()
        for process in self.processes.values():
            if process.process is not None:
                process.stop(30)

    async def _person(self, repository: run_pb2.Repository) -> None:
        """Does again what was cut off, as somebody at the command line would; never asks to resume."""
        while True:
            try:
                async with self._reached() as (orchestrator, memory):
                    await self._drive(orchestrator, repository)
                    self._indexed = await self._index(orchestrator, memory, repository)
                    return
            except (Unavailable, OSError, grpc.aio.AioRpcError) as error:
                if isinstance(error, grpc.aio.AioRpcError) and error.code() != grpc.StatusCode.UNAVAILABLE:
                    raise
                await asyncio.sleep(LOOK_SECONDS)

    async def _drive(self, stub: "Orchestrator", repository: run_pb2.Repository) -> None:
        plan = plan_to_proto(load_plan(PLAN, "plan.yaml", None))
        submission = messages.SubmitRunRequest(
            request_id="submit", plan=plan, repository=repository, run_id=RUN
        )
        while True:
            # The same id and plan find the run that is there.
            await call(stub.SubmitRun(submission))
            run = await _stopped(stub, RUN)
            if run.state != run_pb2.RUN_STATE_WAITING_APPROVAL:
                break
            for phase in run.phases:
                if phase.state == run_pb2.PHASE_STATE_WAITING_APPROVAL:
                    approval = verdict_pb2.Approval(change_digest=phase.approval.digest, approver="somebody")
                    await call(
                        stub.ApprovePhase(
                            messages.ApprovePhaseRequest(
                                request_id=f"approve-{phase.phase_id}",
                                run_id=RUN,
                                phase_id=phase.phase_id,
                                approval=approval,
                            )
                        )
                    )
        assert run.state == run_pb2.RUN_STATE_SUCCEEDED, _how(run)
        while True:
            tidy = await call(
                stub.TidyProject(
                    messages.TidyProjectRequest(
                        request_id="tidy", repository=repository, branch="main", execute=True
                    )
                )
            )
            if not tidy.run_id:
                return
            run = await _stopped(stub, tidy.run_id)
            assert run.state == run_pb2.RUN_STATE_SUCCEEDED, _how(run)

    async def _index(
        self, orchestrator: "Orchestrator", memory: "Memory", repository: run_pb2.Repository
    ) -> int:
        """Has memory know what is on main; how many passages that is."""
        request = messages.ImportRevisionsRequest(
            request_id="import", repository=repository, revisions=["main"]
        )
        brought = await call(orchestrator.ImportRevisions(request))
        start = memory_service_pb2.StartIndexRequest(
            request_id="index",
            project_id=brought.project_id,
            commit=brought.commits[0],
            git_address=brought.git_address,
        )
        await call(memory.StartIndex(start))
        answer = await call(memory.WaitIndex(memory_service_pb2.WaitIndexRequest(request_id="index")))
        assert answer.index.state == memory_pb2.WORK_STATE_SUCCEEDED, answer
        return answer.index.chunks

    @asynccontextmanager
    async def _reached(self) -> AsyncIterator[tuple["Orchestrator", "Memory"]]:
        async with AsyncExitStack() as stack:
            place = await stack.enter_async_context(self._lease()) if self.together else self.home
            channels = [create_channel(f"unix:{place}/{name}.sock") for name in ("orchestrator", "memory")]
            for channel in channels:
                stack.push_async_callback(channel.close, None)
            yield OrchestratorServiceStub(channels[0]), MemoryServiceStub(channels[1])

    @asynccontextmanager
    async def _lease(self) -> AsyncIterator[Path]:
        """Holds the all-in-one, as a command does; where its sockets are."""
        sockets = Places(self.home).sockets()
        reader, writer = await asyncio.open_unix_connection(sockets / LEASE_SOCKET)
        try:
            writer.write(json.dumps({"start": SERVICES}).encode() + b"\n")
            started = 0
            while started < len(SERVICES):
                line = await reader.readline()
                if not line:
                    raise ConnectionResetError("the host has gone")
                started += "service" in json.loads(line)
            yield sockets
        finally:
            writer.close()

    def _left(self, orphans: tuple[str, ...]) -> Left:
        log = git(self.project, "log", "--reverse", f"--format={_PHASE}", f"autopack/{RUN}")
        files = {
            _nameless(path.relative_to(self.root))
            for directory in (self.home, self.temporary, self.project / ".git")
            for path in directory.rglob("*")
        }
        return Left(
            head=git(self.project, "rev-parse", "main"),
            branch=git(self.project, "rev-parse", f"autopack/{RUN}"),
            landed=tuple(line for line in log.splitlines() if line),
            indexed=self._indexed,
            status=git(self.project, "status", "--porcelain"),
            files=frozenset(files),
            orphans=orphans,
        )


_PHASE = "%(trailers:key=Autopack-Phase,valueonly,separator=)"


async def _stopped(stub: "Orchestrator", run_id: str) -> run_pb2.Run:
    """The run once it has ended or waits for a person; one that was halted fails the scene."""
    while True:
        async for _ in stub.WatchRun(messages.WatchRunRequest(run_id=run_id)):
            pass
        run = (await call(stub.GetRun(messages.GetRunRequest(run_id=run_id)))).run
        if run.state != run_pb2.RUN_STATE_RUNNING:
            return run
        assert not run.reasons, run.reasons
        await asyncio.sleep(LOOK_SECONDS)


def _how(run: run_pb2.Run) -> str:
    """What a run that should have succeeded says of itself."""
    reasons = [*run.reasons, *(reason for phase in run.phases for reason in phase.reasons)]
    states = {phase.phase_id: run_pb2.PhaseState.Name(phase.state) for phase in run.phases}
    return f"{run_pb2.RunState.Name(run.state)} {states} {reasons}"


def git(directory: Path, *arguments: str) -> str:
    """What git answers; what it commits is committed at the given time."""
    command = ["git", "-c", "safe.directory=*", "-C", str(directory), *arguments]
    date = f"{int(GIVEN_TIME)} +0000"
    environ = {**os.environ, "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environ).stdout.strip()


def _make_project(directory: Path) -> None:
    for path, text in {
        "autopack.yaml": POLICY,
        "src/zero.txt": "zero\n",
        "docs/usage.md": "# Usage\n",
    }.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_text(text)
    git(directory, "init", "-q", "-b", "main")
    git(directory, "add", "-A")
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    git(directory, *who, "commit", "-q", "-m", "As found")


@contextmanager
def _remote(scene: Scene) -> Iterator[run_pb2.Repository]:
    """How the services reach the project: by its path, or from a git server."""
    if scene.together:
        yield run_pb2.Repository(path=str(scene.project))
        return
    git(scene.project, "config", "receive.denyCurrentBranch", "updateInstead")
    with git_server(scene.root) as url:
        yield run_pb2.Repository(url=f"{url}/project")


@contextmanager
def git_server(root: Path) -> Iterator[str]:
    """Serves the repositories in a directory, to be pushed to as well; the URL of the directory."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Not `git daemon`, which starts it as a child that would be left behind.
    program = str(Path(git(root, "--exec-path")) / "git-daemon")
    command = [program, "--export-all", "--enable=receive-pack", "--reuseaddr", "--listen=127.0.0.1"]
    trust = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    environ = {"PATH": os.environ["PATH"], **trust}
    daemon = subprocess.Popen([*command, f"--port={port}", f"--base-path={root}"], env=environ)
    try:
        while True:
            with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(LOOK_SECONDS)
        yield f"git://127.0.0.1:{port}"
    finally:
        daemon.terminate()
        daemon.wait()


_NAMES = re.compile(r"[0-9a-f]{40}|[0-9a-f]{38}|[0-9a-f]{16}|project-[0-9a-f]{10}")
_INSIDE = re.compile(r"(.*/(?:objects|index)/|project/\.git/hooks/)")
"""Directories that others keep as they please; of git's objects, half-written ones are told."""


def _nameless(path: Path) -> str:
    """A path without ids and without what comes and goes with an open database."""
    name = _NAMES.sub("ID", str(path))
    if inside := _INSIDE.match(name):
        return inside[1] + ("half-written" if "tmp_" in name else "")
    return name.removesuffix("-wal").removesuffix("-shm")


def _become_subreaper() -> None:
    """What our processes leave behind becomes our child."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


_PR_SET_CHILD_SUBREAPER = 36


def _children() -> set[int]:
    return {
        int(child)
        for task in Path("/proc/self/task").iterdir()
        for child in (task / "children").read_text().split()
    }


def _orphans(before: set[int]) -> tuple[str, ...]:
    """Command lines of what the scene has left running; it is ended here."""
    found = []
    for child in _children() - before:
        if os.waitpid(child, os.WNOHANG) == (0, 0):
            found.append(Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode())
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    return tuple(found)
