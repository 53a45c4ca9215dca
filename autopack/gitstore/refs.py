"""Moves refs in one transaction with compare-and-swap, under the locks that the git binary honours too.

In process it takes 0.1 ms, by `git update-ref --stdin` 2 ms; a power cut can part two refs in either."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pygit2

from autopack.errors import FailedPrecondition, InvalidInput, Reason
from autopack.gitstore.abandoned_locks import remove_abandoned
from autopack.gitstore.libgit2 import common_directory

LOCK_SECONDS = 1.0
"""For another process to move the same ref."""
LOCK_PAUSE_SECONDS = 0.02

Update = tuple[str, str, str]
"""Full ref name, new id ("" deletes), expected old id ("" must not exist)."""


def update_refs(repository: pygit2.Repository, updates: Sequence[Update]) -> None:
    """All or none. Raises FailedPrecondition `REF_MOVED`, InvalidInput `REF_INVALID`."""
    with locked(repository, updates):
        pass


@contextmanager
def locked(repository: pygit2.Repository, updates: Sequence[Update]) -> Iterator[None]:
    """Moves refs as the context ends, unless it fails; within it they are as expected and nobody moves them.

    Raises FailedPrecondition `REF_MOVED`, InvalidInput `REF_INVALID`.
    """
    for ref, _, _ in updates:
        # Locking lets through names such as "a..b" and writes a ref that git cannot read.
        if not ref.startswith("refs/") or not pygit2.reference_is_valid_name(ref):
            raise InvalidInput(Reason("REF_INVALID", f"{ref!r} is no full ref name", "choose another name"))
    with repository.transaction() as transaction:
        for ref, new, _ in sorted(updates):
            _lock(repository, transaction, ref, new)
        for ref, new, old in updates:
            found = _current(repository, ref)
            if found != old:
                message = f"{ref} is at {found or 'nothing'}, not at {old or 'nothing'}"
                raise FailedPrecondition(Reason("REF_MOVED", message, "start again from where it is"))
            if new and not old:
                _refuse_nesting(repository, ref)
        yield
        for ref, new, old in updates:
            if new:
                transaction.set_target(ref, pygit2.Oid(hex=new), message="autopack")
            elif old:
                transaction.remove(ref)


def _lock(repository: pygit2.Repository, transaction: Any, ref: str, new: str) -> None:
    """Waits a moment for whoever has the lock; what the dead have left is taken away."""
    lock = common_directory(repository) / f"{ref}.lock"
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            transaction.lock_ref(ref)
            return
        except pygit2.GitError as error:
            if "No space left" in str(error):
                raise
            if time.monotonic() > deadline:
                reason = Reason("REF_MOVED", f"{ref} cannot be locked: {error}", "try again")
                raise FailedPrecondition(reason) from None
        if not remove_abandoned(lock, new):
            time.sleep(LOCK_PAUSE_SECONDS)


def _current(repository: pygit2.Repository, ref: str) -> str:
    found = repository.references.get(ref)
    if found is None:
        return ""
    return str(found.target)  # a symbolic ref is the name of another, which no expected id equals


def _refuse_nesting(repository: pygit2.Repository, ref: str) -> None:
    """libgit2 sees a ref in the way (`a` against `a/b`) only among those that are not packed."""
    parts = ref.split("/")
    taken = next(
        (name for end in range(3, len(parts)) if _current(repository, name := "/".join(parts[:end]))), None
    )
    packed = common_directory(repository) / "packed-refs"
    if taken is None and packed.exists() and f" {ref}/".encode() in packed.read_bytes():
        taken = f"{ref}/..."
    if taken is not None:
        raise FailedPrecondition(
            Reason(
                "REF_MOVED", f"{ref} cannot be made beside {taken}", f"delete {taken}, or use another name"
            )
        )
