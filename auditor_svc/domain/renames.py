"""Finds which removed file an added one was, by content: what moved with it is not new."""

from collections import Counter
from collections.abc import Mapping

_SIMILAR = 0.5
"""Share of lines in common from which git too speaks of a rename."""
_MOST_FILES = 100
"""Removed or added files beyond which pairs are no longer compared: 10,000 comparisons."""
_MOST_BYTES = 256_000
"""Size beyond which only identical contents are recognised."""


def find_renames(removed: Mapping[str, bytes], added: Mapping[str, bytes]) -> dict[str, str]:
    """The removed path of each added one that has one: identical contents first, then the most
    similar, each removed file once.
    """
    renames: dict[str, str] = {}
    by_contents: dict[bytes, list[str]] = {}
    for path in sorted(removed, reverse=True):
        by_contents.setdefault(removed[path], []).append(path)
    for path in sorted(added):
        if added[path] and by_contents.get(added[path]):
            renames[path] = by_contents[added[path]].pop()
    left = {path: _lines(removed[path]) for path in _comparable(removed) if path not in renames.values()}
    right = {path: _lines(added[path]) for path in _comparable(added) if path not in renames}
    if len(left) > _MOST_FILES or len(right) > _MOST_FILES:
        return renames
    scores = sorted(
        (-_similarity(old, new), new_path, old_path)
        for old_path, old in left.items()
        for new_path, new in right.items()
    )
    taken: set[str] = set()
    for score, new_path, old_path in scores:
        if -score >= _SIMILAR and new_path not in renames and old_path not in taken:
            renames[new_path] = old_path
            taken.add(old_path)
    return renames


def _comparable(files: Mapping[str, bytes]) -> list[str]:
    return [path for path, contents in files.items() if 0 < len(contents) <= _MOST_BYTES]


def _lines(contents: bytes) -> Counter[bytes]:
    return Counter(line.strip() for line in contents.splitlines() if line.strip())


def _similarity(old: Counter[bytes], new: Counter[bytes]) -> float:
    most = max(old.total(), new.total())
    return (old & new).total() / most if most else 0.0
