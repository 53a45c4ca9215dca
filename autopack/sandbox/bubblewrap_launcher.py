"""Turns one command into one start of bubblewrap: what is mounted where, which limits, which descriptors."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from autopack.sandbox.bubblewrap_processes import BubblewrapProcesses
from autopack.sandbox.cgroups import Cgroup
from autopack.sandbox.port import Command, Limits
from autopack.sandbox.rlimits import prlimit_arguments, resource_limits
from autopack.sandbox.seccomp import programs
from autopack.sandbox.spawner import Spawner
from autopack.sandbox.system_files import (
    GID,
    HOME,
    HOST,
    UID,
    SystemFiles,
    base_environment,
    network_settings,
)
from autopack.sandbox.workspace import MEGABYTE, Launch, memory_file, shell_line

ROOT = "/workspace"
REPORTS = "/run/autopack/reports"
SHELL = "/run/autopack/sh"


@dataclass(frozen=True, slots=True)
class View:
    """What every command sees beside its workspace."""

    bubblewrap: Path
    system: SystemFiles
    etc: Path
    """A directory that appears as /etc."""
    settings: tuple[Path, ...]
    """Directories of the host that appear in it."""
    shell: Path
    """A copy of the system's shell that may be executed but not read: the kernel keeps the memory of such a
    process from all others, so that a command cannot rewrite the shell that judges it."""
    pythons: dict[str, Path]
    """Path in the sandbox -> where bubblewrap finds it."""


class BubblewrapLauncher:
    """Starts commands in one work tree."""

    root = ROOT
    reports_seen_at = REPORTS

    def __init__(self, view: View, spawner: Spawner, directory: Path, mount: Sequence[str]) -> None:
        """`mount` are bubblewrap's arguments that mount the work tree on ROOT."""
        self._view = view
        self._spawner = spawner
        self._directory = directory
        self._mount = mount
        self._staged = 0

    async def prepare(self, command: Command, limits: Limits, cgroup: Cgroup | None, reports: Path) -> Launch:
        """Everything but the start."""
        read_only = await self._stage(command)
        processes = BubblewrapProcesses(cgroup)
        descriptors = [processes.writer, processes.blocked]
        options = ["--json-status-fd", str(processes.writer), "--block-fd", str(processes.blocked)]
        # With the host's network come the host's abstract local sockets: then none of that family.
        for program in programs("internet" if command.network else "any", among_others=False):
            descriptors.append(memory_file(program))
            options += ["--add-seccomp-fd", str(descriptors[-1])]
        arguments = [
            *_isolation(command.network),
            *self._environment(command),
            *self._mounts(limits, reports),
        ]
        for target, source in read_only:
            arguments += ["--ro-bind", str(source), target]
        arguments += ["--remount-ro", "/", "--chdir", ROOT]
        # By descriptor: other users of the machine could read the command's environment in our arguments.
        descriptors.append(memory_file(b"".join(os.fsencode(argument) + b"\0" for argument in arguments)))
        options += ["--args", str(descriptors[-1])]
        limited = resource_limits(limits, memory_too=cgroup is None or not cgroup.limits_memory)
        argv = [
            str(self._view.bubblewrap),
            *options,
            "--",
            "prlimit",
            *prlimit_arguments(limited),
            SHELL,
            "-ec",
            shell_line(command.line),
        ]
        return Launch(
            self._spawner.as_identity(argv),
            descriptors,
            processes,
            processes.exit_code,
            processes.close,
        )

    async def _stage(self, command: Command) -> Sequence[tuple[str, Path]]:
        """Read-only mounts, parents first: target, and where the sandbox's user can reach the source."""
        sources: dict[str, Path] = dict(command.read_only)
        if command.network:
            sources |= {str(path): path.resolve() for path in network_settings()}
        if self._spawner.staging:
            for target, source in sources.items():
                self._staged += 1
                place = self._directory / f"read-only-{self._staged}"
                place.mkdir() if source.is_dir() else place.touch()
                await self._spawner.stage(source, place, self._spawner.identity)
                sources[target] = place
        return sorted(sources.items())

    def _environment(self, command: Command) -> Iterable[str]:
        given = base_environment(HOME, "/tmp", REPORTS, self._view.system.search_path)
        for name, value in sorted({**given, **command.environment}.items()):
            yield from ("--setenv", name, value)

    def _mounts(self, limits: Limits, reports: Path) -> Iterable[str]:
        for directory in self._view.system.directories:
            yield from ("--ro-bind", str(directory), str(directory))
        for path, target in self._view.system.links:
            yield from ("--symlink", target, path)
        yield from ("--ro-bind", str(self._view.etc), "/etc")
        for directory in self._view.settings:
            yield from ("--ro-bind", str(directory), str(directory))
        yield from ("--proc", "/proc", "--dev", "/dev")
        # The sandbox's first process says how the command ended: nobody inside may write its memory.
        yield from ("--perms", "0555", "--size", "4096", "--tmpfs", "/proc/1", "--remount-ro", "/proc/1")
        yield from ("--ro-bind", str(self._view.shell), SHELL)
        # Memory file systems: together never more than the command's memory.
        half = min(limits.disk_mb, limits.memory_mb) * MEGABYTE // 2
        for size, mode, path in (
            (half // 2, "1777", "/dev/shm"),
            (half, "1777", "/tmp"),
            (half // 2, "0700", HOME),
        ):
            yield from ("--size", str(size), "--perms", mode, "--tmpfs", path)
        # After /tmp, which may be where Autopack was cloned to.
        for path, source in self._view.pythons.items():
            yield from ("--ro-bind", str(source), path)
        yield from ("--remount-ro", "/dev", "--symlink", "../tmp", "/var/tmp")
        yield from ("--bind", str(reports), REPORTS)
        yield from self._mount


def _isolation(network: bool) -> Iterable[str]:
    yield from ("--unshare-all", "--unshare-user", "--uid", str(UID), "--gid", str(GID))
    if network:
        yield "--share-net"
    yield from ("--disable-userns", "--hostname", HOST, "--cap-drop", "ALL")
    yield from ("--die-with-parent", "--new-session", "--clearenv")
