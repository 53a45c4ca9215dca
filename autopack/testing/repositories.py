"""Makes trees and commits from plain mappings, for tests."""

from collections.abc import Mapping

from autopack.gitstore import trees
from autopack.gitstore.records import Signature, from_path
from autopack.gitstore.store import GitStore

Files = Mapping[str, bytes | tuple[int, bytes]]
"""Path to contents, or to mode and contents (of a submodule: its commit's raw id)."""

AUTHOR = Signature("Ada", "ada@example.org", 1_700_000_000)


def make_tree(store: GitStore, files: Files) -> str:
    """Writes a tree of exactly these files and returns its id."""
    changes: dict[bytes, trees.Leaf | None] = {}
    for path, item in files.items():
        mode, data = item if isinstance(item, tuple) else (0o100644, item)
        oid = data if mode == 0o160000 else bytes.fromhex(store.write_blob(data))
        changes[from_path(path)] = (mode, oid)
    return trees.edit(store.read_tree, store.write_tree, None, changes).hex()


def make_commit(store: GitStore, files: Files, *parents: str, message: str = "change") -> str:
    """Writes a commit of exactly these files and returns its id."""
    return store.commit(tree=make_tree(store, files), parents=parents, message=message, author=AUTHOR)
