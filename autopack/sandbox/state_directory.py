"""Directories for what sandboxes write: each belongs to a living process, those of dead ones are swept."""

import contextlib
import fcntl
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from autopack.errors import Reason, Unavailable

_PREFIX = "autopack-sandbox-"
_LOCK = "lock"


class StateDirectory:
    """A directory that others may pass through but not list, gone after `remove`."""

    def __init__(self, parent: Path) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        self.path.chmod(0o711)
        # Held as long as this process lives, whatever ends it.
        self._lock = os.open(self.path / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def remove(self) -> None:
        """Remove it with everything in it."""
        remove_tree(self.path)
        os.close(self._lock)


@contextlib.contextmanager
def temporary_directory() -> Iterator[Path]:
    """One for the length of a block, swept away even should we be killed in it."""
    directory = StateDirectory(choose_parent(None, others_must_pass=False))
    try:
        yield directory.path
    finally:
        directory.remove()


def choose_parent(wanted: Path | None, others_must_pass: bool) -> Path:
    """Where to make state directories: `wanted` or the first usable of the usual places."""
    candidates = [wanted] if wanted else [Path(tempfile.gettempdir()), Path("/var/tmp"), Path("/tmp")]
    for candidate in candidates:
        if os.access(candidate, os.W_OK | os.X_OK) and (not others_must_pass or passable(candidate)):
            return candidate
    raise Unavailable(
        Reason(
            "SANDBOX_UNAVAILABLE",
            f"no directory for sandboxes: {', '.join(map(str, candidates))} cannot be written to"
            + (" or not be reached by another user" if others_must_pass else ""),
            "set TMPDIR to a directory that all users can reach",
        )
    )


def passable(directory: Path) -> bool:
    """Whether every user may pass through `directory` and all above it."""
    directory = directory.resolve()
    return all(part.stat().st_mode & stat.S_IXOTH for part in (directory, *directory.parents))


def sweep(parent: Path) -> None:
    """Remove the state directories that dead processes of this user left in `parent`."""
    for path in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if path.lstat().st_uid != os.geteuid() or path.is_symlink():
                continue
            lock = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove_tree(path)
            finally:
                os.close(lock)


def remove_tree(path: Path) -> None:
    """Remove a tree, also one whose directories are closed to their owner or nested a thousand deep."""
    try:
        shutil.rmtree(path)
    except (OSError, RecursionError):
        if not os.path.lexists(path):
            return
        subprocess.run(["chmod", "-R", "u+rwx", "--", path], stderr=subprocess.DEVNULL, check=False)
        subprocess.run(["rm", "-rf", "--", path], stderr=subprocess.DEVNULL, check=True)
