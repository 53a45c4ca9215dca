"""QuixBugs through the gate: `QUIXBUGS=DIR python -m benchmarks.gate_quixbugs [--mutants] [PROGRAM ...]`.

DIR is a clone of github.com/jkoppel/QuixBugs. Of each of the 40 programs: the buggy version as a change of
the correct one, which the gate must refuse, and the correct one as a bug fix, which it must accept. With
--mutants, every single-operator mutant of the correct version that survives the tests, as a change: what does
the gate say beyond the tests? Prints one JSON document.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from autopack.api.gate.v1 import verdict_pb2
from autopack.cli.documents import decision
from autopack.testing.repositories import Files
from gate_svc.domain.probing.mutants import mutants
from tests.gate_svc.gate_bench import PYTEST, Bench, codes, open_bench, policy

SECONDS = 12
"""For the tests of one program: some of the buggy ones never end."""
MUTANT_SECONDS = 8
_COMMANDS = (sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider")


def programs(quixbugs: Path) -> list[str]:
    tests = (quixbugs / "python_testcases").glob("test_*.py")
    return sorted(path.stem.removeprefix("test_") for path in tests)


def project(quixbugs: Path, program: str, source: bytes) -> Files:
    """One program with its tests."""
    kept = {
        "conftest.py": "conftest.py",
        f"python_testcases/test_{program}.py": f"python_testcases/test_{program}.py",
        "python_testcases/load_testdata.py": "python_testcases/load_testdata.py",
        "python_testcases/node.py": "python_testcases/node.py",
        "node.py": "python_testcases/node.py",
        f"json_testcases/{program}.json": f"json_testcases/{program}.json",
    }
    files: dict[str, bytes | tuple[int, bytes]] = {
        path: (quixbugs / origin).read_bytes()
        for path, origin in kept.items()
        if (quixbugs / origin).exists()
    }
    files["pytest.ini"] = b"[pytest]\npythonpath = . python_testcases\n"
    files["autopack.yaml"] = policy(PYTEST, timeout=SECONDS)
    return {**files, f"python_programs/{program}.py": source}


async def judged(bench: Bench, base: Files, head: Files, category: str) -> dict[str, Any]:
    """Decision, reasons, and how many of the tests were seen how."""
    verdict = await bench.judge(base, head, category=category)
    tests = verdict.checks[0].tests if verdict.checks else verdict_pb2.TestCounts()
    return {
        "decision": decision(verdict),
        "reasons": codes(verdict),
        "blind": tests.blind,
        "compared": tests.compared,
        "self_reported": tests.self_reported,
    }


def survivors(quixbugs: Path, program: str, source: bytes) -> Iterator[tuple[str, bytes]]:
    """Mutants that the program's own tests do not notice."""
    for mutant, mutated in mutants(source, program, range(1, source.count(b"\n") + 2)):
        with tempfile.TemporaryDirectory() as name:
            for path, contents in project(quixbugs, program, mutated).items():
                (Path(name) / path).parent.mkdir(parents=True, exist_ok=True)
                (Path(name) / path).write_bytes(bytes(contents))  # type: ignore[arg-type]  # no modes here
            environ = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
            try:
                done = subprocess.run(
                    _COMMANDS, cwd=name, env=environ, capture_output=True, timeout=MUTANT_SECONDS
                )
            except subprocess.TimeoutExpired:
                continue
        if done.returncode == 0:
            yield f"{mutant.line}: {mutant.before} -> {mutant.after}", mutated


async def measure(quixbugs: Path, chosen: list[str], with_mutants: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    seen: Counter[str] = Counter()
    mutant_codes: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        async with open_bench(Path(name)) as bench:
            for program in chosen:
                sources = [
                    (quixbugs / directory / f"{program}.py").read_bytes()
                    for directory in ("correct_python_programs", "python_programs")
                ]
                correct, buggy = (project(quixbugs, program, source) for source in sources)
                if with_mutants:
                    living = await asyncio.to_thread(lambda: list(survivors(quixbugs, program, sources[0])))  # noqa: B023  # awaited at once
                    for _, source in living:
                        one = await judged(bench, correct, project(quixbugs, program, source), "feature")
                        counts[one["decision"]] += 1
                        mutant_codes.update(set(one["reasons"]))
                else:
                    bad = await judged(bench, correct, buggy, "feature")
                    good = await judged(bench, buggy, correct, "bug_fix")
                    counts[f"correct {good['decision']}"] += 1
                    counts[f"buggy {bad['decision']}"] += 1
                    seen.update({how: good[how] for how in ("blind", "compared", "self_reported")})
                    found[program] = {"buggy": bad, "correct": good}
                print(program, dict(counts), file=sys.stderr, flush=True)
    odd = {
        program: each
        for program, each in found.items()
        if each["correct"]["decision"] != "ACCEPT" or each["buggy"]["decision"] == "ACCEPT"
    }
    if with_mutants:
        return {"survivors_of_the_tests": sum(counts.values()), "gate": counts, "reasons": mutant_codes}
    return {"programs": len(chosen), "verdicts": counts, "tests_seen": seen, "wrong": odd}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", action="store_true")
    parser.add_argument("program", nargs="*")
    options = parser.parse_args()
    quixbugs = Path(os.environ["QUIXBUGS"])
    chosen = options.program or programs(quixbugs)
    print(json.dumps(asyncio.run(measure(quixbugs, chosen, options.mutants)), indent=2))


if __name__ == "__main__":
    main()
