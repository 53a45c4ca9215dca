"""A repository on this machine, whoever owns it: read and written in process, so that nothing of it runs."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pygit2
from pygit2.enums import ObjectType

from autopack.errors import FailedPrecondition, InvalidInput, NotFound, Reason
from autopack.gitstore import refs, work_tree
from autopack.gitstore.disk import reporting_full_disk
from autopack.gitstore.libgit2 import common_directory, open_repository
from autopack.gitstore.packs import add_commits, copy_commits
from autopack.gitstore.pipes import refuse_pipes
from autopack.gitstore.records import Revision, WorkTreeFile
from autopack.gitstore.revisions import refuse_ambiguous
from autopack.gitstore.squashed import has_tree
from autopack.gitstore.store import GitStore


class LocalRemote:
    """A repository that a directory is, or is in; bare ones, work trees and shallow clones too.

    Of a shallow clone the commits themselves are whole, which is all that a run needs. Its hooks and filters
    are not run, and replaced objects are seen as they were; submodules and LFS pointers stay what they are.
    """

    def __init__(self, path: Path) -> None:
        """Raises InvalidInput `NOT_A_REPOSITORY`, `OBJECT_FORMAT_UNSUPPORTED`, `REPOSITORY_UNSUPPORTED`,
        `PIPE_IN_REPOSITORY`."""
        self._path = path
        refuse_pipes(path.absolute())
        found = pygit2.discover_repository(str(path)) if path.is_dir() else None
        if found is None:
            raise InvalidInput(
                Reason(
                    "NOT_A_REPOSITORY",
                    f"{path} is not in a git repository",
                    "name a repository's directory, or make one: git init, git add, git commit",
                    path=str(path),
                )
            )
        self._git_directory = Path(found)
        common = common_directory(self._open()).resolve()
        self.identity = str(common.parent if common.name == ".git" else common)

    def _open(self) -> pygit2.Repository:
        try:
            repository = open_repository(self._git_directory)
        except pygit2.GitError as error:
            raise _unusable(self._path, str(error)) from None
        # The name that reflogs get; libgit2 would else look for the user's.
        repository.set_ident("autopack", "autopack@localhost")
        return repository

    def _source(self, repository: pygit2.Repository) -> GitStore:
        return GitStore(repository, self._git_directory)

    def resolve(self, revision: str) -> Revision | None:
        """See `Remote`; a dirty work tree is a notice where the checked-out branch is named."""
        repository = self._open()
        if repository.head_is_unborn and not any(True for _ in repository.references):
            raise InvalidInput(
                Reason("REPOSITORY_EMPTY", f"{self._path} has no commit", "commit first: git add, git commit")
            )
        if not revision or not revision.isprintable() or len(revision) > 1000:
            return None
        refuse_ambiguous(repository, revision)
        try:
            found, reference = repository.revparse_ext(revision)
        except pygit2.AmbiguousError:
            raise InvalidInput(
                Reason("REVISION_AMBIGUOUS", f"{revision!r} is the start of several ids", "give more digits")
            ) from None
        except (KeyError, ValueError, pygit2.GitError):
            self._refuse_cut_history(repository, revision)
            return None
        try:
            commit = str(found.peel(ObjectType.COMMIT).id)
        except (ValueError, pygit2.GitError):
            raise InvalidInput(
                Reason("REVISION_NOT_A_COMMIT", f"{revision!r} names a tree or file", "name a commit")
            ) from None
        name = reference.name if reference is not None else ""
        branch = name if name.startswith("refs/heads/") else ""
        return Revision(commit, branch, lambda: self._notices(commit))

    def _refuse_cut_history(self, repository: pygit2.Repository, revision: str) -> None:
        if repository.is_shallow and re.search(r"[~^@]|^[0-9a-f]{7,40}$", revision):
            raise InvalidInput(
                Reason(
                    "SHALLOW_REPOSITORY",
                    f"{revision!r} may be in the history that this clone lacks",
                    "git fetch --unshallow",
                    path=str(self._path),
                )
            )

    def _notices(self, commit: str) -> tuple[Reason, ...]:
        repository = self._open()
        at_commit = not repository.head_is_unborn and str(repository.head.target) == commit
        changed = work_tree.changed_paths(repository) if at_commit else []
        if changed:
            found = f"not as committed: {_shown(changed)}; only commits count"
            fix = "commit them if the run needs them"
            return (Reason("DIRTY_WORK_TREE", found, fix, path=changed[0]),)
        return ()

    def fetch(self, store: GitStore, commits: Sequence[str]) -> None:
        """See `Remote`."""
        try:
            copy_commits(self._source(self._open()), store, commits)
        except NotFound as error:
            raise InvalidInput(
                Reason(
                    "REPOSITORY_INCOMPLETE",
                    f"the repository lacks what its commits need: {error.reasons[0].message}",
                    "git fsck shows what; of a partial clone: git fetch --refetch --no-filter",
                    path=str(self._path),
                )
            ) from None

    def bring_refs(self, store: GitStore, refs: Sequence[str], depth: int) -> dict[str, str]:
        """See `Remote`."""
        source = self._source(self._open())
        found = {ref: oid for ref in refs if (oid := source.resolve(ref))}
        for oid in found.values():
            if not store.has(oid):
                copy_commits(source, store, list(_first_parents(source, oid, depth)))
        return found

    def work_tree_file(self, path: str) -> WorkTreeFile | None:
        """See `Remote`."""
        repository = self._open()
        head = "" if repository.head_is_unborn else str(repository.head.target)
        return work_tree.file(repository, head, path)

    def contains(self, store: GitStore, commit: str, earlier: str) -> bool:
        """See `Remote`."""
        repository = self._open()
        if commit not in repository or earlier not in repository:
            return False
        return commit == earlier or repository.descendant_of(commit, earlier)

    def squashed(self, store: GitStore, commit: str, since: str, tree: str) -> bool:
        """See `Remote`."""
        return has_tree(self._open(), commit, since, tree)

    def push(self, store: GitStore, ref: str, new: str, expected_old: str) -> None:
        """See `Remote`."""
        self.push_all(store, [(ref, new, expected_old)])

    @reporting_full_disk()
    def push_all(self, store: GitStore, updates: Sequence[refs.Update]) -> None:
        """See `Remote`."""
        repository = self._open()
        target = self._source(repository)
        moving = [update for update in updates if (target.resolve(update[0]) or "") != update[1]]
        for ref, new, _ in moving:
            if (checked_out := work_tree.checked_out(repository, ref)) is not None:
                raise work_tree.refusal(ref, checked_out, "it is checked out", "check out another branch")
            if new:
                add_commits(store, target, _history(store, target, new))
        if moving:
            refs.update_refs(repository, moving)

    def move_branch(self, store: GitStore, branch: str, new: str, expected_old: str) -> None:
        """See `Remote`."""
        if expected_old and expected_old != new and not store.is_ancestor(expected_old, new):
            raise FailedPrecondition(
                Reason("NOT_FAST_FORWARD", f"{new} does not come after {expected_old}", "start a new run")
            )
        self._move_checked_out(store, branch, new, expected_old)

    @reporting_full_disk()
    def _move_checked_out(self, store: GitStore, branch: str, new: str, expected_old: str) -> None:
        repository = self._open()
        target = self._source(repository)
        if target.resolve(branch) == new:
            return
        checked_out = work_tree.checked_out(repository, branch)
        add_commits(store, target, _history(store, target, new))
        with refs.locked(repository, [(branch, new, expected_old)]):
            if checked_out is not None:
                work_tree.move(checked_out, branch, expected_old, new)


def _first_parents(source: GitStore, commit: str, count: int) -> Iterator[str]:
    """The commit and those before it, as far as the repository has them; of merges, the first parents."""
    yield commit
    before = source.parents(commit)[:1]
    if count > 1 and before and source.has(before[0]):
        yield from _first_parents(source, before[0], count - 1)


def _history(store: GitStore, target: GitStore, new: str) -> list[str]:
    """Commits that lead to `new` and are not in the target, oldest first. Raises NotFound."""
    found: dict[str, None] = {}
    pending = [new]
    while pending:
        commit = pending.pop()
        if commit not in found and not target.has(commit):
            found[commit] = None
            pending += store.parents(commit)
    return list(reversed(found))


def _shown(paths: Sequence[str]) -> str:
    return paths[0] if len(paths) == 1 else f"{len(paths)} files, {paths[0]} among them"


def _unusable(path: Path, message: str) -> InvalidInput:
    if "object format" in message or "objectformat" in message:
        fix = "use a repository with SHA-1 ids: git init --object-format=sha1"
        return InvalidInput(Reason("OBJECT_FORMAT_UNSUPPORTED", message, fix, path=str(path)))
    fix = "clone it anew with git's default format"
    return InvalidInput(Reason("REPOSITORY_UNSUPPORTED", message, fix, path=str(path)))
