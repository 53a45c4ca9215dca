"""Whether a landed tree has the effect of the change that was built: the proof that no merge dropped any."""

from collections.abc import Iterator, Sequence, Set

from autopack.gitstore import trees
from autopack.gitstore.objects import EXECUTABLE, REGULAR
from autopack.gitstore.records import to_path
from autopack.gitstore.store import MAXIMUM_ENTRIES, GitStore
from autopack.gitstore.trees import Difference, Leaf

MERGED_BYTES = 200_000_000
"""Of a file that git has merged."""

_Merge = tuple[Leaf, Leaf, Leaf, Leaf, bytes]
"""A file at the base, as it was built, before and after it landed, and the path at which others had it."""


def missing_effects(store: GitStore, base: str, change: str, parent: str, landed: str) -> tuple[str, ...]:
    """Paths at which `landed`, on top of `parent`, has not what the change `base`..`change` does; sorted.

    Ids of commits or trees. What nobody else has touched since `base` must be as it was built, and nothing
    but what was built may differ from `parent`. What `parent` has changed too was merged, at the place to
    which either side has moved it: there each line must have come and gone as in the change.
    """
    built, new = store.tree(change), store.tree(landed)
    old, before = store.tree(base), store.tree(parent)
    items = trees.difference(store.read_tree, old, built, MAXIMUM_ENTRIES)
    changed = {item.path for item in trees.difference(store.read_tree, before, new, MAXIMUM_ENTRIES)}
    strays = changed - {item.path for item in items}
    missing = []
    moved: set[bytes] = set()
    for item in items:
        ours, after = (trees.find(store.read_tree, tree, item.path) for tree in (before, new))
        if after == item.new and ours in (item.old, item.new):
            continue
        for *leaves, place in _merges(store, before, new, item, items, strays):
            if _is_merged(store, *leaves):
                moved.add(place)
                break
        else:
            missing.append(item.path)
    return tuple(to_path(path) for path in sorted({*missing, *strays} - moved))


def _merges(
    store: GitStore,
    before: bytes,
    new: bytes,
    item: Difference,
    items: Sequence[Difference],
    strays: Set[bytes],
) -> Iterator[_Merge]:
    """What git may have merged so that the item's path is not as it was built."""

    def both(path: bytes) -> tuple[Leaf | None, Leaf | None]:
        return trees.find(store.read_tree, before, path), trees.find(store.read_tree, new, path)

    ours, after = both(item.path)
    if item.new is None:
        return
    if item.old is None:  # moved there by the change
        for gone in items:
            if gone.new is None and gone.old is not None and after is not None:
                left = both(gone.path)[0] or ours
                if left is not None:
                    yield gone.old, item.new, left, after, gone.path
    elif ours is None:  # moved away by the parent
        for path in sorted(strays):
            there, then = both(path)
            if there is not None and then is not None:
                yield item.old, item.new, there, then, path
    elif after is not None:
        yield item.old, item.new, ours, after, item.path


def _is_merged(store: GitStore, old: Leaf, new: Leaf, ours: Leaf, after: Leaf) -> bool:
    """Whether `after` is what the change from `old` to `new` makes of `ours`."""
    if any(mode not in (REGULAR, EXECUTABLE) for mode, _ in (old, new, ours, after)):
        return False
    if after[0] != (new[0] if new[0] != old[0] else ours[0]):
        return False
    if ours == old:  # nobody else has touched it
        return after == new
    texts = [store.read_blob(oid.hex(), MERGED_BYTES) for _, oid in (old, new, ours, after)]
    if store.merge_blobs(*(oid.hex() for _, oid in (old, ours, new))) == texts[-1]:
        return True
    # Libraries differ in how they align lines; what they add and take away, they do not differ in.
    return after != ours and _adds_up(*(_lines(text) for text in texts))


def _adds_up(
    old: dict[bytes, int], new: dict[bytes, int], ours: dict[bytes, int], after: dict[bytes, int]
) -> bool:
    for line in {*old, *new, *ours, *after}:
        was, before = old.get(line, 0), ours.get(line, 0)
        wanted, others, found = new.get(line, 0) - was, before - was, after.get(line, 0) - before
        # Where both have made the same change it is made once.
        once = wanted * others > 0 and min(0, wanted) <= found <= max(0, wanted)
        if found != wanted and not once:
            return False
    return True


def _lines(data: bytes) -> dict[bytes, int]:
    counts: dict[bytes, int] = {}
    for line in data.splitlines():
        counts[line] = counts.get(line, 0) + 1
    return counts
