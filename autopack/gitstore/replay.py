"""Puts a change on top of another commit."""

from collections.abc import Iterable, Set
from dataclasses import dataclass

from autopack.errors import Reason, Unavailable
from autopack.gitstore import trees
from autopack.gitstore.command import GitFailed, run_git
from autopack.gitstore.disk import reporting_full_disk
from autopack.gitstore.records import Signature, to_path
from autopack.gitstore.store import MAXIMUM_ENTRIES, GitStore

_NOBODY = Signature("autopack", "autopack@localhost", 0)


@dataclass(frozen=True, slots=True)
class Replayed:
    """The tree that came out, or None and the paths in conflict."""

    tree: str | None
    conflicts: tuple[str, ...] = ()


def replay(store: GitStore, base: str, head: str, onto: str) -> Replayed:
    """The change from `base` to `head` on top of `onto`; ids of commits or trees.

    Where nothing that the change touches differs between `base` and `onto`, its files are put in place
    (0.2 ms, at any size of the repository); else git merges.
    """
    base_tree, head_tree, onto_tree = (store.tree(treeish) for treeish in (base, head, onto))
    if base_tree == onto_tree:
        return Replayed(head_tree.hex())
    ours = trees.difference(store.read_tree, base_tree, head_tree, MAXIMUM_ENTRIES)
    theirs = trees.difference(store.read_tree, base_tree, onto_tree, MAXIMUM_ENTRIES)
    if _overlap({item.path for item in ours}, {item.path for item in theirs}):
        return _merge(store, base_tree.hex(), head_tree.hex(), onto_tree.hex())
    changes = {item.path: item.new for item in ours}
    return Replayed(trees.edit(store.read_tree, store.write_tree, onto_tree, changes).hex())


def _overlap(ours: Set[bytes], theirs: Set[bytes]) -> bool:
    """Whether both sides touch a path, or one a file where the other needs a directory."""
    return bool(ours & theirs or ours & set(_directories(theirs)) or theirs & set(_directories(ours)))


def _directories(paths: Iterable[bytes]) -> Iterable[bytes]:
    for path in paths:
        while b"/" in path:
            path = path[: path.rindex(b"/")]
            yield path


def _merge(store: GitStore, base: str, head: str, onto: str) -> Replayed:
    """A merge by git, between two commits that are made for it: the real ones may have other histories."""
    root = store.commit(tree=base, parents=(), message="base", author=_NOBODY)
    ours = store.commit(tree=onto, parents=(root,), message="onto", author=_NOBODY)
    theirs = store.commit(tree=head, parents=(root,), message="head", author=_NOBODY)
    # Told about moved directories, git would put files elsewhere than the change says.
    command = "-c merge.directoryRenames=false merge-tree --write-tree -z --name-only --no-messages"
    arguments = [*command.split(), "--end-of-options", ours, theirs]
    try:
        with reporting_full_disk():
            output = run_git(arguments, git_dir=store.path, statuses=(0, 1))
    except GitFailed as error:
        fix = "git 2.38 or newer is needed: git --version"
        raise Unavailable(Reason("GIT_FAILED", f"git could not merge: {error.message}", fix)) from None
    tree, *conflicts = output.rstrip(b"\0").split(b"\0")
    if conflicts:
        return Replayed(None, tuple(to_path(path) for path in conflicts))
    return Replayed(tree.decode())
