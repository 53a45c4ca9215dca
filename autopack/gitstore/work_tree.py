"""Work trees of a user's repository: what is checked out, whether it is clean, and moving it along."""

from contextlib import suppress
from pathlib import Path

import pygit2
from pygit2.enums import CheckoutStrategy, FileStatus, RepositoryState

from autopack.errors import FailedPrecondition, Reason
from autopack.gitstore.libgit2 import common_directory, open_repository
from autopack.gitstore.pipes import refuse_pipes_in_work_tree
from autopack.gitstore.records import WorkTreeFile

_CHANGED_IGNORED = (FileStatus.CURRENT, FileStatus.IGNORED)


def checked_out(repository: pygit2.Repository, ref: str) -> Path | None:
    """The git directory of the work tree that has a branch in its hands, None if none has."""
    common = common_directory(repository)
    candidates = [] if _is_bare(common) else [common]
    candidates += sorted(common.glob("worktrees/*"))
    return next((directory for directory in candidates if ref in _branches(directory)), None)


def _branches(git_directory: Path) -> set[str]:
    """The branch that a work tree has checked out, and one that a rebase there will come back to."""
    found = set()
    for name in ("HEAD", "rebase-merge/head-name", "rebase-apply/head-name"):
        with suppress(OSError):
            found.add((git_directory / name).read_text(errors="replace").removeprefix("ref: ").strip())
    return found


def _is_bare(common: Path) -> bool:
    return open_repository(common).is_bare


def root(repository: pygit2.Repository) -> Path | None:
    """The directory of a repository's files, None if it has none of its own.

    Configuration can name any directory (`core.worktree`); it counts if its `.git` leads back here.
    """
    if repository.is_bare:
        return None
    place = Path(repository.workdir)
    link = place / ".git"
    try:
        if link.is_file():
            link = place / link.read_text().removeprefix("gitdir:").strip()
        return place if link.samefile(repository.path) else None
    except OSError:
        return None


def changed_paths(repository: pygit2.Repository) -> list[str]:
    """Files that are not as committed, untracked ones included, sorted."""
    directory = root(repository)
    if directory is None:
        return []
    refuse_pipes_in_work_tree(directory, repository.path_is_ignored)
    return sorted(path for path, status in repository.status().items() if status not in _CHANGED_IGNORED)


def file(repository: pygit2.Repository, head: str, path: str) -> WorkTreeFile | None:
    """A file of the repository's own work tree, where `head` is checked out; None without either."""
    directory = root(repository)
    if directory is None:
        return None
    try:
        status = repository.status_file(path)
    except KeyError:
        return None
    new = bool(status & (FileStatus.WT_NEW | FileStatus.INDEX_NEW | FileStatus.IGNORED))
    return WorkTreeFile(directory, head, tracked=not new, changed=status != FileStatus.CURRENT)


def refusal(ref: str, git_directory: Path, message: str, fix: str) -> FailedPrecondition:
    short = ref.removeprefix("refs/heads/")
    return FailedPrecondition(Reason("TARGET_CHECKED_OUT", f"{short} ({git_directory}): {message}", fix))


def move(git_directory: Path, ref: str, old: str, new: str) -> None:
    """Makes index and files of a work tree, clean at commit `old`, those of `new`; HEAD is the caller's.

    Untracked files may be there unless they are in the way. Raises FailedPrecondition
    `TARGET_CHECKED_OUT`, with nothing changed.
    """
    repository = open_repository(git_directory)
    fix = f"commit or stash, then: git merge --ff-only {new}"
    config = repository.config
    if repository.state() != RepositoryState.NONE:
        raise refusal(
            ref, git_directory, "a merge, rebase or the like is under way", "finish it, then " + fix
        )
    if "core.sparsecheckout" in config and config.get_bool("core.sparsecheckout"):
        raise refusal(ref, git_directory, "it is a sparse checkout", f"git merge --ff-only {new}")
    if root(repository) is None:
        raise refusal(ref, git_directory, "its files are in another place", f"git merge --ff-only {new}")
    if (git_directory / "index.lock").exists():
        raise refusal(ref, git_directory, "another git command runs in it", "wait for it, then " + fix)
    try:
        before, after = (repository[commit].peel(pygit2.Tree) for commit in (old, new))
        changed = [delta.new_file.path for delta in repository.diff().deltas]
        staged = [delta.new_file.path for delta in repository.index.diff_to_tree(before).deltas]
        if not changed and not list(repository.index.diff_to_tree(after).deltas):
            return  # moved before, by one who did not get to the branch
        if changed or staged:
            raise refusal(ref, git_directory, f"{(changed + staged)[0]} is not as committed", fix)
        strategy = CheckoutStrategy.SAFE | CheckoutStrategy.DONT_OVERWRITE_IGNORED
        repository.checkout_tree(after, strategy=strategy)  # type: ignore[no-untyped-call]  # pygit2 has no types
    except pygit2.GitError as error:
        raise refusal(ref, git_directory, str(error), fix) from None
