"""The policy of a commit."""

from typing import Protocol

from autopack.errors import InvalidInput
from autopack.policy import document
from autopack.policy.policy import DEFAULT_POLICY, POLICY_FILE, Policy, load_policy


class Store(Protocol):
    """What is asked of a repository; `autopack.gitstore.store.GitStore` answers it."""

    def read(self, treeish: str, path: str, limit: int = ..., /) -> bytes | None: ...


def policy_at(store: Store, commit: str) -> Policy:
    """From autopack.yaml at that commit, or the defaults where it has none.

    Raises InvalidInput with every reason why the file is no policy; blocks on the disk.
    """
    data = store.read(commit, POLICY_FILE, document.MAXIMUM_BYTES)
    if data is None:
        return DEFAULT_POLICY
    return load_policy(document.decode(data, POLICY_FILE, "POLICY"))


def has_policy(store: Store, commit: str) -> bool:
    """Whether the commit has an autopack.yaml, readable or not."""
    try:
        return store.read(commit, POLICY_FILE, document.MAXIMUM_BYTES) is not None
    except InvalidInput:
        return True
