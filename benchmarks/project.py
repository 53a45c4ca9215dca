"""The repository, the plans and the floors that benchmarks of whole phases share."""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

TESTS = {
    "pkg/__init__.py": "def add(a, b): return a + b\n",
    "tests/test_add.py": "from pkg import add\ndef test_add(): assert add(1, 2) == 3\n",
    "tests/test_two.py": "def test_a(): assert True\ndef test_b(): assert 1 + 1 == 2\n",
    ".gitignore": "__pycache__/\n.pytest_cache/\n",
}
"""Three trivial tests."""
FLOOR_ROUNDS = 15
_BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class Landed:
    """One `autopack run`: seconds from its start, by `time.perf_counter`."""

    begin: float
    landings: tuple[float, ...]
    """In order, seconds after `begin`."""
    end: float


class Bench:
    """A scratch directory with an AUTOPACK_HOME of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environ = dict(os.environ) | {"AUTOPACK_HOME": str(directory / "home")}
        # Set in some containers; it would make every process compile what it imports.
        self.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        self.environ["PATH"] = f"{_BIN}:{self.environ['PATH']}"

    def with_home(self, name: str) -> "Bench":
        """The same with another AUTOPACK_HOME."""
        other = Bench(self.directory)
        other.environ["AUTOPACK_HOME"] = str(self.directory / name)
        return other

    def sh(self, *argv: str, cwd: Path | None = None) -> str:
        """Runs a command; its output. Raises SystemExit where it fails."""
        done = subprocess.run(argv, cwd=cwd, env=self.environ, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(argv)} failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def repository(self, name: str, check: str, files: int, more: Mapping[str, str] = {}) -> Path:
        """A repository of `files` small files whose policy has one check."""
        root = self.directory / name
        policy = {"version": 1, "checks": [{"name": "check", "run": check}]}
        contents = {f"d{n % 10}/f{n}.py": "x = 1\n" * 50 for n in range(files)}
        contents |= {"autopack.yaml": yaml.safe_dump(policy), **more}
        for path, text in contents.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        self.sh("git", "init", "-q", "-b", "main", str(root))
        for key, value in (("user.name", "Benchmark"), ("user.email", "benchmark@localhost")):
            self.sh("git", "config", key, value, cwd=root)
        self.sh("git", "add", "-A", cwd=root)
        self.sh("git", "commit", "-qm", "The project", cwd=root)
        return root

    def plan(self, name: str, phases: int, chained: bool) -> Path:
        """Phases that each add one file, one after the other or independent.

        The plan's name is in the contents: evidence is kept by tree, so the same tree is judged for free.
        """
        written: list[dict[str, Any]] = []
        for number in range(phases):
            path = f"added/m{number}.py"
            phase: dict[str, Any] = {"id": f"p{number}", "goal": "Add a file", "scope": {"paths": [path]}}
            phase["builder"] = {"kind": "patch", "files": {path: f"value = '{name} {number}'\n"}}
            if chained and number:
                phase["depends_on"] = [f"p{number - 1}"]
            written.append(phase)
        path_of_plan = self.directory / f"{name}.yaml"
        path_of_plan.write_text(yaml.safe_dump({"version": 1, "name": name, "phases": written}))
        return path_of_plan

    def last_run(self) -> str:
        """The id of the newest run in this home."""
        return str(json.loads(self.sh("autopack", "runs", "--json"))["runs"][0]["run_id"])

    def checked(self) -> int:
        """How many checks of the last run did run, and were not answered from kept evidence."""
        phases = json.loads(self.sh("autopack", "show", self.last_run(), "--json"))["phases"]
        return sum(not check["cached"] for phase in phases for check in phase["judgement"]["checks"])

    def run(self, repository: Path, plan: Path, look: Callable[[int, int], None] | None = None) -> Landed:
        """`autopack run` of the plan. `look` gets its process id and the count of landings."""
        landings: list[float] = []
        argv = [str(_BIN / "autopack"), "run", str(plan), "--repo", str(repository)]
        begin = time.perf_counter()
        with subprocess.Popen(
            argv, env=self.environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            said = []
            for line in process.stderr:
                said.append(line)
                if line.rstrip().endswith(" LANDED"):
                    landings.append(time.perf_counter() - begin)
                    if look is not None:
                        look(process.pid, len(landings))
        if process.returncode:
            raise SystemExit(f"the run failed with {process.returncode}: {''.join(said[-20:])}")
        return Landed(begin, tuple(landings), time.perf_counter() - begin)


def seconds_of(work: Callable[[], object], rounds: int) -> float:
    """The median of that many, after one that does not count."""
    work()
    return statistics.median(timed(work) for _ in range(rounds))


def timed(work: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def git_floor(bench: Bench, repository: Path) -> float:
    """Seconds of a bare `git worktree add`, edit, commit and remove."""
    numbers = iter(range(1_000_000))

    def once() -> None:
        number = next(numbers)
        tree = bench.directory / f"floor{number}"
        bench.sh("git", "worktree", "add", "-q", "-b", f"floor{number}", str(tree), "main", cwd=repository)
        (tree / f"new{number}.txt").write_text("hello\n")
        bench.sh("git", "add", "-A", cwd=tree)
        bench.sh("git", "commit", "-qm", "floor", cwd=tree)
        bench.sh("git", "worktree", "remove", "--force", str(tree), cwd=repository)

    return seconds_of(once, FLOOR_ROUNDS)


def check_floor(bench: Bench, repository: Path, check: str, rounds: int = FLOOR_ROUNDS) -> float:
    """Seconds of the bare check in the repository."""
    return seconds_of(lambda: bench.sh("sh", "-ec", check, cwd=repository), rounds)


def print_machine() -> None:
    """What this was measured on."""
    cpu = next(
        (line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "?"
    )
    memory = int(next(line for line in _lines("/proc/meminfo") if line.startswith("MemTotal")).split()[1])
    print(f"machine: {os.cpu_count()} x {cpu}, {memory / 1e6:.0f} GB, {platform.release()}")
    names = ("grpcio", "protobuf", "sqlalchemy", "dbos", "pygit2", "opentelemetry-sdk", "pytest")
    git = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    versions = [f"{name} {version(name)}" for name in names]
    print(f"versions: Python {platform.python_version()}, git {git}, {', '.join(versions)}")
    print(f"load average: {' '.join(f'{load:.2f}' for load in os.getloadavg())}", flush=True)


def resident(pids: Sequence[int]) -> float:
    """Megabytes resident in the processes, shared pages counted in each."""
    total = 0
    for pid in pids:
        total += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return total * os.sysconf("SC_PAGE_SIZE") / 1e6


def children(pid: int) -> list[int]:
    """All processes that descend from this one."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *children(int(child))]
    return found


def host_of(pid: int) -> int:
    """The all-in-one that a command has started."""
    for child in children(pid):
        if b"autopack.host" in Path(f"/proc/{child}/cmdline").read_bytes():
            return child
    raise SystemExit("the command has no all-in-one of its own")


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()
