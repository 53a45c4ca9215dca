"""A store to try changes out in: what is written to it is seen by its own reader alone, and never kept."""

from autopack.gitstore.libgit2 import open_repository
from autopack.gitstore.pack_format import object_id
from autopack.gitstore.store import GitStore


class TrialStore(GitStore):
    """Reads another store's objects; trees and blobs that are written stay in memory."""

    def __init__(self, store: GitStore) -> None:
        super().__init__(open_repository(store.path), store.path)
        self._written: dict[bytes, tuple[int, bytes]] = {}

    def write_object(self, kind: int, data: bytes) -> bytes:
        oid = object_id(int(kind), data)
        self._written[oid] = (kind, data)
        return oid

    def read_object(self, oid: bytes) -> tuple[int, bytes]:
        return self._written.get(oid) or super().read_object(oid)

    def size(self, oid: str) -> int:
        found = self._written.get(bytes.fromhex(oid))
        return super().size(oid) if found is None else len(found[1])

    def tree(self, treeish: str) -> bytes:
        """As in `GitStore`; commits are never written here."""
        oid = bytes.fromhex(treeish)
        return oid if oid in self._written else super().tree(treeish)
