"""Control groups for one sandbox each, of version 1 or 2, wherever this process may make them."""

import asyncio
import contextlib
import os
import secrets
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from autopack.sandbox.supervisor.descendants import signal_all

CONTROLLERS = ("memory", "pids")
_REMOVE_SECONDS = 5.0
_SWEEP_SECONDS = 60.0
_PREFIX = "autopack-"


@dataclass(frozen=True, slots=True)
class CgroupSite:
    """Where groups can be made: controller -> directory of the group that will hold ours."""

    version: int
    parents: dict[str, Path]

    @property
    def enforces_memory(self) -> bool:
        """Whether memory of a whole tree of processes can be limited."""
        return "memory" in self.parents

    @property
    def enforces_processes(self) -> bool:
        """Whether the number of processes of a tree can be limited."""
        return "pids" in self.parents


def find_site(
    mounts: Path = Path("/proc/self/mounts"), membership: Path = Path("/proc/self/cgroup")
) -> CgroupSite:
    """The controllers whose groups this process may make, tried by making one."""
    try:
        points = [line.split() for line in mounts.read_text().splitlines()]
        groups = [line.split(":", 2) for line in membership.read_text().splitlines()]
    except OSError:
        return CgroupSite(0, {})
    for point in points:
        if point[2] == "cgroup2":
            own = next((path for number, names, path in groups if number == "0" and not names), None)
            if own is not None and (parent := _parent_in_v2(Path(point[1]), own)):
                return CgroupSite(2, dict.fromkeys(CONTROLLERS, parent))
    parents: dict[str, Path] = {}
    for controller in CONTROLLERS:
        for point in points:
            if point[2] == "cgroup" and controller in point[3].split(","):
                own = next((path for _, names, path in groups if controller in names.split(",")), None)
                directory = Path(point[1]) / (own or "/").lstrip("/")
                if own is not None and _can_make(directory):
                    parents[controller] = directory
                    break
    return CgroupSite(1, parents) if parents else CgroupSite(0, {})


def _parent_in_v2(mount: Path, own: str) -> Path | None:
    """Our own group or the nearest one above it that hands both controllers down and lets us make groups."""
    directory = mount / own.lstrip("/")
    while directory.is_relative_to(mount):
        with contextlib.suppress(OSError):
            handed_down = (directory / "cgroup.subtree_control").read_text().split()
            movable = os.access(directory / "cgroup.procs", os.W_OK)
            if all(name in handed_down for name in CONTROLLERS) and movable and _can_make(directory):
                return directory
        directory = directory.parent
    return None


def _can_make(parent: Path) -> bool:
    probe = parent / f"{_PREFIX}probe-{secrets.token_hex(4)}"
    try:
        probe.mkdir()
        probe.rmdir()
    except OSError:
        return False
    return True


def sweep(site: CgroupSite) -> None:
    """Remove groups of processes that are no more; one in which something runs stays."""
    for parent in set(site.parents.values()):
        for directory in parent.glob(f"{_PREFIX}*"):
            process = directory.name.removeprefix(_PREFIX).partition("-")[0]
            # A process that we cannot see may be in another container: its groups are joined within seconds.
            with contextlib.suppress(OSError):
                old = time.time() - directory.stat().st_mtime > _SWEEP_SECONDS
                if old and not Path("/proc", process).exists():
                    directory.rmdir()


class Cgroup:
    """The groups of one running command."""

    def __init__(self, site: CgroupSite, memory_bytes: int, processes: int) -> None:
        """Make them with their limits. Raises OSError."""
        self._version = site.version
        name = f"{_PREFIX}{os.getpid()}-{secrets.token_hex(6)}"
        self._directories = {controller: parent / name for controller, parent in site.parents.items()}
        try:
            for directory in self.directories:
                directory.mkdir()
            if memory := self._directories.get("memory"):
                self._limit_memory(memory, memory_bytes)
            if pids := self._directories.get("pids"):
                (pids / "pids.max").write_text(str(processes))
        except OSError:
            self.discard()
            raise

    def discard(self) -> None:
        """Remove them before any process has joined."""
        for directory in self.directories:
            with contextlib.suppress(OSError):
                directory.rmdir()

    @property
    def directories(self) -> tuple[Path, ...]:
        """One in version 2, one for each controller in version 1."""
        return tuple(dict.fromkeys(self._directories.values()))

    def _limit_memory(self, directory: Path, limit: int) -> None:
        if self._version == 2:
            (directory / "memory.max").write_text(str(limit))
            for name, value in (("memory.swap.max", "0"), ("memory.oom.group", "1")):
                with contextlib.suppress(FileNotFoundError):
                    (directory / name).write_text(value)
        else:
            (directory / "memory.limit_in_bytes").write_text(str(limit))
            with contextlib.suppress(OSError):  # absent without swap accounting
                (directory / "memory.memsw.limit_in_bytes").write_text(str(limit))

    @property
    def limits_memory(self) -> bool:
        """Whether the memory of all processes together is limited."""
        return "memory" in self._directories

    @property
    def join_files(self) -> tuple[Path, ...]:
        """A process that writes "0" into each of these is in the groups, with all its children to come."""
        return tuple(directory / "cgroup.procs" for directory in self.directories)

    def take(self, process: int) -> None:
        """Has a process in the groups, and all its children to come. Raises OSError."""
        for path in self.join_files:
            path.write_text(str(process))

    def memory_exceeded(self) -> bool:
        """Whether the kernel has killed for want of memory within the limit."""
        name = "memory.events" if self._version == 2 else "memory.oom_control"
        return self._counter("memory", name, "oom_kill") > 0

    def processes_exceeded(self) -> bool:
        """Whether a fork has been refused."""
        return self._counter("pids", "pids.events", "max") > 0

    def _counter(self, controller: str, name: str, key: str) -> int:
        directory = self._directories.get(controller)
        if directory is not None:
            with contextlib.suppress(OSError):
                for line in (directory / name).read_text().splitlines():
                    word, _, value = line.partition(" ")
                    if word == key:
                        return int(value)
        return 0

    def peak_memory_bytes(self) -> int | None:
        """The most memory the groups have used; None where the kernel does not count it."""
        directory = self._directories.get("memory")
        if directory is None:
            return None
        try:
            name = "memory.peak" if self._version == 2 else "memory.max_usage_in_bytes"
            return int((directory / name).read_text())
        except OSError:
            return None

    def processes(self) -> list[int]:
        """Who is in them."""
        found: set[int] = set()
        for path in self.join_files:
            found.update(int(line) for line in path.read_text().splitlines())
        return sorted(found)

    async def remove(self) -> None:
        """Remove them once their last process has been reaped. Raises OSError when that takes too long."""
        deadline = time.monotonic() + _REMOVE_SECONDS
        for directory in self.directories:
            while True:
                try:
                    directory.rmdir()
                    break
                except FileNotFoundError:
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        raise
                    # What was left behind is ours to end; a dead process stays until it is reaped.
                    with contextlib.suppress(OSError):
                        signal_all(self.processes(), signal.SIGKILL)
                    await asyncio.sleep(0.005)
