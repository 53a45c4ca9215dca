"""Whether a landed tree has the effect of the change that was built: the proof that no merge dropped any."""

from autopack.gitstore import trees
from autopack.gitstore.objects import DIRECTORY
from autopack.gitstore.records import to_path
from autopack.gitstore.store import MAXIMUM_ENTRIES, GitStore

MERGED_BYTES = 200_000_000
"""Of a file that git has merged."""


def missing_effects(store: GitStore, base: str, change: str, parent: str, landed: str) -> tuple[str, ...]:
    """Paths of the change `base`..`change` whose effect `landed`, on top of `parent`, has not; sorted.

    Ids of commits or trees. What nobody else has touched since `base` must be as it was built. What
    `parent` has changed too was merged: it must differ from `parent`, unless that has the same already,
    and have every line that the change adds.
    """
    built, new = store.tree(change), store.tree(landed)
    old, before = store.tree(base), store.tree(parent)
    missing = []
    for item in trees.difference(store.read_tree, old, built, MAXIMUM_ENTRIES):
        after = trees.find(store.read_tree, new, item.path)
        ours = trees.find(store.read_tree, before, item.path)
        if after == item.new:
            continue
        # What the parent has left as it was must have landed as it was built.
        if ours == item.old or not _has_lines(store, item, after):
            missing.append(to_path(item.path))
    return tuple(missing)


def _has_lines(store: GitStore, item: trees.Difference, after: trees.Leaf | None) -> bool:
    """Whether a merged file has each line that the change added, at least as often as it added it."""
    if item.old is None or item.new is None or after is None or after[0] == DIRECTORY:
        return False
    old, new, found = (_lines(store, leaf) for leaf in (item.old, item.new, after))
    added = {line: count - old.get(line, 0) for line, count in new.items()}
    return all(found.get(line, 0) >= count for line, count in added.items() if count > 0)


def _lines(store: GitStore, leaf: trees.Leaf) -> dict[bytes, int]:
    counts: dict[bytes, int] = {}
    for line in store.read_blob(leaf[1].hex(), MERGED_BYTES).splitlines():
        counts[line] = counts.get(line, 0) + 1
    return counts
