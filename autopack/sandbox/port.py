"""The sandbox as its callers see it: open a base, put a change on it, run commands, read what came of it."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal, Protocol

from autopack.gitstore.write_path import Edit

Tier = Literal["namespaces", "landlock"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one command may use; `Capabilities` says which of these this machine really enforces."""

    seconds: float
    """Wall-clock time; then SIGTERM to every process, and SIGKILL a second later."""
    memory_mb: int = 4096
    """All processes together where a cgroup can be made, else each process by itself."""
    processes: int = 512
    """Processes and threads at one time."""
    open_files: int = 1024
    """Per process."""
    file_size_mb: int = 1024
    """Of any one file written."""
    disk_mb: int = 4096
    """Written to the work tree and the reports together; measured while the command runs."""
    output_bytes: int = 1_000_000
    """Kept of standard output and error together (their end); a hundred times as much ends the command."""


@dataclass(frozen=True, slots=True)
class Command:
    """A shell line and what it is given."""

    line: str
    """Run by `sh -ec` in the root of the work tree."""
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Beyond what every command gets (PATH, HOME, TMPDIR, LANG, TZ, PYTHONHASHSEED, AUTOPACK_REPORTS ...)."""
    network: bool = False
    """The host's network, its loopback included. Without it there is none."""
    read_only: Mapping[str, Path] = field(default_factory=lambda: MappingProxyType({}))
    """Absolute path in the sandbox -> host path that appears there, read-only.

    For every tier to be able to, the path is in the work tree or the same as on the host.
    """


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended."""

    exit_code: int | None
    """What `sh` returned (128 + n where signal n ended its last command); None when a limit ended it."""
    signal: int | None
    """The n of 128 + n."""
    limit: str | None
    """Which limit ended the command: "time", "memory", "processes", "disk", "file_size" or "output"."""
    seconds: float
    """Wall-clock time from start to the end of the last process."""
    output: bytes
    """The last bytes of standard output and error, in the order written."""
    output_truncated: bool
    """Whether `output` lacks its beginning."""
    peak_memory_mb: float | None
    """Of the whole tree where a cgroup counted it, else of its largest process."""


class Workspace(Protocol):
    """A base with a change on it; commands run in it one at a time, what they write stays until the end."""

    @property
    def root(self) -> str:
        """Where commands see the work tree."""

    async def apply(self, files: Sequence[Edit]) -> None:
        """Put an already validated change on top of what is there."""

    async def run(self, command: Command, limits: Limits) -> Result:
        """Run to the end or to a limit; afterwards no process of it is left. Cancelling kills the whole tree.

        Raises InvalidInput for a command that cannot be passed on, Unavailable when the sandbox fails.
        """

    async def changes(self) -> tuple[Edit, ...]:
        """What now differs from the base, sorted by path.

        Raises InvalidInput: SPECIAL_FILE, SYMLINK_ESCAPES, PATH_NOT_UTF8, CHANGE_TOO_LARGE.
        """

    async def read_report(self, name: str, limit: int) -> bytes | None:
        """A file that the last command wrote in $AUTOPACK_REPORTS; None if it wrote no such regular file.

        Raises InvalidInput: REPORT_TOO_LARGE when it is over `limit` bytes.
        """


class Sandbox(Protocol):
    """One way of containing commands."""

    @property
    def tier(self) -> Tier:
        """Which containment this is."""

    def open(self, base: Path) -> AbstractAsyncContextManager[Workspace]:
        """A workspace over a read-only checkout, which is never written to; leaving removes all of it."""

    async def close(self) -> None:
        """Give back what the sandbox holds between workspaces."""
