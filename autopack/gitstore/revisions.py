"""What a revision names, refused where somebody else's ref could stand in for the one that is meant.

Git takes a tag before a branch, and says so in a warning at most: who may push a tag could replace a base.
"""

import re
from collections.abc import Iterable, Iterator

import pygit2
from pygit2.enums import ObjectType

from autopack.errors import InvalidInput, Reason

_NAMESPACES = ("", "refs/", "refs/tags/", "refs/heads/", "refs/remotes/")
_NAME = re.compile(r"(?:(?!@\{)[^~^:])*")
"""What stands before the operators of a revision."""
_ID = re.compile(r"[0-9a-f]{4,40}")


def refuse_ambiguous(repository: pygit2.Repository, revision: str) -> None:
    """Raises InvalidInput `REVISION_AMBIGUOUS` where the name in it stands for more than one commit."""
    match = _NAME.match(revision)
    name = match[0] if match else ""
    if name in ("", "@", "HEAD"):  # nobody can push what stands in for these
        return
    refuse_several(name, _meanings(repository, name))


def refuse_several(name: str, meanings: Iterable[tuple[str, str]]) -> None:
    """Raises InvalidInput `REVISION_AMBIGUOUS`; `meanings` are full names with their commits."""
    found = dict(meanings)
    if len(set(found.values())) > 1:
        shown = ", ".join(f"{full} ({commit[:12]})" for full, commit in found.items())
        fix = "write the full name of the one that is meant; find out who made the other"
        raise InvalidInput(Reason("REVISION_AMBIGUOUS", f"{name!r} is {shown}"[:500], fix))


def _meanings(repository: pygit2.Repository, name: str) -> Iterator[tuple[str, str]]:
    for full in (*(f"{prefix}{name}" for prefix in _NAMESPACES), f"refs/remotes/{name}/HEAD"):
        try:
            yield full, str(repository.lookup_reference(full).peel(ObjectType.COMMIT).id)
        except (KeyError, ValueError, pygit2.GitError):
            continue
    if _ID.fullmatch(name):
        try:
            yield "an object's id", str(repository[name].peel(ObjectType.COMMIT).id)
        except (KeyError, ValueError, pygit2.GitError):
            return
