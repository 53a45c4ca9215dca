"""Kills processes at every boundary, or at random, and compares what is left with a run that nobody killed.

`python -m benchmarks.crashes matrix|soak --as together|alone|postgres`; a line for each case, a summary last.
`recovery` kills an all-in-one in the midst of a build and tells how long it is until that build runs again.
"""

import argparse
import asyncio
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from multiprocessing import get_context
from pathlib import Path

from autopack.api.orchestrator.v1 import run_pb2
from autopack.api.orchestrator.v1.orchestrator_service_pb2 import SubmitRunRequest
from autopack.policy.convert import plan_to_proto
from autopack.policy.plan import load_plan
from autopack.rpc.errors import call
from autopack.testing.postgres import create_database, start_postgres
from benchmarks.project import Bench, print_machine
from benchmarks.serving import orchestrator, start_host
from tests.crash.scene import Left, Scene

ROUNDS = 7
SETTLE_SECONDS = 1.0
SLEEPING = """\
version: 1
name: recovery
base: main
phases:
  - {id: one, goal: g, scope: {paths: [new/**]}, builder: {kind: command, run: sleep MARK}}
"""


@dataclass(frozen=True)
class Case:
    """One scene: what is killed in it, and where."""

    together: bool
    postgres: str
    """URL of the server; empty: SQLite."""
    victim: str
    fault: str = ""
    """Name and number of a boundary."""
    kills: int = 0
    """Kills at random moments instead."""
    seed: int = 0


@dataclass(frozen=True)
class Outcome:
    """How a scene ended."""

    left: Left | None
    error: str
    deaths: int
    seconds: float
    boundaries: Counter[str]


def play(case: Case) -> Outcome:
    """Plays one case; what it leaves on the disk is removed unless it went wrong."""
    root = Path(tempfile.mkdtemp(prefix="autopack-crash-"))
    root.chmod(0o755)
    log = root / "boundaries"
    scene = Scene(root, case.together, _databases(case.postgres))
    begun = time.monotonic()
    left, error = None, ""
    try:
        left = asyncio.run(
            scene.play(case.victim, case.fault, log if not case.fault else None, case.kills, case.seed)
        )
    except Exception as failure:
        error = f"{type(failure).__name__}: {failure} (see {root})"
    passed = Counter(log.read_text().splitlines()) if log.exists() else Counter[str]()
    if not error:
        shutil.rmtree(root)
    return Outcome(left, error, scene.deaths, time.monotonic() - begun, passed)


def _databases(server: str) -> Callable[[], str]:
    return (lambda: create_database(server)) if server else str


def difference(expected: Left, outcome: Outcome) -> str:
    """What is not as without a crash; empty if nothing."""
    if outcome.left is None:
        return outcome.error
    found = [
        f"{field.name}: {_shown(getattr(outcome.left, field.name), getattr(expected, field.name))}"
        for field in fields(Left)
        if getattr(outcome.left, field.name) != getattr(expected, field.name)
    ]
    return "; ".join(found)


def _shown(found: object, expected: object) -> str:
    if isinstance(found, frozenset) and isinstance(expected, frozenset):
        return f"more {sorted(found - expected)}, less {sorted(expected - found)}"
    return f"{found!r} instead of {expected!r}"


