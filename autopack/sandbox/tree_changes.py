"""Collects what differs between a base and what a command made of it; refuses what no change may hold."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from autopack.errors import InvalidInput, Reason
from autopack.gitstore.records import to_path
from autopack.gitstore.symlinks import stays_inside
from autopack.gitstore.write_path import DEFAULT_LIMITS, MAXIMUM_REASONS, ChangeLimits, Edit

MAXIMUM_PATH_BYTES = 3000
"""Relative to the root; longer ones could no longer be opened below the directories that hold it."""
_BLOCK = 1 << 20
_SLASH = ord("/")


def lstat(path: bytes) -> os.stat_result | None:
    """Its status, links not followed; None where there is nothing."""
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def lstat_beneath(root: bytes, path: bytes) -> os.stat_result | None:
    """The status of `path` below `root`, reached through no symbolic link."""
    for end, character in enumerate(path):
        if character == _SLASH and not is_directory(lstat(root + b"/" + path[:end])):
            return None
    return lstat(root + b"/" + path)


def is_directory(status: os.stat_result | None) -> bool:
    """Whether there is a real directory."""
    return status is not None and stat.S_ISDIR(status.st_mode)


def list_directory(directory: bytes) -> list[bytes]:
    """Names in it, sorted; a directory closed to us, its owner, is opened first."""
    try:
        return sorted(os.listdir(directory))
    except PermissionError:
        os.chmod(directory, 0o700)
        return sorted(os.listdir(directory))


def files_below(directory: bytes, prefix: bytes = b"") -> Iterator[bytes]:
    """Paths of all that is no directory, relative to `directory`, each after `prefix`.

    What lies too deep to be opened by name is not looked into: its directory is given instead.
    """
    pending = [b""]
    while pending:
        inner = pending.pop()
        for name in list_directory(os.path.join(directory, inner) if inner else directory):
            path = inner + b"/" + name if inner else name
            if len(path) <= MAXIMUM_PATH_BYTES and is_directory(lstat(directory + b"/" + path)):
                pending.append(path)
            else:
                yield prefix + path


class ChangeCollector:
    """Turns entries of a work tree into edits against `base`, within limits."""

    def __init__(self, base: Path, tree: Path, limits: ChangeLimits = DEFAULT_LIMITS) -> None:
        self._base = os.fsencode(base)
        self._tree = os.fsencode(tree)
        self._limits = limits
        self._bytes = 0
        self._reasons: list[Reason] = []
        self._edits: dict[bytes, Edit] = {}

    def present(self, path: bytes, status: os.stat_result) -> None:
        """The tree has something that is no directory at `path`."""
        if stat.S_ISREG(status.st_mode):
            self._file(path, status)
        elif stat.S_ISLNK(status.st_mode):
            self._symlink(path)
        else:
            self._refuse(
                "SPECIAL_FILE", "is a device, socket or pipe", "write only files and directories", path
            )

    def absent(self, path: bytes) -> None:
        """The base has a file at `path`, the tree has not."""
        self._add(path, Edit(to_path(path), None))

    def too_long(self, path: bytes) -> None:
        """The tree goes deeper than any change may."""
        self._refuse("PATH_TOO_LONG", f"a path has over {MAXIMUM_PATH_BYTES} bytes", "", path[:200])

    def edits(self) -> tuple[Edit, ...]:
        """All of them, sorted by path. Raises InvalidInput with every reason."""
        if self._reasons:
            raise InvalidInput(*self._reasons)
        return tuple(self._edits[path] for path in sorted(self._edits))

    def _file(self, path: bytes, status: os.stat_result) -> None:
        if status.st_mode & (stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX):
            self._refuse("SPECIAL_FILE", "has its set-user, set-group or sticky bit set", "clear it", path)
            return
        executable = bool(status.st_mode & stat.S_IXUSR)
        if not status.st_mode & stat.S_IRUSR:
            os.chmod(self._tree + b"/" + path, 0o600)
        base = lstat_beneath(self._base, path)
        if (
            base is not None
            and stat.S_ISREG(base.st_mode)
            and base.st_size == status.st_size
            and bool(base.st_mode & stat.S_IXUSR) == executable
            and _same_contents(self._base + b"/" + path, self._tree + b"/" + path)
        ):
            return
        self._bytes += status.st_size
        if status.st_size > self._limits.file_bytes or self._bytes > self._limits.total_bytes:
            self._too_large(
                f"{status.st_size:,} bytes, {self._bytes:,} with the others, "
                f"where {self._limits.file_bytes:,} and {self._limits.total_bytes:,} are allowed",
                path,
            )
            return
        with open(os.open(self._tree + b"/" + path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            self._add(path, Edit(to_path(path), file.read(status.st_size), executable))

    def _symlink(self, path: bytes) -> None:
        target = os.readlink(self._tree + b"/" + path)
        base = lstat_beneath(self._base, path)
        if (
            base is not None
            and stat.S_ISLNK(base.st_mode)
            and os.readlink(self._base + b"/" + path) == target
        ):
            return
        if not stays_inside(path, target):
            self._refuse(
                "SYMLINK_ESCAPES", f"leads out of the tree, to {to_path(target)!r}", "link inside it", path
            )
            return
        self._add(path, Edit(to_path(path), target, None, symlink=True))

    def _add(self, path: bytes, edit: Edit) -> None:
        if len(self._edits) >= self._limits.files:
            self._too_large(f"the change has over {self._limits.files:,} files", path)
        else:
            self._edits[path] = edit

    def _too_large(self, message: str, path: bytes) -> None:
        self._refuse("CHANGE_TOO_LARGE", message, "remove what the command need not leave behind", path)

    def _refuse(self, code: str, message: str, fix: str, path: bytes) -> None:
        if len(self._reasons) < MAXIMUM_REASONS:
            self._reasons.append(Reason(code, message, fix, to_path(path)))


def _same_contents(one: bytes, other: bytes) -> bool:
    with (
        open(os.open(one, os.O_RDONLY | os.O_NOFOLLOW), "rb") as first,
        open(os.open(other, os.O_RDONLY | os.O_NOFOLLOW), "rb") as second,
    ):
        while block := first.read(_BLOCK):
            if second.read(_BLOCK) != block:
                return False
        return not second.read(1)
