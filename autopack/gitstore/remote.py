"""Where a project's commits come from and go to: a repository on this machine or at a URL."""

from collections.abc import Sequence
from typing import Protocol

from autopack.gitstore.local_remote import LocalRemote
from autopack.gitstore.records import Revision, WorkTreeFile
from autopack.gitstore.refs import Update
from autopack.gitstore.store import GitStore
from autopack.gitstore.url_remote import UrlRemote

__all__ = ["LocalRemote", "Remote", "Revision", "UrlRemote", "WorkTreeFile"]


class Remote(Protocol):
    """All methods block, and may be called from any thread."""

    @property
    def identity(self) -> str:
        """The same for every way to name the same repository; holds no secret."""

    def resolve(self, revision: str) -> Revision | None:
        """What a revision stands for at present, None if there is no such thing.

        Raises InvalidInput `REPOSITORY_EMPTY`, `REVISION_AMBIGUOUS`, `REVISION_NOT_A_COMMIT`,
        `SHALLOW_REPOSITORY`.
        """

    def fetch(self, store: GitStore, commits: Sequence[str]) -> None:
        """Brings commits with their trees, but not necessarily their history, into the store.

        Raises FailedPrecondition `BASE_NOT_ON_REMOTE`, InvalidInput `REPOSITORY_INCOMPLETE`, `PACK_INVALID`.
        """

    def bring_refs(self, store: GitStore, refs: Sequence[str], depth: int) -> dict[str, str]:
        """Brings what refs are at into the store, with `depth` commits of history; ids of those there are."""

    def work_tree_file(self, path: str) -> WorkTreeFile | None:
        """A file of the work tree at the remote; None without a work tree or without the file."""

    def contains(self, store: GitStore, commit: str, earlier: str) -> bool:
        """Whether `earlier` is `commit` or in its history, as the remote knows it; False for unknown ones.

        What must be fetched to tell goes into the store.
        """

    def squashed(self, store: GitStore, commit: str, since: str, tree: str) -> bool:
        """Whether a commit between `since` and `commit` has this very tree; to be asked after `contains`."""

    def push(self, store: GitStore, ref: str, new: str, expected_old: str) -> None:
        """Moves a ref from `expected_old` ("": it must not exist) to `new`; nothing to do if it is there.

        "" for `new` removes it.

        Raises FailedPrecondition `REF_MOVED`, `PUSH_REFUSED`, `TARGET_CHECKED_OUT`.
        """

    def push_all(self, store: GitStore, updates: Sequence[Update]) -> None:
        """Like `push` for several refs, all or none."""

    def move_branch(self, store: GitStore, branch: str, new: str, expected_old: str) -> None:
        """Like `push` for a branch that may be checked out: a clean work tree moves with it.

        Raises what `push` raises, and FailedPrecondition `NOT_FAST_FORWARD`; `TARGET_CHECKED_OUT` only
        if the work tree is not clean.
        """
