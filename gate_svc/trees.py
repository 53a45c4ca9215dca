"""Puts trees where the sandbox can open them: a checkout that many trees share, and what differs from it."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from autopack.gitstore.checkouts import Checkouts
from autopack.gitstore.objects import GITLINK, SYMLINK
from autopack.gitstore.records import FileChange
from autopack.gitstore.store import GitStore
from autopack.gitstore.write_path import Edit

EDITS_LIMIT = 1000
EDIT_BYTES_LIMIT = 20_000_000
"""A tree that differs by more gets a checkout of its own."""


@dataclass(frozen=True, slots=True)
class PreparedTree:
    """A tree as a read-only checkout and what to put on top."""

    checkout: Path
    edits: tuple[Edit, ...]


class Trees:
    """Prepares trees."""

    def __init__(self, checkouts: Checkouts) -> None:
        self._checkouts = checkouts

    async def prepare(self, store: GitStore, over: str, tree: str) -> PreparedTree:
        """The tree on top of the checkout of `over`, the run's base, which all its candidates share."""
        return await asyncio.to_thread(self._prepare, store, over, tree)

    def _prepare(self, store: GitStore, over: str, tree: str) -> PreparedTree:
        changes = store.diff(over, tree)
        if len(changes) > EDITS_LIMIT or not _expressible(store, changes):
            return PreparedTree(self._checkouts.get(store, tree), ())
        return PreparedTree(
            self._checkouts.get(store, over), tuple(_edit(store, change) for change in changes)
        )


def _expressible(store: GitStore, changes: tuple[FileChange, ...]) -> bool:
    if any(GITLINK in (change.old_mode, change.new_mode) for change in changes):
        return False
    return sum(store.size(change.new_oid) for change in changes if change.new_mode) <= EDIT_BYTES_LIMIT


def _edit(store: GitStore, change: FileChange) -> Edit:
    if change.new_mode == 0:
        return Edit(change.path, None)
    contents = store.read_blob(change.new_oid, EDIT_BYTES_LIMIT)
    return Edit(
        change.path,
        contents,
        executable=bool(change.new_mode & 0o100),
        symlink=change.new_mode == SYMLINK,
    )
