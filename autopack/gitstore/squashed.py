"""Whether a forge put a run's commits into one: their last tree is in the history then, and they are not."""

from itertools import islice

import pygit2

MOST = 10_000
"""Commits that are looked at, newest first."""


def has_tree(repository: pygit2.Repository, commit: str, since: str, tree: str) -> bool:
    """Whether a commit in the history of `commit`, and not in that of `since`, has this very tree."""
    if commit not in repository or since not in repository:
        return False
    walk = repository.walk(pygit2.Oid(hex=commit))
    walk.hide(pygit2.Oid(hex=since))
    try:
        return any(str(each.tree_id) == tree for each in islice(walk, MOST))
    except (KeyError, pygit2.GitError):
        return False  # history that was cut off tells nothing
