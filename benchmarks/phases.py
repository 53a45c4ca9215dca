"""Measures whole phases through the command: `python -m benchmarks.phases overhead|ten|cold|many`.

Each prints the machine, the versions, the floor measured in the same run, and the ratios to it.
"""

import argparse
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from benchmarks.project import (
    TESTS,
    Bench,
    check_floor,
    children,
    git_floor,
    host_of,
    print_machine,
    resident,
    seconds_of,
)

PYTEST = "python -m pytest -q"
OVERHEAD_MS, FLOOR_MS = 100.0, 66.0
PEER_SHARE = 0.75
COLD_SECONDS, HELP_SECONDS = 2.5, 0.3
HOST_MB, HOST_WITH_MODEL_MB = 200.0, 420.0
LATE_TO_EARLY = 1.3
MODEL_QUERY = "add a file"


def verdict(what: str, found: float, limit: float, unit: str) -> None:
    """Says whether a target is met."""
    word = "met" if found <= limit else "NOT met"
    print(f"target {what}: {found:.3g} {unit} of at most {limit:.3g} {unit}: {word}")


def overhead(bench: Bench, phases: int, rounds: int) -> None:
    """What a phase costs beyond its check, phases one after the other."""
    repository = bench.repository("repository", "true", 200)
    floor, check = git_floor(bench, repository), check_floor(bench, repository, "true")
    print(
        f"floor: worktree add + edit + commit + remove {floor * 1e3:.1f} ms, bare check {check * 1e3:.1f} ms"
    )
    medians = []
    for number in range(rounds):
        run = bench.run(repository, bench.plan(f"chain{number}", phases, chained=True))
        own = [(late - early - check) * 1e3 for early, late in pairwise(run.landings)]
        medians.append(statistics.median(own))
        ordered = sorted(own)
        print(
            f"own overhead per phase: median {medians[-1]:.1f} ms, best {ordered[0]:.1f}, "
            f"nine of ten below {ordered[int(len(own) * 0.9)]:.1f}; load {os.getloadavg()[0]:.2f}",
            flush=True,
        )
    median = statistics.median(medians)
    print(f"ratio to the git floor: {median / floor / 1e3:.2f}")
    verdict("overhead as it is", median, OVERHEAD_MS, "ms")
    scaled = median * FLOOR_MS / floor / 1e3
    print(f"for scale: {scaled:.0f} ms, were the machine slower until its git floor took {FLOOR_MS:.0f} ms")


def ten(bench: Bench, rounds: int) -> None:
    """Ten independent phases with a real check, beside AutoBuild where it is at hand."""
    repository = bench.repository("repository", PYTEST, 0, TESTS)
    check = check_floor(bench, repository, PYTEST)
    print(f"floor: our bare check {check:.3f} s, git {git_floor(bench, repository) * 1e3:.1f} ms")
    ours, pairs, validators = [], [], []
    for number in range(rounds):
        # Nothing is known from before, as for the peer.
        fresh = bench.with_home(f"ten{number}")
        run = fresh.run(repository, fresh.plan(f"ten{number}", 10, chained=False))
        if len(run.landings) != 10:
            raise SystemExit(f"only {len(run.landings)} of ten landed")
        print(
            f"ours: cold process to exit {run.end:.2f} s, last landing after {run.landings[-1]:.2f} s, "
            f"from the first landing to the last {run.landings[-1] - run.landings[0]:.2f} s; "
            f"checks that ran {fresh.checked()}; load {os.getloadavg()[0]:.2f}",
            flush=True,
        )
        ours.append(run.end)
        if (found := _autobuild(bench, number)) is not None:
            pairs.append((run.end, found[0]))
            validators.append(found[1])
    mine = statistics.median(ours)
    print(f"ours: {mine:.2f} s, {mine / check:.1f} bare checks")
    if not pairs:
        print("peer not measured: set PEERS, PEERS_VENV and PEERS_WORK, and see whether it landed all ten")
        return
    other, validator = statistics.median(theirs for _, theirs in pairs), statistics.median(validators)
    print(f"peer: {other:.2f} s, {other / validator:.1f} of its validators at {validator:.3f} s")
    ratio = statistics.median(own / theirs for own, theirs in pairs)
    verdict("ten phases, share of the peer's time in the same round", ratio, PEER_SHARE, "x")


