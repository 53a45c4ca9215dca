"""Measures audits through the real service: `python -m benchmarks.audit`.

Prints the machine, the versions, the floor measured in the same run, and the ratios to it.
"""

import argparse
import asyncio
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path

from google.protobuf.message import Message
from grpc.aio import ServicerContext
from ruff import find_ruff_bin

from auditor_svc.__main__ import start
from auditor_svc.analyzers.worker_process import Worker
from auditor_svc.config import Config
from autopack.api.auditor.v1 import audit_pb2, auditor_service_pb2, auditor_service_pb2_grpc
from autopack.api.git.v1 import git_service_pb2, git_service_pb2_grpc
from autopack.gitstore.service import GitServiceServicer
from autopack.gitstore.store import GitStore
from autopack.rpc.channel import create_channel
from autopack.rpc.server import ServerSettings, Service, create_server
from autopack.testing.repositories import make_commit

Context = ServicerContext[Message, Message]
SMALL_GOAL_MS = 50.0
TWENTY_FILES_GOAL_MS = 3000.0
RESIDENT_GOAL_MB = 60.0

_FUNCTION = """

def step_{number}(values, limit={number}):
    \"\"\"Adds what is below the limit.\"\"\"
    total = 0
    for index, value in enumerate(values):
        if value < limit and index % 2 == 0:
            total += value * {number}
        else:
            total -= len(str(value)) + index
    return {{"total": total, "limit": limit, "name": "step {number}"}}
"""


def source(functions: int, edited: int = 0) -> bytes:
    """A module of plain functions, one of which differs by `edited`."""
    parts = [_FUNCTION.format(number=number) for number in range(1, functions)]
    return "".join([f'"""Steps, edition {edited}."""\n', *parts, _FUNCTION.format(number=edited)]).encode()


class Bench:
    """A running auditor, a repository, and a caller."""

    def __init__(
        self, store: GitStore, git_address: str, stub: "auditor_service_pb2_grpc.AuditorServiceAsyncStub"
    ):
        self._store = store
        self._git_address = git_address
        self._stub = stub
        self._number = 0

    async def audit(self, base: dict[str, bytes], head: dict[str, bytes]) -> float:
        """Milliseconds from request to result, the objects' way included."""
        self._number += 1
        first = make_commit(self._store, base, message=f"base {self._number}")
        second = make_commit(self._store, head, first)
        request = auditor_service_pb2.StartAuditRequest(
            request_id=f"benchmark/{self._number}",
            project_id="benchmark",
            base=first,
            head=second,
            policy_commit=first,
            git_address=self._git_address,
        )
        begin = time.perf_counter()
        await self._stub.StartAudit(request)
        wait = auditor_service_pb2.WaitAuditRequest(request_id=request.request_id)
        answer = await self._stub.WaitAudit(wait, timeout=120)
        elapsed = (time.perf_counter() - begin) * 1000
        if answer.audit.state != audit_pb2.AUDIT_STATE_SUCCEEDED:
            raise SystemExit(f"an audit failed: {answer.audit.reasons}")
        return elapsed


async def median(repeat: int, measure: Callable[[int], Awaitable[float]]) -> float:
    return statistics.median([await measure(number) for number in range(repeat)])


def process_ms(*command: str) -> float:
    """Milliseconds of a bare process, the median of five."""
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        subprocess.run(command, check=False, capture_output=True)
        times.append((time.perf_counter() - begin) * 1000)
    return statistics.median(times)


async def worker_costs() -> tuple[float, float]:
    """Milliseconds until a worker is warm, and megabytes that it then holds."""
    worker = Worker()
    begin = time.perf_counter()
    await worker.start()
    elapsed = (time.perf_counter() - begin) * 1000
    await worker.ask({"path": "a.py", "analyzers": ["bandit", "flow", "secrets", "text"]}, [source(50)])
    statm = await asyncio.to_thread(Path(f"/proc/{worker.pid}/statm").read_text)
    pages = int(statm.split()[1])
    await worker.close()
    return elapsed, pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def floor(directory: Path, files: int) -> dict[str, float]:
    """What the tools take by themselves, started cold, on the head's files alone."""
    for number in range(files):
        (directory / f"m{number}.py").write_bytes(source(40, number))
    return {
        "an empty Python process": process_ms(sys.executable, "-I", "-c", "pass"),
        f"ruff over {files} files": process_ms(
            find_ruff_bin(), "check", "--isolated", "--no-cache", "--select=S", str(directory)
        ),
        f"bandit over {files} files": process_ms(sys.executable, "-m", "bandit", "-q", "-r", str(directory)),
        f"detect-secrets over {files} files": process_ms(
            sys.executable, "-m", "detect_secrets", "scan", "--all-files", "--no-verify", str(directory)
        ),
    }


async def measure(repeat: int) -> dict[str, float]:
    """Milliseconds of each kind of audit."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        store = GitStore.open(directory / "owner.git")

        async def refuse(*_: object) -> None:
            raise AssertionError("the auditor gives no objects")

        git = GitServiceServicer(lambda project: store, refuse, refuse)
        owner = create_server(
            ServerSettings(f"unix:{directory}/owner.sock", name="owner"),
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
            running = await start(Config(directory / "auditor", f"unix:{directory}/auditor.sock"))
            channel = create_channel(running.server.address)
            bench = Bench(store, owner.address, auditor_service_pb2_grpc.AuditorServiceStub(channel))
            first = await bench.audit({"a.py": source(5)}, {"a.py": source(5, 1)})
            around = {f"package/m{number}.py": source(10, number) for number in range(200)}
            small = await median(
                repeat, lambda n: bench.audit(around, {**around, "package/m7.py": source(10, 1000 + n)})
            )
            old = {f"m{number}.py": source(40, number) for number in range(20)}
            edited = await median(
                5, lambda n: bench.audit(old, {path: data + b"\nX = %d\n" % n for path, data in old.items()})
            )
            added = await median(
                5, lambda n: bench.audit({}, {path: data + b"\nY = %d\n" % n for path, data in old.items()})
            )
            await channel.close(None)
            await running.close()
    return {
        "first audit after the start": first,
        "small change, warm": small,
        "20 changed files of 420 lines": edited,
        "20 new files of 420 lines": added,
    }


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=20, help="small changes to measure")
    options = parser.parse_args()
    tools = ", ".join(f"{name} {version(name)}" for name in ("ruff", "bandit", "detect-secrets", "grpcio"))
    print(f"{platform.platform()}, {os.cpu_count()} processors, Python {platform.python_version()}, {tools}")
    with tempfile.TemporaryDirectory() as name:
        floors = await asyncio.to_thread(floor, Path(name), 20)
    for what, milliseconds in floors.items():
        print(f"floor: {what}: {milliseconds:.0f} ms")
    warm, resident = await worker_costs()
    results = await measure(options.repeat)
    print(f"worker: warm after {warm:.0f} ms, {resident:.0f} MB (goal {RESIDENT_GOAL_MB:.0f})")
    tools_ms = sum(floors.values()) - floors["an empty Python process"]
    for what, milliseconds in results.items():
        goal = {"small change, warm": SMALL_GOAL_MS}.get(what, TWENTY_FILES_GOAL_MS)
        print(
            f"{what}: {milliseconds:.1f} ms (goal {goal:.0f}; "
            f"{milliseconds / tools_ms:.2f} x the three tools started cold on 20 files)"
        )


if __name__ == "__main__":
    asyncio.run(main())
