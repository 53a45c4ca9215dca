"""A run with a model that needs two attempts, then its replay when the model is gone: must be the same trees.

python -m benchmarks.model_replay
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.replay import COMMAND, git
from tests.builder_svc.scripted_model import asking, completion, scripted_model

GOAL = "Make a() return 2"


def edit(before: str, after: str) -> tuple[str, object]:
    return "edit", {"path": "src/a.py", "find": f"return {before}", "replace": f"return {after}"}


SCRIPT = (
    asking(edit("1", "3")),
    completion("done"),
    asking(("check", {"name": "two"})),
    asking(edit("1", "2")),
    asking(("check", {"name": "two"})),
    completion("done"),
)
"""The first attempt is refused by the gate, the second looks at the check."""


def repository(directory: Path, endpoint: str) -> Path:
    (directory / "src").mkdir(parents=True)
    (directory / "src" / "a.py").write_text("def a():\n    return 1\n")
    policy = {
        "version": 1,
        "checks": [{"name": "two", "run": "date +%N; grep -q 'return 2' src/a.py", "reports": "none"}],
        "builders": {"local": {"kind": "model", "model": "tiny", "endpoint": endpoint}},
        "prices": {"tiny": {"input": 3.0, "output": 15.0}},
    }
    (directory / "autopack.yaml").write_text(json.dumps(policy))
    git(directory, "init", "-q")
    git(directory, "add", "-A")
    git(directory, "commit", "-q", "-m", "base")
    return directory


async def run(repo: Path, run_id: str, builder: dict[str, str], goal: str = GOAL) -> tuple[Any, float]:
    """The phase as it ended, and the seconds that it took."""
    phase = {
        "id": "fix",
        "goal": goal,
        "category": "bug_fix",
        "scope": {"paths": ["src/**"]},
        "builder": builder,
        "budget": {"attempts": 2, "usd": 5.0},
    }
    plan = repo.parent / f"{run_id}.json"
    plan.write_text(json.dumps({"version": 1, "name": run_id, "base": "main", "phases": [phase]}))
    command = [*COMMAND, "run", str(plan), "--repo", str(repo), "--run-id", run_id, "--json"]
    environment = {**os.environ, "AUTOPACK_HOME": str(repo.parent / "home")}
    start = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await process.communicate()
    document = json.loads(out)
    if "phases" not in document:
        raise SystemExit(f"{run_id} could not run: {document} {err.decode()[-2000:]}")
    return document["phases"][0] | {"run_usage": document["usage"]}, time.perf_counter() - start


def tree(repo: Path, commit: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(repo), "rev-parse", f"{commit}^{{tree}}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


async def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        async with scripted_model(*SCRIPT) as model:
            repo = repository(Path(name) / "repo", model.endpoint)
            first, built = await run(repo, "one", {"use": "local"})
        second, replayed = await run(repo, "two", {"kind": "replay", "of": "one"})
        other, _ = await run(repo, "three", {"kind": "replay", "of": "one"}, GOAL + " and 3")
        states = [[attempt["state"] for attempt in phase["attempts"]] for phase in (first, second)]
        same = first["state"] == second["state"] == "LANDED" and states[0] == states[1]
        same = same and tree(repo, first["commit"]) == tree(repo, second["commit"])
        diverged = other["reasons"] and other["reasons"][0]["message"]
    print(f"built in {built:.1f} s for ${first['run_usage'].get('usd')}: {states[0]}")
    print(f"replayed without the model in {replayed:.1f} s: {states[1]}, {'same tree' if same else second}")
    print(f"with another goal: {other['state']}, {diverged}")
    sys.exit(not same or other["state"] != "FAILED")


if __name__ == "__main__":
    asyncio.run(main())
