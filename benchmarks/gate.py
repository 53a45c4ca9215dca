"""What the gate takes beyond the bare check: `python -m benchmarks.gate [--rounds N] [--tests N]`.

One small change after another of a small project, everything on, the baseline known; the bare check is the
same command on the same files without a sandbox, run in turn with the gate. Then each change is judged again,
when all is known. Prints one JSON document with medians, and the limits of the issue beside them.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from autopack.api.gate.v1 import verdict_pb2
from autopack.testing.repositories import Files
from tests.gate_svc.gate_bench import Bench, open_bench, policy

PRODUCT = '''"""Numbers."""


def clipped(value, low, high):
    """The value, or the limit that it goes beyond."""
    if value < low:
        return low
    if value > high:
        return high
    return value


def digits(number):
    return [int(each) for each in str(abs(number))]
'''
_RUN = "python -m pytest -q"


def project(tests: int, probe: bool) -> Files:
    """A product and so many tests of it."""
    rows = "\n\n\n".join(
        f"def test_clipped_{n}():\n    assert clipped({n}, 3, {n + 5}) == {max(n, 3)}\n"
        f"    assert digits({n}) == {[int(each) for each in str(n)]}"
        for n in range(tests)
    )
    more = "" if probe else "judge: {probe: {seconds: 0}}\n"
    return {
        "autopack.yaml": policy(_RUN, more=more),
        "numbers_of.py": PRODUCT.encode(),
        "tests/test_numbers.py": f"from numbers_of import clipped, digits\n\n\n{rows}\n".encode(),
    }


def changed(files: Files, number: int) -> Files:
    """The project with a small honest change, each time another one."""
    body = f"    rounds = {number} * 0\n    if value < low:\n        return low + rounds"
    source = PRODUCT.replace("    if value < low:\n        return low", body)
    return {**files, "numbers_of.py": source.encode()}


def bare(directory: Path, files: Files) -> float:
    """Seconds of the check by itself, as a developer runs it."""
    for path, contents in files.items():
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(bytes(contents))  # type: ignore[arg-type]  # no modes here
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)
    begin = time.perf_counter()
    subprocess.run(["sh", "-ec", _RUN], cwd=directory, env=environ, check=True, capture_output=True)
    return time.perf_counter() - begin


async def judged(bench: Bench, base: Files, head: Files) -> tuple[float, verdict_pb2.Verdict]:
    """Seconds from the request to the verdict."""
    request = bench.change(base, head)
    begin = time.perf_counter()
    verdict = await bench.verdict(request)
    return time.perf_counter() - begin, verdict


async def measure(rounds: int, tests: int, probe: bool) -> dict[str, object]:
    """Medians, in milliseconds."""
    base = project(tests, probe)
    alone, gate, beyond, again, mutants = [], [], [], [], 0
    with tempfile.TemporaryDirectory() as name:
        async with open_bench(Path(name)) as bench:
            directory = Path(name) / "bare"
            for number in range(-2, rounds):  # the first two make the baseline known, and everything warm
                head = changed(base, number + 10)
                check = await asyncio.to_thread(bare, directory, head)
                seconds, verdict = await judged(bench, base, head)
                if verdict.decision != verdict_pb2.DECISION_ACCEPT:
                    raise SystemExit(f"refused: {verdict.reasons}")
                known, _ = await judged(bench, base, head)
                if number >= 0:
                    alone.append(check)
                    gate.append(seconds)
                    beyond.append(seconds - check)
                    again.append(known)
                    mutants += verdict.checks[0].probe.killed + verdict.checks[0].probe.survived
            tier = verdict.sandbox_tier
    middle = statistics.median(alone)
    return {
        "probe": probe,
        "tests": tests,
        "rounds": rounds,
        "sandbox": tier,
        "bare_ms": round(1000 * middle),
        "gate_ms": round(1000 * statistics.median(gate)),
        "beyond_ms": round(1000 * statistics.median(beyond)),
        "limit_ms": round(1000 * (1.5 * middle + 0.15)),
        "cached_ms": round(1000 * statistics.median(again)),
        "cached_limit_ms": 60,
        "mutants_tried_each": round(mutants / rounds, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tests", type=int, default=20)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    measured = [asyncio.run(measure(options.rounds, options.tests, probe)) for probe in (True, False)]
    print(json.dumps({"load_before": round(load, 1), "measured": measured}, indent=2))


if __name__ == "__main__":
    main()
