"""Kills processes at every boundary, or at random, and compares what is left with a run that nobody killed.

`python -m benchmarks.crashes matrix|soak --as together|alone|postgres`; a line for each case, a summary last.
"""

import argparse
import asyncio
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, fields
from multiprocessing import get_context
from pathlib import Path

from autopack.testing.postgres import create_database, start_postgres
from benchmarks.project import print_machine
from tests.crash.scene import Left, Scene


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
    parser.add_argument("what", choices=["matrix", "soak"])
    parser.add_argument("--as", dest="form", choices=["together", "alone", "postgres"], default="together")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="boundaries that have this in their names")
    parser.add_argument("--last", action="store_true", help="also die at the last passing of each boundary")
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--kills-a-scene", type=int, default=5)
    options = parser.parse_args()
    print_machine()
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
