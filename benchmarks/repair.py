"""The builder `repair` on QuixBugs: `QUIXBUGS=DIR python -m benchmarks.repair [--half develop|held-out]`.

DIR is a checkout of the benchmark (github.com/jkoppel/QuixBugs). Each program is one run of the command, on
a repository of that program, its tests and their data alone; the reference is never in it. Prints per program
whether a change passed the gate, whether it does as the reference on inputs beyond the tests, and seconds.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.project import Bench, print_machine

BUDGET_SECONDS = 60
INPUT_SEEDS = (11, 12)
HALVES = ("develop", "held-out")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one program."""

    program: str
    accepted: bool
    correct: str
    """`correct`, or what is wrong with it; empty where nothing was accepted."""
    reason: str
    seconds: float
    cpu: float


def programs(quixbugs: Path, half: str) -> list[str]:
    """In alphabetical order, every other one is for development: the first, the third ..."""
    names = sorted(
        path.stem.removeprefix("test_") for path in (quixbugs / "python_testcases").glob("test_*.py")
    )
    chosen = {"develop": names[::2], "held-out": names[1::2]}
    return chosen.get(half, names)


def repository(bench: Bench, quixbugs: Path, program: str) -> Path:
    """The program, its tests and their data."""
    files = [
        f"python_programs/{program}.py",
        "python_programs/node.py",
        "python_testcases/load_testdata.py",
        "python_testcases/node.py",
        f"python_testcases/test_{program}.py",
        f"json_testcases/{program}.json",
        "conftest.py",
    ]
    policy = {
        "version": 1,
        "paths": {"allow": ["python_programs/**"]},
        "judge": {"paths": ["python_testcases/**", "json_testcases/**", "conftest.py"]},
        "checks": [{"name": "tests", "run": "python -m pytest -q", "reports": "pytest", "timeout": 120}],
        "audit": {"block_at": "critical"},
    }
    root = bench.directory / program
    for path in files:
        if (quixbugs / path).exists():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(quixbugs / path, root / path)
    (root / "autopack.yaml").write_text(yaml.safe_dump(policy))
    bench.sh("git", "init", "-q", "-b", "main", str(root))
    for key, value in (("user.name", "Benchmark"), ("user.email", "benchmark@localhost")):
        bench.sh("git", "config", key, value, cwd=root)
    bench.sh("git", "add", "-A", cwd=root)
    bench.sh("git", "commit", "-qm", "A program with a fault", cwd=root)
    return root


def repair(bench: Bench, quixbugs: Path, program: str, budget: int) -> Result:
    """One run of the command, and a comparison with the reference."""
    root = repository(bench, quixbugs, program)
    phase = {
        "id": "repair",
        "goal": "Make the failing tests pass",
        "category": "bug_fix",
        "scope": {"paths": [f"python_programs/{program}.py"]},
        "builder": {"kind": "repair"},
        "budget": {"attempts": 1, "seconds": budget},
    }
    plan = bench.directory / f"{program}.yaml"
    plan.write_text(yaml.safe_dump({"version": 1, "name": program, "phases": [phase]}))
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = ["autopack", "run", str(plan), "--repo", str(root), "--run-id", program, "--json"]
    done = subprocess.run(command, cwd=root, env=bench.environ, capture_output=True, text=True)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    document = json.loads(done.stdout)
    accepted = done.returncode == 0 and document.get("state") == "SUCCEEDED"
    if not accepted:
        reasons = [
            reason["code"]
            for phase in document.get("phases", [])
            for attempt in phase["attempts"]
            for reason in attempt["reasons"]
        ]
        return Result(program, False, "", ", ".join(reasons) or done.stderr[-200:], seconds, cpu)
    mended = bench.directory / f"{program}-mended.py"
    mended.write_text(bench.sh("git", "show", f"autopack/{program}:python_programs/{program}.py", cwd=root))
    return Result(program, True, compared(quixbugs, program, mended), "", seconds, cpu)


def compared(quixbugs: Path, program: str, module: Path) -> str:
    """`correct` where it does as the reference does, in a process of its own."""
    reference = quixbugs / "correct_python_programs" / f"{program}.py"
    script, node = Path(__file__).with_name("quixbugs_inputs.py"), quixbugs / "python_programs" / "node.py"
    for seed in INPUT_SEEDS:
        done = subprocess.run(
            [sys.executable, str(script), program, str(module), str(reference), str(node), str(seed)],
            cwd=module.parent,
            capture_output=True,
            text=True,
        )
        said = done.stdout.strip() or done.stderr.strip()[-200:]
        if said != "correct":
            return said
    return "correct"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--half", choices=HALVES)
    parser.add_argument("--program", action="append")
    parser.add_argument("--budget", type=int, default=BUDGET_SECONDS, help="seconds of each phase")
    options = parser.parse_args()
    quixbugs = Path(os.environ["QUIXBUGS"])
    print_machine()
    found: list[Result] = []
    for program in options.program or programs(quixbugs, options.half or ""):
        with tempfile.TemporaryDirectory(prefix="autopack-benchmark-") as directory:
            result = repair(Bench(Path(directory)), quixbugs, program, options.budget)
        found.append(result)
        verdict = "accepted" if result.accepted else "none"
        print(
            f"{program:28} {verdict:9} {result.correct or result.reason:40} "
            f"{result.seconds:6.1f} s, {result.cpu:6.1f} s of CPU, load {os.getloadavg()[0]:.1f}",
            flush=True,
        )
    accepted = sum(result.accepted for result in found)
    correct = sum(result.correct == "correct" for result in found)
    quick = sum(result.correct == "correct" and result.seconds <= BUDGET_SECONDS for result in found)
    print(f"{len(found)} programs: {accepted} accepted, {correct} correct, {quick} in {BUDGET_SECONDS} s")


if __name__ == "__main__":
    main()