def main() -> None:
    """Runs what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["matrix", "soak", "recovery"])
    parser.add_argument("--as", dest="form", choices=["together", "alone", "postgres"], default="together")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="boundaries that have this in their names")
    parser.add_argument("--last", action="store_true", help="also die at the last passing of each boundary")
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--kills-a-scene", type=int, default=5)
    options = parser.parse_args()
    print_machine()
    if options.what == "recovery":
        asyncio.run(_recovery(ROUNDS))
        return
    with _postgres(options.form == "postgres") as server:
        together = options.form == "together"
        expected = play(Case(together, server, ""))
        if expected.left is None:
            raise SystemExit(expected.error)
        print(f"not killed: {expected.seconds:.1f} s, {expected.left.head}", flush=True)
        if options.what == "matrix":
            every = list(_matrix(together, server, options.last, options.jobs))
            cases = [case for case in every if options.only in case.fault]
            # Whoever stops it early has seen a fair sample.
            random.Random(0).shuffle(cases)
            print(f"{len(every)} cases, {len(cases)} of them played", flush=True)
        else:
            scenes = -(-options.kills // options.kills_a_scene)
            cases = [
                Case(together, server, "", kills=options.kills_a_scene, seed=seed) for seed in range(scenes)
            ]
        sys.exit(_play_all(cases, expected.left, options.jobs))


def _matrix(together: bool, server: str, last: bool, jobs: int) -> Iterator[Case]:
    """A case for each boundary that each process passes in a run that nobody kills."""
    victims = ["host"] if together else ["orchestrator", "builder", "auditor", "gate", "memory"]
    with _pool(jobs) as pool:
        outcomes = list(pool.map(play, [Case(together, server, victim) for victim in victims]))
    for victim, outcome in zip(victims, outcomes, strict=True):
        for name, count in sorted(outcome.boundaries.items()):
            for number in {1, count} if last else {1}:
                yield Case(together, server, victim, f"{name}#{number}")


def _play_all(cases: list[Case], expected: Left, jobs: int) -> int:
    bad = deaths = unreached = 0
    seconds: list[float] = []
    with _pool(jobs) as pool:
        running = {pool.submit(play, case): case for case in cases}
        for future in as_completed(running):
            case, outcome = running[future], future.result()
            wrong = difference(expected, outcome)
            bad += bool(wrong)
            deaths += outcome.deaths
            unreached += not outcome.deaths
            seconds.append(outcome.seconds)
            where = f"{case.victim}: {case.fault}" if case.fault else f"seed {case.seed}"
            how = wrong or ("not reached" if not outcome.deaths else "same")
            print(f"{outcome.seconds:5.1f} s  {outcome.deaths} killed  {where}: {how}", flush=True)
    print(f"{len(cases)} scenes, {deaths} kills, {unreached} not reached, {bad} not as without a crash")
    return int(bool(bad))


async def _recovery(rounds: int) -> None:
    """Prints the seconds of each round, from the kill to the killed build's command running again."""
    mark = "27182.8182"  # no other process sleeps so long
    plan = plan_to_proto(load_plan(SLEEPING.replace("MARK", mark), "plan.yaml", None))
    with tempfile.TemporaryDirectory(prefix="autopack-recovery-") as directory:
        bench = Bench(Path(directory))
        repository = run_pb2.Repository(path=str(bench.repository("project", "true", 10)))
        bench.sh("chmod", "755", directory)
        host = start_host(bench)
        found = []
        try:
            async with orchestrator(bench) as stub:
                await call(stub.SubmitRun(SubmitRunRequest(request_id="r", plan=plan, repository=repository)))
            running = await _until_running(mark, set())
            for _ in range(rounds):
                await asyncio.sleep(SETTLE_SECONDS)
                host.kill()
                begun = time.monotonic()
                host.wait()
                host = start_host(bench)
                running = await _until_running(mark, running)
                found.append(time.monotonic() - begun)
                print(f"{found[-1]:.2f} s from kill -9 to the next step", flush=True)
        finally:
            host.terminate()
            host.wait(60)
    print(f"median {statistics.median(found):.2f} s, most {max(found):.2f} s; at most 3 s are wanted")


async def _until_running(mark: str, known: set[int]) -> set[int]:
    """Processes with the mark, when there is one that was not there before."""
    async with asyncio.timeout(120):
        # Processes of others: no event of ours can tell.
        while not (found := set(_marked(mark))) - known:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return found


def _marked(mark: str) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        with suppress(OSError):  # it may end while it is looked at
            if entry.name.isdigit() and (entry / "cmdline").read_bytes().split(b"\0")[:2] == [
                b"sleep",
                mark.encode(),
            ]:
                yield int(entry.name)


def _pool(jobs: int) -> ProcessPoolExecutor:
    # A process for each scene: what it leaves running becomes that process's child.
    return ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), max_tasks_per_child=1)


@contextmanager
def _postgres(wanted: bool) -> Iterator[str]:
    if not wanted:
        yield ""
        return
    with (
        tempfile.TemporaryDirectory(prefix="autopack-pg-") as directory,
        start_postgres(Path(directory)) as url,
    ):
        yield url


if __name__ == "__main__":
    main()
