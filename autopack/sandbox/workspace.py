"""A workspace of either tier: one command at a time, its limits, its reports, and nothing left afterwards."""

import asyncio
import os
import signal
import stat
import subprocess
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from autopack.cancellation import acquire, finish
from autopack.errors import InvalidInput, Reason, Unavailable
from autopack.gitstore.write_path import Edit
from autopack.sandbox import memory_usage
from autopack.sandbox.cgroups import Cgroup, CgroupSite
from autopack.sandbox.disk_usage import TooDeep, bytes_used, bytes_used_by_deleted_files
from autopack.sandbox.identity import Identity
from autopack.sandbox.port import Command, Limits, Result
from autopack.sandbox.process import Ended, ProcessTree, run_process
from autopack.sandbox.spawner import Spawner
from autopack.sandbox.state_directory import remove_tree
from autopack.sandbox.tree_changes import lstat_beneath

MEGABYTE = 1 << 20
# The kernel allows one argument 128 KiB.
_MAXIMUM_LINE_BYTES = 100_000
_CGROUP_EXTRA_PROCESSES = 4
"""What sets the sandbox up counts too."""


class WorkTree(Protocol):
    """The files of a workspace while no command runs; called off the event loop."""

    def apply(self, edits: Sequence[Edit]) -> None:
        """Put a change on top."""

    def changes(self, left_out: frozenset[str]) -> tuple[Edit, ...]:
        """What differs from the base, without the paths `left_out`."""

    def leads_to(self, path: str) -> bool:
        """Whether neither `path` nor anything on the way to it is a link or another kind of file."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start one command."""

    argv: Sequence[str]
    descriptors: Sequence[int]
    """Passed on to it, closed here once it runs."""
    processes: ProcessTree
    exit_code: Callable[[Ended], int | None]
    """The shell's exit code from what has ended; None when the sandbox itself failed."""
    close: Callable[[], Coroutine[None, None, None]]
    """Gives back what the launch holds; called when everything is gone."""


class Launcher(Protocol):
    """What a tier does to start a command."""

    @property
    def root(self) -> str:
        """Where commands see the work tree."""

    @property
    def reports_seen_at(self) -> str | None:
        """Where they see $AUTOPACK_REPORTS, if not at the host's own path."""

    async def prepare(self, command: Command, limits: Limits, cgroup: Cgroup | None, reports: Path) -> Launch:
        """Everything but the start."""


