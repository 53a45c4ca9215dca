"""Compares, walks and edits trees; subtrees that are equal are never read."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from autopack.errors import InvalidInput, Reason, ResourceExhausted
from autopack.gitstore.objects import DIRECTORY, TREE_MODE, Entry, is_tree, serialize_tree

Leaf = tuple[int, bytes]
"""Mode and id of something that is no directory."""

MAXIMUM_DEPTH = 256
"""Directories below each other; git itself stops at 2048."""

ReadTree = Callable[[bytes], Sequence[Entry]]


@dataclass(frozen=True, slots=True)
class Difference:
    """One path whose leaf differs between two trees; None where it is absent."""

    path: bytes
    old: Leaf | None
    new: Leaf | None


def too_large(limit: int) -> ResourceExhausted:
    return ResourceExhausted(
        Reason("CHANGE_TOO_LARGE", f"more than {limit} entries", "split it into smaller changes")
    )


def difference(read: ReadTree, old: bytes | None, new: bytes | None, limit: int) -> list[Difference]:
    """Leaves that differ between two trees (None is the empty tree), sorted by path.

    Raises ResourceExhausted (`CHANGE_TOO_LARGE`) after `limit` paths or directories: a tree of a few
    objects can unfold to more files than any machine holds.
    """
    found: list[Difference] = []
    pending = [(b"", old, new)] if old != new else []
    visited = 0
    while pending:
        visited += 1
        prefix, old, new = pending.pop()
        before = set(read(old)) if old else set()
        after = set(read(new)) if new else set()
        removed = {entry[1]: entry for entry in before - after}
        added = {entry[1]: entry for entry in after - before}
        for name in removed.keys() | added.keys():
            path = prefix + name
            old_leaf, old_tree = _split(removed.get(name))
            new_leaf, new_tree = _split(added.get(name))
            if old_leaf != new_leaf:
                found.append(Difference(path, old_leaf, new_leaf))
            if old_tree != new_tree:
                pending.append((path + b"/", old_tree, new_tree))
        if len(found) > limit or visited > limit:
            raise too_large(limit)
    found.sort(key=lambda item: item.path)
    return found


def _split(entry: Entry | None) -> tuple[Leaf | None, bytes | None]:
    if entry is None:
        return None, None
    return (None, entry[2]) if is_tree(entry) else ((int(entry[0], 8), entry[2]), None)


def walk(read: ReadTree, root: bytes, prefix: bytes, limit: int) -> Iterator[tuple[bytes, Leaf]]:
    """Every leaf below `root`, sorted by path; `prefix` is put before each.

    Raises ResourceExhausted (`CHANGE_TOO_LARGE`) after `limit` entries.
    """
    pending: list[Iterator[tuple[bytes, Entry]]] = [iter([(prefix, (TREE_MODE, b"", root))])]
    count = 0
    while pending:
        step = next(pending[-1], None)
        if step is None:
            pending.pop()
            continue
        count += 1
        if count > limit:
            raise too_large(limit)
        path, entry = step
        if is_tree(entry):
            inside = path if not path or path.endswith(b"/") else path + b"/"
            pending.append(iter([(inside + child[1], child) for child in read(entry[2])]))
        else:
            yield path, (int(entry[0], 8), entry[2])


def find(read: ReadTree, root: bytes, path: bytes) -> tuple[int, bytes] | None:
    """Mode and id of what is at a path (a directory has mode 0o40000), None if there is nothing."""
    mode, oid = DIRECTORY, root
    for part in path.split(b"/"):
        if mode != DIRECTORY:
            return None
        entry = next((entry for entry in read(oid) if entry[1] == part), None)
        if entry is None:
            return None
        mode, oid = int(entry[0], 8), entry[2]
    return mode, oid


@dataclass(slots=True)
class _Directory:
    """Changes below one directory: what becomes of its leaves, and the directories in it."""

    leaves: dict[bytes, Leaf | None] = field(default_factory=dict)
    directories: "dict[bytes, _Directory]" = field(default_factory=dict)


def edit(
    read: ReadTree, write: Callable[[bytes], bytes], root: bytes | None, changes: Mapping[bytes, Leaf | None]
) -> bytes:
    """Writes the tree that `root` becomes when each path gets its leaf, or goes (None).

    Directories that become empty go too. Raises InvalidInput: `PATH_IS_DIRECTORY` for a leaf at a
    directory that keeps files, `PATH_TOO_DEEP`.
    """
    top = _Directory()
    for path, leaf in changes.items():
        *parents, name = path.split(b"/")
        if len(parents) > MAXIMUM_DEPTH:
            raise InvalidInput(
                Reason(
                    "PATH_TOO_DEEP",
                    f"more than {MAXIMUM_DEPTH} directories below each other",
                    "use a shorter path",
                    path=path.decode(errors="replace"),
                )
            )
        directory = top
        for parent in parents:
            directory = directory.directories.setdefault(parent, _Directory())
        directory.leaves[name] = leaf
    return _edit(read, write, root, top, b"") or write(b"")


def _edit(
    read: ReadTree, write: Callable[[bytes], bytes], root: bytes | None, changes: _Directory, prefix: bytes
) -> bytes | None:
    entries = {entry[1]: entry for entry in read(root)} if root else {}
    for name, leaf in changes.leaves.items():
        if leaf is None and name in entries and not is_tree(entries[name]):
            del entries[name]
    for name, below in changes.directories.items():
        old = entries.get(name)
        subtree = _edit(read, write, old[2] if old and is_tree(old) else None, below, prefix + name + b"/")
        if subtree is not None:
            entries[name] = (TREE_MODE, name, subtree)
        elif old is not None and is_tree(old):
            del entries[name]
    for name, leaf in changes.leaves.items():
        if leaf is not None:
            if name in entries and is_tree(entries[name]):
                raise InvalidInput(
                    Reason(
                        "PATH_IS_DIRECTORY",
                        "there is a directory of this name with files in it",
                        "delete its files in the same change, or choose another name",
                        path=(prefix + name).decode(errors="replace"),
                    )
                )
            entries[name] = (b"%o" % leaf[0], name, leaf[1])
    return write(serialize_tree(entries.values())) if entries else None
