"""Keeps checkouts of trees on disk for the sandbox to open read-only; the least used go first."""

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from autopack.gitstore.disk import reporting_full_disk
from autopack.gitstore.files import write_files
from autopack.gitstore.objects import EXECUTABLE, REGULAR
from autopack.gitstore.store import GitStore

_STAGING = "new-"
_FILES = "files"
_SIZE = "bytes"
_FILE_MODES = (REGULAR, EXECUTABLE)


class Checkouts:
    """A directory of checkouts by tree id, for any number of threads.

    Who opens a checkout must not write to it: checkouts share files by hard links.
    """

    def __init__(
        self,
        directory: Path,
        budget_bytes: int,
        keep_seconds: float = 3600.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`budget_bytes` of files are kept, and beyond it whatever `get` gave in the last `keep_seconds`."""
        self._directory = directory
        self._budget_bytes = budget_bytes
        self._keep_seconds = keep_seconds
        self._clock = clock
        self._lock = threading.Lock()  # of the fields below
        self._making: dict[str, threading.Lock] = {}
        self._latest: dict[Path, str] = {}
        self._kept: dict[str, _Kept] = {}  # the one that was used longest ago comes first
        directory.mkdir(parents=True, exist_ok=True)
        for rest in directory.glob(_STAGING + "*"):
            shutil.rmtree(rest, ignore_errors=True)
        for place in sorted(directory.iterdir(), key=lambda place: place.stat().st_mtime):
            self._kept[place.name] = _Kept(int((place / _SIZE).read_text()), place.stat().st_mtime)

    @reporting_full_disk()
    def get(self, store: GitStore, treeish: str) -> Path:
        """The directory with the files of a tree, which is there for `keep_seconds` at least."""
        tree = store.tree(treeish).hex()
        with self._lock:
            making = self._making.setdefault(tree, threading.Lock())
        with making:
            if not self._use(tree):
                self._make(store, tree)
        with self._lock:
            self._making.pop(tree, None)
            self._latest[store.path] = tree
            surplus = self._surplus()
        for trash in surplus:
            shutil.rmtree(trash)
        return self._directory / tree / _FILES

    def _use(self, tree: str) -> bool:
        """Notes the use of a checkout; False if there is none."""
        with self._lock:
            kept = self._kept.pop(tree, None)
            if kept is None:
                return False
            now = self._clock()
            self._kept[tree] = _Kept(kept.size, now)
            os.utime(self._directory / tree, (now, now))
            return True

    def _make(self, store: GitStore, tree: str) -> None:
        staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=self._directory))
        try:
            size = self._write(store, tree, staging / _FILES)
            (staging / _SIZE).write_text(str(size))
            now = self._clock()
            os.utime(staging, (now, now))
            with self._lock:
                staging.rename(self._directory / tree)
                self._kept[tree] = _Kept(size, now)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise

    def _write(self, store: GitStore, tree: str, files: Path) -> int:
        """Writes the files and returns their size; those that the last checkout has are only linked."""
        with self._lock:
            like = self._latest.get(store.path, "")
            kept = self._kept.get(like)
        if kept is None:
            return write_files(store.entries(tree), store.read_blob, files)
        changes = store.diff(like, tree)
        source = self._directory / like / _FILES  # should it go meanwhile, files are written after all
        changed = {change.path for change in changes}
        write_files(store.entries(tree), store.read_blob, files, source, changed)
        added = [change.new_oid for change in changes if change.new_mode in _FILE_MODES]
        removed = [change.old_oid for change in changes if change.old_mode in _FILE_MODES]
        return kept.size + sum(map(store.size, added)) - sum(map(store.size, removed))

    def _surplus(self) -> list[Path]:
        """Takes away what is over the budget, longest unused first; to be deleted by the caller."""
        total = sum(kept.size for kept in self._kept.values())
        oldest = self._clock() - self._keep_seconds
        surplus: list[Path] = []
        for tree, kept in list(self._kept.items()):
            if total <= self._budget_bytes or kept.used > oldest:
                break
            trash = self._directory / f"{_STAGING}{tree}"
            (self._directory / tree).rename(trash)
            del self._kept[tree]
            total -= kept.size
            surplus.append(trash)
        return surplus


@dataclass(frozen=True, slots=True)
class _Kept:
    size: int
    used: float
