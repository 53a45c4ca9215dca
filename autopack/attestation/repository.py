"""A clone that nobody trusts: opened without its configuration, and what a revision in it stands for."""

from dataclasses import dataclass
from pathlib import Path

import pygit2

from autopack.attestation.storage import RUN_FILE, RUN_REFS, read_file
from autopack.attestation.trailers import read_trailers
from autopack.attestation.verification import Verifier, run_statement
from autopack.errors import AutopackError, InvalidInput, NotFound, Reason
from autopack.gitstore.libgit2 import common_directory, open_repository
from autopack.gitstore.pipes import refuse_pipes
from autopack.gitstore.revisions import refuse_ambiguous, refuse_several
from autopack.gitstore.store import GitStore
from autopack.policy.run_ids import is_run_id
from autopack.signing.document import field as member


@dataclass(frozen=True, slots=True)
class Clone:
    """A repository that is only read, in process: no hook, filter or helper of it can run."""

    store: GitStore
    repository: pygit2.Repository


@dataclass(frozen=True, slots=True)
class Asked:
    """The commits after `base` up to `head`."""

    base: str
    head: str
    run_id: str = ""
    """Where the whole of a run was asked for."""
    fault: Reason | None = None
    """Why it is not known where that run began and ended: what was signed of it does not hold."""


def open_clone(directory: Path) -> Clone:
    """The repository that a directory is, or is in.

    Raises InvalidInput: `NOT_A_REPOSITORY`, `REPOSITORY_UNSUPPORTED`, `ALTERNATES_REFUSED`,
    `PIPE_IN_REPOSITORY`.
    """
    path = str(directory.absolute())
    refuse_pipes(directory.absolute())
    try:
        found = pygit2.discover_repository(path) if directory.is_dir() else None
        if found is None:
            raise InvalidInput(
                Reason("NOT_A_REPOSITORY", f"{path} is not in a git repository", "give --repo DIR")
            )
        repository = open_repository(Path(found))
    except pygit2.GitError as error:
        raise InvalidInput(Reason("REPOSITORY_UNSUPPORTED", str(error), "clone it anew")) from None
    common = common_directory(repository)
    if (common / "objects" / "info" / "alternates").exists():
        fix = "clone it without --shared and --reference: git repack -a -d, then remove the file"
        what = "its objects are partly in directories that it names, and none is read but its own"
        raise InvalidInput(Reason("ALTERNATES_REFUSED", what, fix))
    return Clone(GitStore(repository, Path(found)), repository)


def resolve(clone: Clone, verifier: Verifier, target: str) -> Asked:
    """What `A..B`, a run's id or a revision stands for.

    A run is everything from its base to the head that was signed; a revision everything from the base
    of the run that landed it. Raises NotFound `REVISION_NOT_FOUND`, InvalidInput `REVISION_AMBIGUOUS`, and
    what verification raises.
    """
    first, dots, last = target.partition("..")
    if dots:
        return Asked(_commit(clone, first or "HEAD"), _commit(clone, last or "HEAD"))
    run_id = target.removeprefix(RUN_REFS)
    if is_run_id(run_id) and read_file(clone.store, run_id, RUN_FILE) is not None:
        try:
            predicate, head = run_statement(clone.store, verifier.trust, run_id)
        except AutopackError as error:
            return Asked("", "", run_id, error.reasons[0])
        if run_id == target:
            _refuse_other(clone, run_id, head)
        return Asked(member(member(predicate, "run", dict, RUN_FILE), "base", str, RUN_FILE), head, run_id)
    commit = _commit(clone, target or "HEAD")
    parents = clone.store.parents(commit)
    if read_trailers(clone.store.message(commit)) is None or not parents:
        return Asked(parents[0] if parents else "", commit)
    try:
        return Asked(verifier.accepted(commit).run_base, commit)
    except AutopackError:
        return Asked(parents[0], commit)  # the line of this commit says what does not hold


def _refuse_other(clone: Clone, run_id: str, head: str) -> None:
    """Refuses a run that is called like something else: `verify main` must not mean a run of that name."""
    try:
        other = _commit(clone, run_id)
    except NotFound:
        return
    refuse_several(run_id, [(RUN_REFS + run_id, head), (f"a revision, refs/heads/{run_id} perhaps", other)])


def _commit(clone: Clone, revision: str) -> str:
    refuse_ambiguous(clone.repository, revision)
    try:
        return str(clone.repository.revparse_single(revision).peel(pygit2.Commit).id)
    except (KeyError, ValueError, pygit2.GitError):
        fix = "name a commit, a branch, A..B, or a run whose attestations the clone has"
        raise NotFound(
            Reason("REVISION_NOT_FOUND", f"the repository has no revision {revision[:200]!r}", fix)
        ) from None