class ContainedWorkspace:
    """Runs commands on a work tree through a tier's launcher."""

    def __init__(
        self,
        directory: Path,
        written: Sequence[Path],
        tree: WorkTree,
        launcher: Launcher,
        spawner: Spawner,
        identity: Identity,
        site: CgroupSite,
    ) -> None:
        self._root = launcher.root
        self._directory = directory
        self._written = tuple(written)
        self._tree = tree
        self._launcher = launcher
        self._spawner = spawner
        self._identity = identity
        self._site = site
        self._lock = asyncio.Lock()
        self._runs = 0
        self._reports: Path | None = None
        self._mounted: set[str] = set()

    @property
    def root(self) -> str:
        """Where commands see the work tree."""
        return self._root

    async def apply(self, files: Sequence[Edit]) -> None:
        """Put an already validated change on top of what is there."""
        async with self._lock:
            await finish(asyncio.to_thread(self._tree.apply, files))

    async def changes(self) -> tuple[Edit, ...]:
        """What now differs from the base, sorted by path."""
        async with self._lock:
            return await finish(asyncio.to_thread(self._tree.changes, frozenset(self._mounted)))

    async def run(self, command: Command, limits: Limits) -> Result:
        """Run to the end or to a limit; afterwards no process of it is left."""
        check_command(command)
        async with self._lock:
            try:
                return await self._run_alone(command, limits)
            except (OSError, TimeoutError) as error:
                raise _failed(f"the command could not be run or ended: {error!r}") from error

    async def _run_alone(self, command: Command, limits: Limits) -> Result:
        reports = await finish(asyncio.to_thread(self._make_ready, command))
        cgroup = await self._make_cgroup(limits)
        try:
            launch = await self._launcher.prepare(command, limits, cgroup, reports)
            try:
                return await self._run(launch, limits, cgroup, reports)
            finally:
                await finish(launch.close())
        finally:
            if cgroup is not None:
                await finish(cgroup.remove())

    async def read_report(self, name: str, limit: int) -> bytes | None:
        """A file that the last command wrote in $AUTOPACK_REPORTS."""
        async with self._lock:
            return await finish(asyncio.to_thread(self._read_report, name, limit))

    def _make_ready(self, command: Command) -> Path:
        self._check_places(command)
        return self._fresh_reports()

    def _check_places(self, command: Command) -> None:
        for target in map(PurePosixPath, command.read_only):
            if target.is_relative_to(self._root):
                path = str(target.relative_to(self._root))
                if path == "." or not self._tree.leads_to(path):
                    message = f"{path} cannot be shown read-only: there is a link or special file on the way"
                    raise InvalidInput(Reason("COMMAND_INVALID", message, "remove it", path))
                self._mounted.add(path)

    async def _run(self, launch: Launch, limits: Limits, cgroup: Cgroup | None, reports: Path) -> Result:
        running: list[int] = []
        named = (self._root, self._launcher.reports_seen_at or str(reports))

        async def start(output: int) -> subprocess.Popen[bytes]:
            identity = self._identity
            try:
                if identity.switched:
                    # Else `>/dev/stderr` would be refused: it opens the pipe anew.
                    os.fchown(output, identity.uid, identity.gid)
                process = await self._spawner.start(launch.argv, output, launch.descriptors)
            finally:
                for descriptor in launch.descriptors:
                    os.close(descriptor)
            running.append(process.pid)
            return process

        def watch(ended: bool) -> str | None:
            members = launch.processes.members(running[0]) if running and not ended else []
            if cgroup is not None and cgroup.limits_memory:
                if cgroup.memory_exceeded():
                    return "memory"
            else:
                in_files = bytes_used_by_deleted_files(members, ("/memfd:",))
                if memory_usage.exceeds(members, limits.memory_mb * MEGABYTE - in_files):
                    return "memory"
            try:
                used = bytes_used((*self._written, reports))
            except TooDeep:
                return "disk"
            used += bytes_used_by_deleted_files(members, named)
            return "disk" if used > limits.disk_mb * MEGABYTE else None

        ended = await run_process(start, launch.processes, limits, watch)
        code = launch.exit_code(ended)
        if code is None and ended.limit is None:
            said = ended.output.decode(errors="replace").strip()[-500:] or f"status {ended.status}"
            raise _failed(f"the sandbox could not start the command: {said}")
        number = code - 128 if code is not None and 128 < code < 128 + signal.NSIG else None
        limit = ended.limit or _limit_of_signal(number)
        if limit is None and code and cgroup is not None and cgroup.processes_exceeded():
            limit = "processes"
        peak = cgroup.peak_memory_bytes() if cgroup is not None else None
        return Result(
            exit_code=None if limit else code,
            signal=number,
            limit=limit,
            seconds=ended.seconds,
            output=ended.output,
            output_truncated=ended.output_truncated,
            peak_memory_mb=(ended.usage.ru_maxrss * 1024 if peak is None else peak) / MEGABYTE,
        )

    async def _make_cgroup(self, limits: Limits) -> Cgroup | None:
        if not self._site.parents:
            return None
        memory, processes = limits.memory_mb * MEGABYTE, limits.processes + _CGROUP_EXTRA_PROCESSES
        return await acquire(lambda: Cgroup(self._site, memory, processes), Cgroup.discard)

    def _fresh_reports(self) -> Path:
        if self._reports is not None:
            remove_tree(self._reports)
        self._runs += 1
        self._reports = self._directory / f"reports-{self._runs}"
        self._reports.mkdir(mode=0o700)
        if self._identity.switched:
            os.chown(self._reports, self._identity.uid, self._identity.gid)
        return self._reports

    def _read_report(self, name: str, limit: int) -> bytes | None:
        path = PurePosixPath(name)
        if path.is_absolute() or not path.parts or ".." in path.parts or "\0" in name:
            raise InvalidInput(
                Reason("PATH_ESCAPES", f"{name!r} names no file in the reports", "name it relative to them")
            )
        if self._reports is None:
            return None
        root, relative = os.fsencode(self._reports), os.fsencode(path)
        status = lstat_beneath(root, relative)
        if status is None or not stat.S_ISREG(status.st_mode):
            return None
        if status.st_size > limit:
            raise InvalidInput(
                Reason(
                    "REPORT_TOO_LARGE",
                    f"the report {name!r} has {status.st_size:,} bytes where {limit:,} are allowed",
                    "report less",
                )
            )
        if not status.st_mode & stat.S_IRUSR:
            os.chmod(root + b"/" + relative, 0o600)
        with open(os.open(root + b"/" + relative, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            return file.read(limit)


def _failed(message: str) -> Unavailable:
    return Unavailable(Reason("SANDBOX_FAILED", message, "run `autopack doctor`"))


def check_command(command: Command) -> None:
    """Raises InvalidInput for what cannot be handed to a shell as it is."""
    reasons: list[Reason] = []
    line = os.fsencode(command.line)
    if b"\0" in line:
        reasons.append(Reason("COMMAND_INVALID", "the command line has a NUL byte", "remove it"))
    if len(line) > _MAXIMUM_LINE_BYTES:
        message = f"the command line has {len(line):,} bytes where {_MAXIMUM_LINE_BYTES:,} are allowed"
        reasons.append(Reason("COMMAND_INVALID", message, "put it into a script in the repository"))
    for name, value in command.environment.items():
        if not name or "=" in name or "\0" in name + value:
            message = f"{name!r} cannot be an environment variable"
            reasons.append(Reason("COMMAND_INVALID", message, "rename it"))
    for target, source in command.read_only.items():
        path = PurePosixPath(target)
        if not path.is_absolute() or ".." in path.parts or path.parts == ("/",) or "\0" in target:
            message = f"{target!r} is no place for a read-only path"
            reasons.append(Reason("COMMAND_INVALID", message, "give an absolute path below the root"))
        if not source.exists():
            message = f"{source} does not exist"
            reasons.append(Reason("COMMAND_INVALID", message, "name what exists on this machine"))
    if reasons:
        raise InvalidInput(*reasons)


def shell_line(line: str) -> str:
    """The line so that `sh -ec` cannot take it for an option."""
    return f" {line}" if line[:1] in "-+" else line


def memory_file(contents: bytes) -> int:
    """A descriptor of a file in memory, to be read from its beginning."""
    descriptor = os.memfd_create("autopack", os.MFD_CLOEXEC)
    view = memoryview(contents)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _limit_of_signal(number: int | None) -> str | None:
    if number == signal.SIGXFSZ:
        return "file_size"
    return "time" if number == signal.SIGXCPU else None
