"""What a store says about its contents."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from autopack.errors import Reason


@dataclass(frozen=True, slots=True)
class FileChange:
    """One path that differs between two trees; mode 0 and id "" where it is absent."""

    path: str
    old_mode: int
    new_mode: int
    old_oid: str
    new_oid: str


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """A file, symbolic link or submodule of a tree."""

    path: str
    mode: int
    oid: str


@dataclass(frozen=True, slots=True)
class Signature:
    """Who made a commit, and when: seconds since 1970, UTC."""

    name: str
    email: str
    seconds: int


def to_path(path: bytes) -> str:
    """A path as text; bytes that are not UTF-8 become lone surrogates, and come back unchanged."""
    return path.decode(errors="surrogateescape")


def from_path(path: str) -> bytes:
    return path.encode(errors="surrogateescape")


@dataclass(frozen=True, slots=True)
class WorkTreeFile:
    """A file as somebody has it before them."""

    directory: Path
    """Root of the work tree."""
    head: str
    """Commit that is checked out; empty before the first one."""
    tracked: bool
    """Whether that commit has the file."""
    changed: bool
    """Whether the file is not as that commit has it."""


@dataclass(frozen=True, slots=True)
class Revision:
    """What a revision of a remote stands for."""

    commit: str
    branch: str = ""
    """Full name of the branch that it names; "" if it names none."""
    look: Callable[[], tuple[Reason, ...]] = field(default=tuple, repr=False, compare=False)

    @property
    def notices(self) -> tuple[Reason, ...]:
        """What the caller should know, though it hinders nothing; looked for each time."""
        return self.look()
