"""Puts trees where the sandbox can open them: a checkout that many trees share, and what differs from it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autopack.gitstore.checkouts import Checkouts
from autopack.gitstore.objects import GITLINK, SYMLINK
from autopack.gitstore.records import FileChange
from autopack.gitstore.store import GitStore
from autopack.gitstore.write_path import Edit

EDITS_LIMIT = 64
EDIT_BYTES_LIMIT = 20_000_000
"""A tree that differs by more from the checkouts at hand gets one of its own."""
RUNS_LIMIT = 200
"""Runs whose latest checkout is remembered."""


@dataclass(frozen=True, slots=True)
class PreparedTree:
    """A tree as a read-only checkout and what to put on top."""

    checkout: Path
    edits: tuple[Edit, ...]


class Trees:
    """Prepares trees."""

    def __init__(self, checkouts: Checkouts) -> None:
        self._checkouts = checkouts
        self._latest: dict[str, str] = {}

    async def prepare(self, store: GitStore, run_base: str, trees: Sequence[str]) -> list[PreparedTree]:
        """Each tree on top of a checkout that is near: of the run's base, which all its candidates share, or
        of a later tree, once what has landed in between is too much to be put on top each time."""
        return await asyncio.to_thread(lambda: [self._prepare(store, run_base, tree) for tree in trees])

    def _prepare(self, store: GitStore, run_base: str, tree: str) -> PreparedTree:
        for near in filter(None, (self._latest.get(run_base), run_base)):
            changes = store.diff(near, tree)
            if _expressible(store, changes):
                edits = tuple(edit(store, change) for change in changes)
                return PreparedTree(self._checkouts.get(store, near), edits)
        checkout = self._checkouts.get(store, tree)
        self._latest.pop(run_base, None)
        self._latest[run_base] = tree
        if len(self._latest) > RUNS_LIMIT:
            del self._latest[next(iter(self._latest))]
        return PreparedTree(checkout, ())


def _expressible(store: GitStore, changes: tuple[FileChange, ...]) -> bool:
    if len(changes) > EDITS_LIMIT or any(GITLINK in (change.old_mode, change.new_mode) for change in changes):
        return False
    return sum(store.size(change.new_oid) for change in changes if change.new_mode) <= EDIT_BYTES_LIMIT


def edit(store: GitStore, change: FileChange) -> Edit:
    """What puts the new side of a change on top of the old."""
    if change.new_mode == 0:
        return Edit(change.path, None)
    contents = store.read_blob(change.new_oid, EDIT_BYTES_LIMIT)
    return Edit(
        change.path,
        contents,
        executable=bool(change.new_mode & 0o100),
        symlink=change.new_mode == SYMLINK,
    )
