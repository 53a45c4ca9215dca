"""Runs plans and replays each under another load, clock, timezone, locale, hash seed, home and user.

python benchmarks/replay.py [PLANS [FIRST]]        (default: 20, from the plan of number 0)

Started as root, the replay is another user's (65534), by the Python that OTHER_PYTHON names if that user may
not use this one. FAKETIME_LIBRARY=/path/to/libfaketime.so.1 sets its clock 400 days on.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-P", "-m", "autopack.cli"]
OTHER_USER = 65534
TRY_SECONDS = 200.0
POLICY = """\
version: 1
checks: [{name: sound, run: "python -m compileall -q src && ! grep -rn BROKEN src", reports: none}]
approvals: {categories: [schema_change]}
"""


def git(directory: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", "-C", str(directory), *identity, *arguments], check=True, capture_output=True)


def plan_of(seed: int) -> dict[str, Any]:
    """One to six phases that depend on each other, fail, or come in any order."""
    chance = random.Random(seed)
    phases: list[dict[str, Any]] = []
    for number in range(chance.randint(1, 6)):
        name = f"p{number}"
        builder: dict[str, Any] = {"kind": "patch", "files": {f"src/{name}.py": f"VALUE = {seed}\n"}}
        if chance.random() < 0.4:
            line = f"sleep 0.{chance.randint(0, 3)}; echo 'VALUE = {number}' >> src/shared.py"
            builder = {"kind": "command", "run": line}
        elif chance.random() < 0.2:
            builder["files"][f"src/{name}.py"] = "BROKEN = 1\n"
        before = [phase["id"] for phase in phases if chance.random() < 0.3]
        phases.append(
            {
                "id": name,
                "goal": f"Phase {number} of plan {seed}",
                "scope": {"paths": ["src/**"]},
                "depends_on": before,
                "builder": builder,
            }
        )
    return {"version": 1, "name": f"plan-{seed}", "base": "main", "phases": phases}


def elsewhere(place: Path, seed: int) -> dict[str, str]:
    """The environment of the replay, in which nothing is as it was that may differ between machines."""
    library = os.environ.get("FAKETIME_LIBRARY")
    later = {"FAKETIME": "+400d", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    return {
        **os.environ,
        "HOME": str(place),
        "USER": "somebody-else",
        "TZ": "Pacific/Chatham",
        "LC_ALL": "C",
        "PYTHONHASHSEED": str(seed + 100),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        **({"LD_PRELOAD": library, **later} if library else {}),
    }


def repository(directory: Path) -> Path:
    (directory / "src").mkdir(parents=True)
    (directory / "src" / "shared.py").write_text("VALUE = 0\n")
    (directory / "autopack.yaml").write_text(POLICY)
    git(directory, "init", "-q")
    git(directory, "add", "-A")
    git(directory, "commit", "-q", "-m", "base")
    return directory


def replayed(place: Path, seed: int, somebody: dict[str, Any]) -> dict[str, Any]:
    """What a replay in another place says, beside a process that keeps a core busy."""
    load = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        python = os.environ.get("OTHER_PYTHON", sys.executable)
        replay = [python, *COMMAND[1:], "replay", "r", "--repo", str(place / "clone"), "--json"]
        environment = elsewhere(place / "theirs", seed)
        done = subprocess.run(
            replay, env=environment, cwd="/", capture_output=True, text=True, umask=0o077, **somebody
        )
    finally:
        load.kill()
        load.wait()
    if not done.stdout:
        raise SystemExit(f"plan {seed} could not be replayed: {done.stderr[-1000:]}")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def main() -> None:
    plans = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    same = commits = retried = 0
    for seed in range(first, plans):
        with tempfile.TemporaryDirectory() as name:
            place = Path(name)
            repo, file = repository(place / "repo"), place / "plan.json"
            file.write_text(json.dumps(plan_of(seed)))
            here = {**os.environ, "AUTOPACK_HOME": str(place / "home"), "TZ": "UTC", "PYTHONHASHSEED": "1"}
            run = [*COMMAND, "run", str(file), "--repo", str(repo), "--run-id", "r", "--json"]
            done = subprocess.run(run, env=here, capture_output=True, text=True)
            if done.returncode not in (0, 1):
                raise SystemExit(f"plan {seed} could not run: {done.stdout[-500:]} {done.stderr[-500:]}")
            git(place, "clone", "-q", str(repo), str(place / "clone"))
            place.chmod(0o755)
            (place / "theirs").mkdir()
            somebody: dict[str, Any] = {}
            if os.getuid() == 0:
                os.chown(place / "theirs", OTHER_USER, OTHER_USER)
                somebody = {"user": OTHER_USER, "group": OTHER_USER, "extra_groups": []}
            started = time.perf_counter()
            document = replayed(place, seed, somebody)
            while "error" in document and time.perf_counter() - started < TRY_SECONDS:
                # It could not run, which is neither the same nor another outcome: shown, and tried again.
                print(f"plan {seed:2}: {document['error']}", flush=True)
                retried += 1
                document = replayed(place, seed, somebody)
            holds = document.get("same") is True
            same += holds
            commits += len(document.get("commits", []))
            seconds = time.perf_counter() - started
            print(f"plan {seed:2}: {'same' if holds else document}, {seconds:.1f} s", flush=True)
    who = f"as user {OTHER_USER}" if os.getuid() == 0 else "as the same user"
    when = "400 days later" if os.environ.get("FAKETIME_LIBRARY") else "on the same clock"
    tally = f"{commits} commits, {retried} tries failed"
    print(f"{same} of {plans - first} plans gave the same {who}, {when}: {tally}")
    raise SystemExit(same != plans - first)


if __name__ == "__main__":
    main()
