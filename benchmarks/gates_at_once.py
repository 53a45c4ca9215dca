"""Many gates at once over the real services: `python -m benchmarks.gates_at_once [--gates N]`.

Each change writes its own number, and its check finds that number and nothing else, so interference fails it.
One more gate, started first, has thirty checks: fairness is how many others end before it does. Prints one
JSON document: seconds, memory of the host before and at its highest, verdicts, and that count.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

from autopack.api.auditor.v1 import auditor_service_pb2 as audits
from autopack.api.gate.v1 import gate_service_pb2 as gates
from autopack.api.gate.v1 import verdict_pb2
from autopack.cli.documents import decision
from autopack.cli.importing import bring, patiently
from autopack.cli.session import Session
from autopack.rpc.errors import call
from benchmarks.project import Bench, resident

CHECK = "sh -ec 'n=$(cat number); echo $n >mine; sleep 0.05; test $(cat mine) = $n; test $(ls | wc -l) = 5'"
LARGE_CHECKS = 30
REVISIONS = 9
"""Brought at a time, beside the base."""
AUTOPACK = (sys.executable, "-P", "-m", "autopack.cli")


def policy(checks: int) -> str:
    """A policy of so many checks, each another one."""
    listed = [
        {"name": f"check-{number}", "run": f"{CHECK} # {number}", "reports": "none"}
        for number in range(checks)
    ]
    return json.dumps({"version": 1, "checks": listed})


def make(bench: Bench, name: str, changes: int, checks: int) -> Path:
    """A repository with a branch for each change."""
    repository = bench.directory / name
    repository.mkdir()
    bench.sh("git", "init", "-q", "-b", "main", cwd=repository)
    for key, value in (("user.name", "a"), ("user.email", "a@b")):
        bench.sh("git", "config", key, value, cwd=repository)
    files = {"autopack.yaml": policy(checks), "number": "0\n", "a": "a\n", "b": "b\n"}
    for path, text in files.items():
        (repository / path).write_text(text)
    bench.sh("git", "add", "-A", cwd=repository)
    bench.sh("git", "commit", "-qm", "base", cwd=repository)
    for number in range(1, changes + 1):
        bench.sh("git", "checkout", "-q", "-b", f"change-{number}", "main", cwd=repository)
        (repository / "number").write_text(f"{number}\n")
        bench.sh("git", "commit", "-qam", f"{number}", cwd=repository)
    return repository


def wait_for_sockets(home: Path) -> None:
    """Returns when all services listen."""
    deadline = time.monotonic() + 120
    while len(list(home.rglob("*.sock"))) < 6:
        if time.monotonic() > deadline:
            raise SystemExit("the services did not start")
        time.sleep(0.05)


class Peak:
    """The most memory that a process had while the block ran."""

    def __init__(self, process: int) -> None:
        self.megabytes = resident([process])
        self._process = process
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._stop.wait(0.1):
            self.megabytes = max(self.megabytes, resident([self._process]))

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()


async def judge(session: Session, project: str, address: str, base: str, head: str) -> tuple[str, float]:
    """The verdict on a change, and when it was there."""
    auditor, gate = await session.auditor(), await session.gate()
    audit, request = f"audit/{uuid.uuid4()}", f"gate/{uuid.uuid4()}"
    asked = audits.StartAuditRequest(
        request_id=audit,
        project_id=project,
        base=base,
        head=head,
        policy_commit=base,
        git_address=address,
        category="feature",
    )
    await call(auditor.StartAudit(asked))
    started = gates.StartGateRequest(
        request_id=request,
        project_id=project,
        base=base,
        head=head,
        policy_commit=base,
        git_address=address,
        scope=gates.GateScope(category="feature"),
        audit_request_id=audit,
    )
    await call(gate.StartGate(started))
    wait = gates.WaitGateRequest(request_id=request)
    judgement = (await patiently(lambda: gate.WaitGate(wait, timeout=60))).judgement
    if judgement.state != verdict_pb2.JUDGEMENT_STATE_SUCCEEDED:
        return ",".join(reason.code for reason in judgement.reasons), time.perf_counter()
    return decision(judgement.verdict), time.perf_counter()


async def measure(bench: Bench, host: int, small: Path, large: Path, count: int) -> dict[str, object]:
    """All gates at once, the large one first."""
    async with Session(environ=bench.environ) as session:
        await session.started()
        heads = [f"change-{number}" for number in range(1, count + 1)]
        commits: list[str] = []
        for start in range(0, count, REVISIONS):
            many = await bring(session, str(small), ["main", *heads[start : start + REVISIONS]])
            commits += many.commits[1:]
        one = await bring(session, str(large), ["main", "change-1"])
        await judge(
            session, one.project_id, one.git_address, one.commits[0], one.commits[0]
        )  # what is made once
        before, begun = resident([host]), time.perf_counter()
        with Peak(host) as peak:
            big = asyncio.create_task(judge(session, one.project_id, one.git_address, *one.commits[:2]))
            rest = await asyncio.gather(
                *(judge(session, many.project_id, many.git_address, many.commits[0], c) for c in commits)
            )
            verdict, big_ended = await big
        ended = sorted(when - begun for _, when in rest)
        return {
            "gates": count + 1,
            "seconds": round(max(ended[-1], big_ended - begun), 1),
            "verdicts": {each: [*(v for v, _ in rest), verdict].count(each) for each in {v for v, _ in rest}},
            "large_gate_seconds": round(big_ended - begun, 1),
            "others_that_ended_before_it": sum(when < big_ended - begun for when in ended),
            "first_median_last_seconds": [round(ended[at], 1) for at in (0, len(ended) // 2, -1)],
            "host_megabytes_before_and_at_most": [round(before), round(peak.megabytes)],
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--gates", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="autopack-benchmark-") as name:
        bench = Bench(Path(name))
        small = make(bench, "small", options.gates, 1)
        large = make(bench, "large", 1, LARGE_CHECKS)
        server = subprocess.Popen([*AUTOPACK, "serve", "all"], env=bench.environ, stderr=subprocess.DEVNULL)
        try:
            wait_for_sockets(Path(bench.environ["AUTOPACK_HOME"]))
            found = asyncio.run(measure(bench, server.pid, small, large, options.gates))
        finally:
            server.terminate()
            server.wait(60)
    facts = {"cpus": os.cpu_count(), "load": os.getloadavg()[0], "python": sys.version.split()[0]}
    print(json.dumps({"schema": "benchmark/v1alpha1", "name": "gates_at_once", **facts, **found}, indent=2))


if __name__ == "__main__":
    main()
