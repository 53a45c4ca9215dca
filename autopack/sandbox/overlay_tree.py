"""A work tree as the kernel's overlay makes it: the base below, untouched, and above it what is different."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from autopack.gitstore.records import from_path
from autopack.gitstore.write_path import Edit
from autopack.sandbox.identity import Identity
from autopack.sandbox.state_directory import remove_tree
from autopack.sandbox.tree_changes import (
    MAXIMUM_PATH_BYTES,
    ChangeCollector,
    files_below,
    is_directory,
    list_directory,
    lstat,
    lstat_beneath,
)

# Overlays mounted in a user namespace keep their marks in the `user.` namespace.
_OPAQUE = "user.overlay.opaque"
_HIDES = b"y"


class OverlayTree:
    """The upper directory of an overlay, read and written while it is not mounted.

    Paths are followed by their strings: no process of the sandbox runs meanwhile, and every
    directory on the way is checked to be a real one.
    """

    def __init__(self, base: Path, upper: Path, identity: Identity) -> None:
        self._base = os.fsencode(base)
        self._upper = os.fsencode(upper)
        self._base_path, self._upper_path = base, upper
        self._identity = identity

    def apply(self, edits: Sequence[Edit]) -> None:
        """Put already validated edits on top; directories that lose their last file go, as in git."""
        gone = [from_path(edit.path) for edit in edits if edit.contents is None]
        for path in gone:
            self._delete(path)
        for edit in edits:
            if edit.contents is not None:
                self._write(from_path(edit.path), edit, edit.contents)
        for path in gone:
            self._delete_empty_parents(path)

    def changes(self, left_out: frozenset[str] = frozenset()) -> tuple[Edit, ...]:
        """What the tree is now against its base, without the paths `left_out`. Raises InvalidInput."""
        collector = ChangeCollector(self._base_path, self._upper_path)
        skipped = {from_path(path) for path in left_out}
        # Directories still to visit, and whether the base's files show through.
        pending: list[tuple[bytes, bool]] = [(b"", True)]
        while pending:
            directory, shows = pending.pop()
            for name in list_directory(_join(self._upper, directory)):
                path = _join(directory, name)
                if path in skipped:
                    continue
                if len(path) > MAXIMUM_PATH_BYTES:
                    collector.too_long(path)
                    continue
                status = os.lstat(_join(self._upper, path))
                if is_directory(status):
                    inner_shows = shows and not self._hides(path)
                    pending.append((path, inner_shows))
                    self._absent_below(collector, path, not inner_shows)
                else:
                    if _is_whiteout(status):
                        self._absent_below(collector, path, True)
                    else:
                        collector.present(path, status)
                        if is_directory(self._in_base(path)):
                            self._absent_below(collector, path, True)
        return collector.edits()

    def leads_to(self, path: str) -> bool:
        """Whether neither `path` nor anything on the way to it is a link or another kind of file."""
        parts = from_path(path).split(b"/")
        for depth in range(1, len(parts) + 1):
            place = b"/".join(parts[:depth])
            status = lstat(_join(self._upper, place))
            status = self._showing(place) if status is None else status
            if status is None or _is_whiteout(status):
                return True
            if not is_directory(status) and (depth < len(parts) or not stat.S_ISREG(status.st_mode)):
                return False
        return True

    def _absent_below(self, collector: ChangeCollector, path: bytes, hidden: bool) -> None:
        """Report what is gone of the base at `path`: all below if `hidden`, unless the upper has it anew."""
        base = self._in_base(path)
        if base is None:
            return
        if not is_directory(base):
            collector.absent(path)
        elif hidden:
            for below in files_below(_join(self._base, path), path + b"/"):
                if not self._in_upper(below):
                    collector.absent(below)

    def _in_base(self, path: bytes) -> os.stat_result | None:
        return lstat_beneath(self._base, path)

    def _in_upper(self, path: bytes) -> bool:
        """Whether the upper has a file of its own there."""
        status = lstat_beneath(self._upper, path)
        return status is not None and not is_directory(status) and not _is_whiteout(status)

    def _hides(self, path: bytes) -> bool:
        """Whether an upper directory hides what the base has there."""
        try:
            return os.getxattr(_join(self._upper, path), _OPAQUE, follow_symlinks=False) == _HIDES
        except OSError:
            return False

    def _showing(self, path: bytes) -> os.stat_result | None:
        """The base's status of `path` as far as no upper directory or file above it hides it."""
        parts = path.split(b"/")
        for depth in range(1, len(parts)):
            parent = b"/".join(parts[:depth])
            upper = lstat(_join(self._upper, parent))
            if upper is not None and (not is_directory(upper) or self._hides(parent)):
                return None
        return self._in_base(path)

    def _delete(self, path: bytes) -> None:
        if self._showing(path) is None:
            self._remove_upper(path)
        else:
            self._make_parents(path)
            self._remove_upper(path)
            self._hide(path)

    def _hide(self, path: bytes) -> None:
        os.mknod(_join(self._upper, path), stat.S_IFCHR, os.makedev(0, 0))

    def _remove_upper(self, path: bytes) -> None:
        target = _join(self._upper, path)
        status = lstat_beneath(self._upper, path)
        if is_directory(status):
            remove_tree(Path(os.fsdecode(target)))
        elif status is not None:
            os.unlink(target)

    def _make_parents(self, path: bytes) -> None:
        parts = path.split(b"/")
        for depth in range(1, len(parts)):
            parent = b"/".join(parts[:depth])
            directory = _join(self._upper, parent)
            upper = lstat(directory)
            if is_directory(upper):
                continue
            base = self._showing(parent)
            if upper is not None:
                os.unlink(directory)
            mode = stat.S_IMODE(base.st_mode) if base is not None and is_directory(base) else 0o755
            os.mkdir(directory)
            os.chmod(directory, mode)
            if upper is not None and is_directory(base):
                os.setxattr(directory, _OPAQUE, _HIDES, follow_symlinks=False)
            self._own(directory)

    def _write(self, path: bytes, edit: Edit, contents: bytes) -> None:
        target = _join(self._upper, path)
        executable = edit.executable
        if executable is None:
            executable = self._is_executable(path)
        self._make_parents(path)
        self._remove_upper(path)
        if edit.symlink:
            os.symlink(contents, target)
        else:
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC)
            with open(descriptor, "wb") as file:
                os.fchmod(descriptor, 0o755 if executable else 0o644)
                file.write(contents)
        self._own(target)

    def _is_executable(self, path: bytes) -> bool:
        if self._in_upper(path):
            status = lstat(_join(self._upper, path))
        elif lstat(_join(self._upper, path)) is None:
            status = self._showing(path)
        else:
            status = None
        return status is not None and stat.S_ISREG(status.st_mode) and bool(status.st_mode & stat.S_IXUSR)

    def _delete_empty_parents(self, path: bytes) -> None:
        while path := os.path.dirname(path):
            base = self._showing(path)
            upper = lstat(_join(self._upper, path))
            if upper is not None and not is_directory(upper):
                return
            names = set(os.listdir(_join(self._base, path))) if is_directory(base) else set()
            if upper is not None and self._hides(path):
                names = set()
            for name in list_directory(_join(self._upper, path)) if upper is not None else []:
                if _is_whiteout(os.lstat(_join(self._upper, _join(path, name)))):
                    names.discard(name)
                else:
                    names.add(name)
            if names:
                return
            self._delete(path)

    def _own(self, path: bytes) -> None:
        if self._identity.switched:
            os.chown(path, self._identity.uid, self._identity.gid, follow_symlinks=False)


def _join(directory: bytes, name: bytes) -> bytes:
    return directory + b"/" + name if directory and name else directory or name


def _is_whiteout(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0
