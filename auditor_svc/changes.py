"""Reads a change from the object store: only blobs that it touches, and none that is too large."""

from collections.abc import Iterable
from pathlib import PurePosixPath

from auditor_svc.domain.change import Change, ChangedFile
from auditor_svc.domain.findings import Unread
from auditor_svc.domain.renames import find_renames
from autopack.gitstore.records import FileChange
from autopack.gitstore.store import GitStore

MAXIMUM_FILE_BYTES = 2_000_000
"""Larger than any source that people write, small enough to parse in seconds."""
MAXIMUM_CHANGE_BYTES = 64_000_000
"""Of all versions that are read; they are held in memory at once."""
MAXIMUM_RENAME_SOURCES = 200
"""Removed files that are read to find renames."""
_REGULAR = 0o100000


def read_change(store: GitStore, base: str, head: str) -> Change:
    """The files that the head writes, with what they were in the base. Blocks on the disk.

    Links and submodules have no text of their own; whether they may land is the gate's business.
    """
    changes = store.diff(base, head)
    written = [change for change in changes if _is_file(change.new_mode) and change.new_oid != change.old_oid]
    reader = _Reader(store)
    new = {change.path: reader.read(change.new_oid) for change in written}
    old = {
        change.path: reader.read(change.old_oid) if _is_file(change.old_mode) else None for change in written
    }
    added = {
        change.path: data
        for change in written
        if not change.old_mode and (data := new[change.path]) is not None
    }
    removed = _removed(reader, changes) if added else {}
    renames = find_renames(removed, added)
    files, unread = [], []
    for change in written:
        path = change.path
        contents = new[path]
        if contents is None:
            unread.append(_too_large(path, store.size(change.new_oid)))
        elif path in renames:
            files.append(ChangedFile(path, contents, renames[path], removed[renames[path]]))
        else:
            files.append(ChangedFile(path, contents, path if change.old_mode else "", old[path]))
    return Change(base, head, tuple(files), tuple(unread))


def changed_paths(store: GitStore, base: str, head: str) -> tuple[str, ...]:
    """Every path that differs, also of what is removed, linked or a submodule."""
    return tuple(change.path for change in store.diff(base, head))


class _Reader:
    """Reads blobs until the change is too large."""

    def __init__(self, store: GitStore) -> None:
        self._store = store
        self._left = MAXIMUM_CHANGE_BYTES

    def read(self, oid: str) -> bytes | None:
        size = self._store.size(oid)
        if size > MAXIMUM_FILE_BYTES or size > self._left:
            return None
        self._left -= size
        return self._store.read_blob(oid, MAXIMUM_FILE_BYTES)


def _removed(reader: _Reader, changes: Iterable[FileChange]) -> dict[str, bytes]:
    gone = [change for change in changes if _is_file(change.old_mode) and not change.new_mode]
    gone.sort(key=lambda change: (PurePosixPath(change.path).suffix != ".py", change.path))
    found = {change.path: reader.read(change.old_oid) for change in gone[:MAXIMUM_RENAME_SOURCES]}
    return {path: data for path, data in found.items() if data is not None}


def _is_file(mode: int) -> bool:
    return mode & 0o170000 == _REGULAR


def _too_large(path: str, size: int) -> Unread:
    return Unread(
        path,
        "FILE_TOO_LARGE_TO_AUDIT",
        f"{size} bytes: files over {MAXIMUM_FILE_BYTES} bytes, and changes over {MAXIMUM_CHANGE_BYTES}, "
        "are not audited",
    )
