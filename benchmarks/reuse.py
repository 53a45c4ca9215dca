"""What memory saves: a sequence of plans whose causes of failure come again, with memory on and off.

The builder is scripted, so the outcome is the same each time: it makes a known mistake unless the reasons
of a refusal, or a passage that memory recalled, name the exception that it leads to.
`python -m benchmarks.reuse`
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.project import Bench, print_machine

BUILDER = '''"""Writes one function: with the guard for each failure that it has heard of."""
import json, os, sys
name, failure = sys.argv[1:]
guards = {
    "ZeroDivisionError": "    if not values:\\n        return 0\\n",
    "TypeError": "    values = [value for value in values if value is not None]\\n",
    "KeyError": "    values = list(dict(values).values()) if isinstance(values, dict) else values\\n",
}
bodies = {
    "ZeroDivisionError": "    return sum(values) / len(values)\\n",
    "TypeError": "    return sum(values)\\n",
    "KeyError": "    return sum(values[key] for key in range(len(values)))\\n",
}
heard = json.load(open(os.environ["AUTOPACK_FEEDBACK"]))
words = json.dumps(heard["reasons"]) + json.dumps([passage["text"] for passage in heard["recalled"]])
if failure not in words:
    body = bodies[failure]
else:
    body = guards[failure] + (bodies[failure] if failure != "KeyError" else "    return sum(values)\\n")
open(f"stats/{name}.py", "w").write(f"def {name}(values):\\n{body}")
'''
SAMPLES = {
    "ZeroDivisionError": ("[]", "0"),
    "TypeError": ("[1, None, 2]", "3"),
    "KeyError": ("{'a': 1}", "1"),
}
"""By exception: what the naive function fails on, and what is expected."""


POLICY = {
    "version": 1,
    "checks": [{"name": "check", "run": "true"}],
    # The placeholders return what their test expects: beyond that every function is another than before.
    "judge": {"probe": {"seconds": 0}},
}


@dataclass(frozen=True, slots=True)
class Step:
    """One plan: a function to write, and the mistake that lies near."""

    name: str
    failure: str
    goal: str


STEPS = (
    Step("mean", "ZeroDivisionError", "Write the mean of sales, also of a day without any"),
    Step("total", "TypeError", "Write the total of payments, where some are missing"),
    Step("share", "ZeroDivisionError", "Write the mean share of refunds, also of a day without any"),
    Step("by_name", "KeyError", "Write the sum of counters that have names"),
    Step("missing", "TypeError", "Write the total of readings, where some are missing"),
    Step("rate", "ZeroDivisionError", "Write the mean rate of errors, also of a day without any"),
    Step("by_city", "KeyError", "Write the sum of visits that have names of cities"),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the sequence took."""

    attempts: tuple[int, ...]
    seconds: tuple[float, ...]
    tokens: int


def drive(directory: Path, remembering: bool) -> Outcome:
    """Runs the sequence in a repository and a home of its own; each run is merged and tidied."""
    bench = Bench(directory)
    bench.environ["AUTOPACK_SOT_RETRIEVAL_ENABLED"] = str(remembering).lower()
    files: Mapping[str, str] = {
        "autopack.yaml": yaml.safe_dump(POLICY),
        "tools/write.py": BUILDER,
        "tests/conftest.py": "import sys\nsys.path.insert(0, '.')\n",
        **{f"tests/test_{step.name}.py": _test(step) for step in STEPS},
        **{f"stats/{step.name}.py": _placeholder(step) for step in STEPS},
    }
    repository = bench.repository("project", "true", 0, files)
    attempts: list[int] = []
    seconds: list[float] = []
    tokens = 0
    for step in STEPS:
        plan = directory / f"{step.name}.yaml"
        plan.write_text(yaml.safe_dump(_plan(step)))
        begin = time.perf_counter()
        bench.sh("autopack", "run", str(plan), "--repo", str(repository))
        seconds.append(time.perf_counter() - begin)
        run = json.loads(bench.sh("autopack", "show", bench.last_run(), "--json"))
        attempts.append(sum(len(phase["attempts"]) for phase in run["phases"]))
        usage = run["usage"]
        tokens += usage.get("input_tokens", 0) + usage.get("output_tokens", 0)
        bench.sh("autopack", "tidy", "--execute", "--repo", str(repository))
        bench.sh("autopack", "index", "--repo", str(repository))
    return Outcome(tuple(attempts), tuple(seconds), tokens)


def _test(step: Step) -> str:
    given, expected = SAMPLES[step.failure]
    name = step.name
    return (
        f"from stats.{name} import {name}\n\ndef test_{name}():\n    assert {name}({given}) == {expected}\n"
    )


def _placeholder(step: Step) -> str:
    """What the base has: the tests pass on it, so that a failure is the change's own."""
    return f"def {step.name}(values):\n    return {SAMPLES[step.failure][1]}\n"


def _plan(step: Step) -> dict[str, object]:
    path = f"stats/{step.name}.py"
    phase = {
        "id": step.name.replace("_", "-"),
        "goal": step.goal,
        "scope": {"paths": [path]},
        "builder": {"kind": "command", "run": f"python tools/write.py {step.name} {step.failure}"},
        "checks": [
            {"name": step.name, "run": f"python -m pytest -q tests/test_{step.name}.py", "reports": "pytest"}
        ],
    }
    return {"version": 1, "name": step.name, "base": "main", "land": "fast-forward", "phases": [phase]}


def _row(name: str, values: Sequence[object]) -> str:
    return f"| {name} | {' | '.join(map(str, values))} |"


def main() -> None:
    """Prints both side by side."""
    argparse.ArgumentParser(prog="python -m benchmarks.reuse", description=__doc__).parse_args()
    print_machine()
    outcomes = {}
    for name, remembering in (("on", True), ("off", False)):
        with tempfile.TemporaryDirectory() as directory:
            outcomes[name] = drive(Path(directory), remembering)
    print(_row("memory", [*(step.name for step in STEPS), "attempts", "seconds", "tokens"]))
    for name, outcome in outcomes.items():
        total = f"{sum(outcome.seconds):.1f}"
        print(_row(name, [*outcome.attempts, sum(outcome.attempts), total, outcome.tokens]))
    repeated = {step.failure for step in STEPS}
    print(f"{len(repeated)} causes in {len(STEPS)} plans; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
