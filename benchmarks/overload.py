"""Many runs submitted at once to one all-in-one: `python -m benchmarks.overload [--runs N] [--admitted N]`.

Each run is one ready patch and one check. What is refused is submitted again when the refusal says so. Prints
how often that was, memory and threads of the host, how long `status` took, and how far runs overtook others.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from autopack.api.orchestrator.v1 import orchestrator_service_pb2 as messages
from autopack.api.orchestrator.v1 import run_pb2
from autopack.errors import ResourceExhausted
from autopack.policy.convert import plan_to_proto
from autopack.policy.plan import load_plan
from autopack.rpc.errors import call
from benchmarks.project import Bench, print_machine
from benchmarks.serving import ended, orchestrator, start_host

if TYPE_CHECKING:  # known to type checkers only
    from autopack.api.orchestrator.v1.orchestrator_service_pb2_grpc import (
        OrchestratorServiceAsyncStub as Orchestrator,
    )

STATUS_SECONDS = 0.1
SUBMIT_SECONDS = 120.0
PLAN = """\
version: 1
name: overload
base: main
phases:
  - id: only
    goal: Add a file
    scope: {paths: [new/**]}
    builder: {kind: patch, files: {new/NUMBER.txt: "NUMBER\\n"}}
"""


@dataclass
class Seen:
    """What was seen from outside."""

    refused: int = 0
    without_retry_info: int = 0
    admitted: dict[str, float] = field(default_factory=dict)
    """When each run was taken."""
    done: dict[str, float] = field(default_factory=dict)
    states: set[int] = field(default_factory=set)
    status_seconds: list[float] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)


async def one(stub: "Orchestrator", repository: Path, number: int, seen: Seen) -> None:
    """Submits one run until it is taken, and waits for its end."""
    run_id = f"o{number}"
    plan = plan_to_proto(load_plan(PLAN.replace("NUMBER", str(number)), "plan.yaml", None))
    request = messages.SubmitRunRequest(
        request_id=run_id, run_id=run_id, plan=plan, repository=run_pb2.Repository(path=str(repository))
    )
    while True:
        try:
            await call(stub.SubmitRun(request, timeout=SUBMIT_SECONDS))
            break
        except ResourceExhausted as error:
            seen.refused += 1
            seen.without_retry_info += error.retry_after_seconds is None
            await asyncio.sleep(error.retry_after_seconds or 1.0)
    seen.admitted[run_id] = time.monotonic()
    run = await ended(stub, run_id, 2.0)
    seen.done[run_id] = time.monotonic()
    seen.states.add(run.state)


async def watch(bench: Bench, process: int, seen: Seen) -> None:
    """Asks for a run's status again and again, over a connection of its own, and looks at the process."""
    async with orchestrator(bench) as stub:
        while True:
            if seen.admitted:
                request = messages.GetRunRequest(run_id=next(reversed(seen.admitted)))
                begun = time.monotonic()
                await call(stub.GetRun(request))
                seen.status_seconds.append(time.monotonic() - begun)
            memory_mb, threads = _of_process(process)
            seen.memory_mb.append(memory_mb)
            seen.threads.append(threads)
            await asyncio.sleep(STATUS_SECONDS)


def _of_process(pid: int) -> tuple[float, int]:
    """Megabytes resident, and threads."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    status = dict(line.split(":\t", 1) for line in lines)
    return int(status["VmRSS"].split()[0]) / 1024, int(status["Threads"])


async def play(bench: Bench, process: int, repository: Path, runs: int, seconds: float) -> Seen:
    """Submits them all at once; gives up after so many seconds."""
    seen = Seen()
    async with orchestrator(bench) as stub:
        watching = asyncio.create_task(watch(bench, process, seen))
        working = [asyncio.create_task(one(stub, repository, number, seen)) for number in range(runs)]
        await asyncio.wait(working, timeout=seconds)
        for task in (watching, *working):
            task.cancel()
        for failure in await asyncio.gather(watching, *working, return_exceptions=True):
            if isinstance(failure, Exception):
                raise failure
    return seen


def overtaken(seen: Seen) -> int:
    """By how many places the run that was overtaken most ended later than it was taken."""
    places = {
        run_id: place for place, run_id in enumerate(sorted(seen.admitted, key=seen.admitted.__getitem__))
    }
    order = sorted(seen.done, key=seen.done.__getitem__)
    return max(place - places[run_id] for place, run_id in enumerate(order))


def main() -> None:
    """Runs what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--admitted", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=1200)
    options = parser.parse_args()
    print_machine()
    with tempfile.TemporaryDirectory(prefix="autopack-overload-") as directory:
        Path(directory).chmod(0o755)
        bench = Bench(Path(directory))
        repository = bench.repository("project", "true", 10)
        host = start_host(bench, {"AUTOPACK_ADMITTED_RUNS": str(options.admitted)})
        begun = time.monotonic()
        try:
            seen = asyncio.run(play(bench, host.pid, repository, options.runs, options.seconds))
        finally:
            host.terminate()
            code = host.wait(120)
        seconds = time.monotonic() - begun
    states = sorted(run_pb2.RunState.Name(state) for state in seen.states)
    statuses = sorted(seen.status_seconds)
    print(f"{len(seen.done)} of {options.runs} runs ended as {states} in {seconds:.0f} s")
    print(f"the host ended with {code}")
    print(f"refused {seen.refused} times, {seen.without_retry_info} of them without RetryInfo")
    print(
        f"memory {seen.memory_mb[0]:.0f} to {max(seen.memory_mb):.0f} MB, threads up to {max(seen.threads)}"
    )
    print(
        f"status: median {1000 * statistics.median(statuses):.0f} ms, "
        f"99 % {1000 * statuses[int(0.99 * len(statuses))]:.0f} ms, most {1000 * statuses[-1]:.0f} ms"
    )
    print(f"overtaken by at most {overtaken(seen)} runs")


if __name__ == "__main__":
    main()
