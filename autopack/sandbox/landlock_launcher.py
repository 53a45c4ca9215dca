"""Turns a command into a start of the supervisor: what it may read and write, which limits, which calls."""

import asyncio
import marshal
import os
import resource
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from autopack.cancellation import finish
from autopack.sandbox import supervisor, system_files
from autopack.sandbox.cgroups import Cgroup
from autopack.sandbox.identity import Identity
from autopack.sandbox.landlock_placement import Placement
from autopack.sandbox.landlock_processes import LandlockProcesses
from autopack.sandbox.port import Command, Limits
from autopack.sandbox.rlimits import resource_limits
from autopack.sandbox.seccomp import gate_filter, programs
from autopack.sandbox.spawner import Spawner
from autopack.sandbox.state_directory import remove_tree
from autopack.sandbox.supervisor import kernel
from autopack.sandbox.supervisor.descendants import stat_fields
from autopack.sandbox.workspace import Launch, memory_file, shell_line

SUPERVISOR = Path(supervisor.__file__).parent
_SCOPES_SIGNALS = 6
"""The version of Landlock's interface from which on it confines signals."""
_THREADS = 17  # of a process, among the fields of /proc/PID/stat after the name

_READABLE = ("/proc/cpuinfo", "/proc/filesystems", "/proc/loadavg", "/proc/meminfo", "/proc/stat")
_READABLE_DIRECTORIES = ("/proc/sys", "/sys/devices/system/cpu")
_DEVICES = ("/dev/full", "/dev/null", "/dev/random", "/dev/urandom", "/dev/zero")


class Configuration(TypedDict):
    """What the supervisor is told."""

    line: str
    shell: str
    directory: str
    environment: dict[str, str]
    rlimits: list[tuple[int, int]]
    join_files: list[str]
    landlock: int
    rules: list[tuple[str, int]]
    network: bool
    identity: tuple[int, int] | None
    programs: list[bytes]
    gate: tuple[bytes, int, dict[int, str]] | None
    """Of a `GateFilter`, for commands of our own user."""
    writable: list[str]
    """Directories below which modes may be changed."""
    status: int


@dataclass(frozen=True, slots=True)
class Containment:
    """What all commands of a sandbox have in common."""

    system: system_files.SystemFiles
    shell: Path
    """A copy of the system's shell that may be executed but not read."""
    version: int
    """Of Landlock's interface: no more of it is used."""
    spawner: Spawner
    host: Spawner
    """Sees the files of the host as we do."""


class LandlockLauncher:
    """Starts commands in one copied work tree."""

    reports_seen_at = None

    def __init__(self, containment: Containment, directory: Path, tree: Path, identity: Identity) -> None:
        self._containment = containment
        self._directory = directory
        self._tree = tree
        self._identity = identity
        self.home = directory / "home"
        self.temporary = directory / "tmp"

    @property
    def root(self) -> str:
        """Where commands see the work tree."""
        return str(self._tree)

    async def prepare(self, command: Command, limits: Limits, cgroup: Cgroup | None, reports: Path) -> Launch:
        """Everything but the start."""
        await finish(asyncio.to_thread(self._fresh_directories))
        shared = self._containment
        rlimits = await asyncio.to_thread(self._rlimits, limits, cgroup)
        placed = Placement(self._directory, self._tree, self._identity, shared.spawner, shared.host)
        await placed.put(command.read_only)
        processes = LandlockProcesses(lambda: self._leftovers(cgroup))
        environment = system_files.base_environment(
            str(self.home), str(self.temporary), str(reports), shared.system.search_path
        )
        configuration = Configuration(
            line=shell_line(command.line),
            shell=str(shared.shell),
            directory=str(self._tree),
            environment={**environment, **command.environment},
            rlimits=rlimits,
            join_files=[str(path) for path in cgroup.join_files] if cgroup else [],
            landlock=shared.version,
            rules=[*self._rules(command.network, reports), *placed.rules],
            network=command.network,
            identity=(self._identity.uid, self._identity.gid) if self._identity.switched else None,
            programs=list(programs("internet" if command.network else "none", among_others=True)),
            gate=self._gate(),
            writable=[str(path) for path in self._writable(reports)],
            status=processes.writer,
        )
        told = memory_file(marshal.dumps(dict(configuration)))

        async def close() -> None:
            processes.close()
            await placed.take_away()

        argv = [sys.executable, "-I", "-S", str(SUPERVISOR), str(told)]
        return Launch(argv, [told, processes.writer], processes, processes.exit_code, close)

    def _gate(self) -> tuple[bytes, int, dict[int, str]] | None:
        if self._identity.switched:
            return None
        found = gate_filter(signals=self._containment.version < _SCOPES_SIGNALS)
        return found.program, found.seccomp, found.calls

    def _writable(self, reports: Path) -> tuple[Path, ...]:
        return self._tree, self.home, self.temporary, reports

    def _fresh_directories(self) -> None:
        for path in (self.home, self.temporary):
            if path.exists():
                remove_tree(path)
            path.mkdir(mode=0o700)
            if self._identity.switched:
                os.chown(path, self._identity.uid, self._identity.gid)

    def _rules(self, network: bool, reports: Path) -> list[tuple[str, int]]:
        system = self._containment.system
        programs_and_libraries = [*system.directories, *system.pythons, self._containment.shell]
        readable = [*system_files.settings(network), *_READABLE, *_READABLE_DIRECTORIES]
        return [
            *((str(path), kernel.READ_AND_EXECUTE) for path in programs_and_libraries),
            *((str(path), kernel.READ) for path in readable),
            *((path, kernel.READ_FILE | kernel.WRITE_FILE) for path in _DEVICES),
            *((str(path), kernel.FULL) for path in self._writable(reports)),
        ]

    def _rlimits(self, limits: Limits, cgroup: Cgroup | None) -> list[tuple[int, int]]:
        values = resource_limits(limits, memory_too=cgroup is None or not cgroup.limits_memory)
        # Without a user of its own the command shares a count with everything else of that user.
        values["nproc"] += 0 if self._identity.switched else _threads_of(self._identity.uid)
        return [(getattr(resource, f"RLIMIT_{name.upper()}"), value) for name, value in values.items()]

    def _leftovers(self, cgroup: Cgroup | None) -> list[int]:
        if cgroup is not None:
            return cgroup.processes()
        if self._identity.switched:
            return [process for process in _processes() if _owner(process) == self._identity.uid]
        return []


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _owner(process: int) -> int | None:
    try:
        return os.stat(f"/proc/{process}").st_uid
    except OSError:
        return None


def _threads_of(user: int) -> int:
    """How many threads that user runs on this machine."""
    fields = (stat_fields(process) for process in _processes() if _owner(process) == user)
    return sum(int(words[_THREADS]) for words in fields if words)
