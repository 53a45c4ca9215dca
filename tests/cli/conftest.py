"""A repository, a home of its own for the all-in-one, and the command run as people run it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import yaml

from autopack.cli.__main__ import execute

COMMAND_SECONDS = 240
GIT_IDENTITY = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_SYSTEM": "/dev/null",
}


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The one document on standard output."""
        return json.loads(self.stdout)


@dataclass(frozen=True)
class Autopack:
    """Runs `autopack` in a directory, with an AUTOPACK_HOME."""

    directory: Path
    home: Path
    environ: Mapping[str, str]

    def __call__(self, *arguments: str, stdin: str | None = None, **environ: str) -> Ended:
        process = self.start(*arguments, environ=environ)
        stdout, stderr = process.communicate(
            None if stdin is None else stdin.encode(), timeout=COMMAND_SECONDS
        )
        return Ended(process.returncode, stdout.decode(), stderr.decode())

    def start(
        self, *arguments: str, log: Path | None = None, environ: Mapping[str, str] = MappingProxyType({})
    ) -> subprocess.Popen[bytes]:
        """Starts a command and does not wait for it; its output goes to pipes, or to a file."""
        with ExitStack() as files:
            output = files.enter_context(log.open("wb")) if log else subprocess.PIPE
            return subprocess.Popen(
                [sys.executable, "-P", "-m", "autopack.cli", *arguments],
                cwd=self.directory,
                env={**self.environ, **environ},
                stdin=subprocess.DEVNULL if log else subprocess.PIPE,
                stdout=output,
                stderr=output,
            )

    def processes(self) -> list[int]:
        """Processes that belong to this home's all-in-one."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and self._belongs(entry):
                found.append(int(entry.name))
        return found

    def _belongs(self, process: Path) -> bool:
        try:
            words = (process / "environ").read_bytes().split(b"\0")
            alive = (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False
        return alive and f"AUTOPACK_HOME={self.home}".encode() in words

    def sockets(self) -> list[str]:
        """Sockets left below the home."""
        return sorted(str(path.relative_to(self.home)) for path in self.home.rglob("*.sock"))


@dataclass(frozen=True)
class Repository:
    """A git repository with a work tree."""

    path: Path

    def git(self, *arguments: str) -> str:
        """Runs git and returns what it prints."""
        result = subprocess.run(
            ["git", "-C", str(self.path), *arguments],
            env={**os.environ, **GIT_IDENTITY},
            capture_output=True,
            text=True,
            check=True,
        )
        return result.stdout.strip()

    def write(self, files: Mapping[str, str]) -> None:
        """Writes files into the work tree."""
        for name, text in files.items():
            target = self.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)

    def commit(self, files: Mapping[str, str], message: str = "change") -> str:
        """Commits files and returns the commit."""
        self.write(files)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")


def new_repository(path: Path, files: Mapping[str, str] | None = None) -> Repository:
    """A repository on branch main, with one commit where files are given."""
    path.mkdir()
    found = Repository(path)
    found.git("init", "-q", "-b", "main")
    if files:
        found.commit(files, "first")
    return found


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """What a shell starts in the background ignores SIGINT, and so would every command that is tried here."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def make_repository() -> Callable[..., Repository]:
    """`new_repository`, for more than one."""
    return new_repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """An empty repository on branch main."""
    return new_repository(tmp_path / "repository")


@dataclass(frozen=True)
class World:
    """A repository, the command in it, and an all-in-one that stays."""

    directory: Path
    repository: Repository
    autopack: Autopack

    def plan(self, *phases: Mapping[str, Any], **more: Any) -> Path:
        """Writes a plan of these phases into a file of its own."""
        path = self.directory / f"plan-{len(list(self.directory.glob('plan-*')))}.yaml"
        path.write_text(
            yaml.safe_dump({"version": 1, "name": "n", "base": "main", "phases": list(phases), **more})
        )
        return path

    def run(self, run_id: str, *phases: Mapping[str, Any], **more: Any) -> Ended:
        """Runs a plan of these phases."""
        return self.autopack("run", str(self.plan(*phases, **more)), "--run-id", run_id, "--json")


@pytest.fixture(scope="session")
def make_world(tmp_path_factory: pytest.TempPathFactory, bytecode: Path) -> Callable[..., Any]:
    """A context manager that makes a World of a project's files; at its end no process is left."""

    @contextmanager
    def make(files: Mapping[str, str]) -> Iterator[World]:
        directory = tmp_path_factory.mktemp("world")
        found = new_repository(directory / "repository", files)
        command = new_autopack(found, directory / "home", bytecode)
        server = command.start("serve", "all", log=directory / "server.log")
        try:
            wait_until(lambda: len(command.sockets()) == 6, 120)
            yield World(directory, found, command)
        finally:
            server.terminate()
            code = server.wait(60)
        assert (code, command.processes(), command.sockets()) == (0, [], [])

    return make


@pytest.fixture
def invoke(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """The command within this process, for what needs no all-in-one."""

    def run(*arguments: str) -> Ended:
        capsys.readouterr()
        code = execute(list(arguments))
        captured = capsys.readouterr()
        return Ended(code, captured.out, captured.err)

    return run


def wait_until(holds: Callable[[], object], seconds: float = 30.0) -> None:
    """Returns when `holds` does, and fails when that takes too long."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


@pytest.fixture(name="wait_until")
def wait_until_fixture() -> Callable[..., None]:
    """`wait_until`, for what only another process changes."""
    return wait_until


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compiled modules, shared by all commands: an installation has them."""
    return tmp_path_factory.mktemp("bytecode")


def new_autopack(repository: Repository, home: Path, bytecode: Path) -> Autopack:
    """The command, run in the repository with a home of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AUTOPACK_", "OTEL_"))}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    own = {"AUTOPACK_HOME": str(home), "PYTHONPYCACHEPREFIX": str(bytecode)}
    return Autopack(repository.path, home, {**kept, **GIT_IDENTITY, **own})


@pytest.fixture
def autopack(tmp_path: Path, repository: Repository, bytecode: Path) -> Iterator[Autopack]:
    """The command, run in the repository with a fresh home; no process of its host outlives the test."""
    command = new_autopack(repository, tmp_path / "home", bytecode)
    yield command
    left = command.processes()
    for process in left:
        os.kill(process, signal.SIGKILL)
    log = command.home / "host.log"
    assert not left, log.read_text()[-4000:] if log.exists() else "no log"