def _autobuild(bench: Bench, number: int) -> tuple[float, float] | None:
    """Seconds of AutoBuild's best measured configuration, and of its validator within it."""
    if not all(name in os.environ for name in ("PEERS", "PEERS_VENV", "PEERS_WORK")):
        return None
    settings = bench.environ | {"SPACED": "1", "SEP": "1", "HEAVY": "2", "FAKE_CHEAT": "sep"}
    # The validator shall find the peer's Python first.
    settings["PATH"] = os.environ["PATH"]
    script = Path(os.environ["PEERS"]) / "autobuild" / "run_one.sh"
    done = subprocess.run(
        ["bash", str(script), f"ten{number}", "10", "2"], env=settings, capture_output=True, text=True
    )
    print(f"peer: {done.stdout.strip()}", flush=True)
    wall = re.search(r"wall=([\d.]+)s", done.stdout)
    validator = re.search(r"validator: n=\d+ sum=[\d.]+s p50=([\d.]+)", done.stdout)
    if wall is None or validator is None or "'accepted': 10" not in done.stdout:
        print("the peer did not land all ten: this round has no ratio")
        return None
    return float(wall[1]), float(validator[1])


def cold(bench: Bench, rounds: int) -> None:
    """Start to exit of one command, and what the all-in-one holds."""
    repository = bench.repository("repository", "true", 200)
    check = check_floor(bench, repository, "true")
    interpreter = seconds_of(lambda: bench.sh(sys.executable, "-c", "pass"), rounds)
    print(f"floor: bare check {check:.3f} s, python -c pass {interpreter:.3f} s")
    plans = [bench.plan(f"one{number}", 1, chained=False) for number in range(rounds + 1)]
    fresh = [bench.with_home(f"fresh{number}").run(repository, plans[number]).end for number in range(rounds)]
    existing = [bench.run(repository, plan).end for plan in plans][1:]
    for name, found in (("fresh", fresh), ("existing", existing)):
        times = ", ".join(f"{seconds:.2f}" for seconds in found)
        print(f"run of one phase, {name} AUTOPACK_HOME: {times} s; load {os.getloadavg()[0]:.2f}")
        verdict(f"one phase, {name} home", statistics.median(found) - check, COLD_SECONDS, "s")
    help_seconds = seconds_of(lambda: bench.sh("autopack", "--help"), max(rounds, 5))
    print(f"autopack --help: {help_seconds / interpreter:.1f} x the interpreter")
    verdict("autopack --help", help_seconds, HELP_SECONDS, "s")
    _memory(bench, repository, plans[0])


