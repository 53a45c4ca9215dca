"""A work tree that is a copy of its base, for where no overlay can be mounted."""

import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path

from autopack.gitstore.records import from_path
from autopack.gitstore.write_path import Edit
from autopack.sandbox.identity import Identity
from autopack.sandbox.overlay_tree import OverlayTree
from autopack.sandbox.tree_changes import MAXIMUM_PATH_BYTES, ChangeCollector, files_below, is_directory


class CopiedTree:
    """A copy, and each file's inode and time of last change when it was made, which no command can set."""

    def __init__(self, base: Path, directory: Path, identity: Identity) -> None:
        """Copy `base` to `path`, new in `directory`, as `identity`'s own."""
        self.path = tree = directory / "tree"
        """Where the copy is."""
        self._base, self._tree = base, tree
        nothing = directory / "nothing"
        nothing.mkdir()
        self._as_copied: dict[bytes, tuple[int, int]] = {}
        # With nothing below it an overlay's upper directory is simply a tree.
        self._writer = OverlayTree(nothing, tree, identity)
        self._copy(os.fsencode(base), os.fsencode(tree), identity)

    def apply(self, edits: Sequence[Edit]) -> None:
        """Put already validated edits on top; directories that lose their last file go, as in git."""
        self._writer.apply(edits)

    def leads_to(self, path: str) -> bool:
        """Whether neither `path` nor anything on the way to it is a link or another kind of file."""
        return self._writer.leads_to(path)

    def changes(self, left_out: frozenset[str] = frozenset()) -> tuple[Edit, ...]:
        """What the tree is now against its base, without the paths `left_out`. Raises InvalidInput."""
        collector = ChangeCollector(self._base, self._tree)
        skipped = tuple(from_path(path) for path in left_out)
        tree = os.fsencode(self._tree)
        present = set()
        for path in files_below(tree):
            if _is_below(path, skipped):
                continue
            if len(path) > MAXIMUM_PATH_BYTES:
                collector.too_long(path)
                continue
            present.add(path)
            status = os.lstat(tree + b"/" + path)
            if self._as_copied.get(path) != (status.st_ino, status.st_ctime_ns):
                collector.present(path, status)
        for path in self._as_copied:
            if path not in present and not _is_below(path, skipped):
                collector.absent(path)
        return collector.edits()

    def _copy(self, base: bytes, tree: bytes, identity: Identity) -> None:
        pending = [b""]
        os.mkdir(tree, 0o755)
        while pending:
            directory = pending.pop()
            for name in sorted(os.listdir(base + b"/" + directory)):
                path = directory + b"/" + name if directory else name
                source, target = base + b"/" + path, tree + b"/" + path
                status = os.lstat(source)
                if is_directory(status):
                    os.mkdir(target, 0o755)
                    pending.append(path)
                elif stat.S_ISLNK(status.st_mode):
                    os.symlink(os.readlink(source), target)
                elif stat.S_ISREG(status.st_mode):
                    shutil.copyfile(source, target, follow_symlinks=False)
                    os.chmod(target, 0o755 if status.st_mode & stat.S_IXUSR else 0o644)
                    os.utime(target, ns=(status.st_mtime_ns, status.st_mtime_ns))
                else:
                    continue
                if identity.switched:
                    os.chown(target, identity.uid, identity.gid, follow_symlinks=False)
                if not is_directory(status):
                    copied = os.lstat(target)
                    self._as_copied[path] = (copied.st_ino, copied.st_ctime_ns)
        if identity.switched:
            os.chown(tree, identity.uid, identity.gid)


def _is_below(path: bytes, places: tuple[bytes, ...]) -> bool:
    return any(path == place or path.startswith(place + b"/") for place in places)