def _memory(bench: Bench, repository: Path, plan: Path) -> None:
    """What a resident all-in-one holds: after a run, and after the embedding model was needed."""
    resident_home = bench.with_home("resident")
    with subprocess.Popen(
        [str(Path(sys.executable).parent / "autopack"), "serve", "all"],
        env=resident_home.environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as host:
        try:
            _when_ready(resident_home)
            _show_memory("all five services up", host.pid)
            resident_home.run(repository, plan)
            before = _show_memory("after a run", host.pid)
            branch = f"autopack/{resident_home.last_run()}"
            bench.sh("git", "merge", "-q", "--ff-only", branch, cwd=repository)
            resident_home.sh("autopack", "tidy", "--execute", "--repo", str(repository))
            resident_home.sh("autopack", "index", "--repo", str(repository))
            resident_home.sh("autopack", "recall", MODEL_QUERY, "--repo", str(repository))
            if "onnxruntime" not in Path(f"/proc/{host.pid}/maps").read_text():
                raise SystemExit("the embedding model was not loaded: memory with it cannot be told")
            after = _show_memory("after the ledgers were indexed and asked", host.pid)
        finally:
            host.send_signal(signal.SIGTERM)
    verdict("memory before the model is needed", before, HOST_MB, "MB")
    verdict("memory with the model in use", after, HOST_WITH_MODEL_MB, "MB")


def _when_ready(bench: Bench) -> None:
    deadline = time.monotonic() + 60
    run = Path(bench.environ["AUTOPACK_HOME"]) / "run"
    while not all((run / f"{name}.sock").exists() for name in ("orchestrator", "memory", "gate", "auditor")):
        if time.monotonic() > deadline:
            raise SystemExit("the all-in-one does not start")
        time.sleep(0.1)
    bench.sh("autopack", "runs")


def _show_memory(when: str, host: int) -> float:
    own = resident([host])
    others = {pid: resident([pid]) for pid in children(host)}
    named = ", ".join(f"{_name(pid)} {megabytes:.0f}" for pid, megabytes in others.items())
    print(f"{when}: host {own:.0f} MB; child processes {sum(others.values()):.0f} MB ({named})", flush=True)
    return own


def _name(pid: int) -> str:
    words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return next((word for word in words[1:] if "." in word or "/" in word), words[0])[-40:]


def many(bench: Bench, phases: int, chained: bool) -> None:
    """Whether time and memory stay flat over a long run."""
    repository = bench.repository("repository", "true", 20)
    plan = bench.plan("many", phases, chained)
    floor = git_floor(bench, repository)
    part = min(100, phases // 4)
    marks = sorted({part, phases // 4, phases // 2, phases * 3 // 4, phases})
    memory: dict[int, tuple[float, float]] = {}

    def look(pid: int, landed: int) -> None:
        if landed in marks:
            host = host_of(pid)
            memory[landed] = resident([host]), resident(children(host))
            print(
                f"{landed} landed: host {memory[landed][0]:.0f} MB, children {memory[landed][1]:.0f} MB",
                flush=True,
            )

    run = bench.run(repository, plan, look)
    if len(run.landings) != phases:
        raise SystemExit(f"only {len(run.landings)} of {phases} landed")
    first, last = run.landings[part] - run.landings[0], run.landings[-1] - run.landings[-1 - part]
    print(
        f"{phases} phases in {run.end:.1f} s; load {os.getloadavg()[0]:.2f}; git floor {floor * 1e3:.1f} ms"
    )
    print(f"per phase: first {part} {first / part * 1e3:.1f} ms, last {part} {last / part * 1e3:.1f} ms")
    verdict("last to first", last / first, LATE_TO_EARLY, "x")
    print(f"memory of the host: {memory[phases][0] / memory[part][0]:.2f} x that after the first {part}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, rounds in (("overhead", 3), ("ten", 3), ("cold", 5), ("many", 1)):
        command = commands.add_parser(name)
        command.add_argument("--rounds", type=int, default=rounds)
        if name in ("overhead", "many"):
            command.add_argument("--phases", type=int, default=30 if name == "overhead" else 2000)
        if name == "many":
            command.add_argument(
                "--chained", action="store_true", help="each phase depends on the one before"
            )
    options = parser.parse_args()
    print_machine()
    with tempfile.TemporaryDirectory(prefix="autopack-benchmark-") as directory:
        bench = Bench(Path(directory))
        if options.command == "overhead":
            overhead(bench, options.phases, options.rounds)
        elif options.command == "ten":
            ten(bench, options.rounds)
        elif options.command == "cold":
            cold(bench, options.rounds)
        else:
            for number in range(options.rounds):
                sub = Path(directory) / str(number)
                sub.mkdir()
                many(Bench(sub), options.phases, options.chained)


if __name__ == "__main__":
    main()
