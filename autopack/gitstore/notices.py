"""What a caller should know about the files of a commit, though it hinders nothing."""

from collections.abc import Iterator

from autopack.errors import Reason
from autopack.gitstore.objects import GITLINK
from autopack.gitstore.store import GitStore

_ATTRIBUTES_LIMIT = 1_000_000


def content_notices(store: GitStore, commit: str) -> Iterator[Reason]:
    """`SUBMODULES` and `LFS_POINTERS`, where the commit has them."""
    submodules, attributes = [], []
    for entry in store.entries(commit):
        if entry.mode == GITLINK:
            submodules.append(entry.path)
        elif entry.path.rpartition("/")[2] == ".gitattributes":
            attributes.append(entry)
    if submodules:
        yield Reason(
            "SUBMODULES",
            f"{len(submodules)} submodules, {submodules[0]} among them, are empty directories for a run",
            "nothing, unless the checks need them",
            path=submodules[0],
        )
    for entry in attributes:
        small = store.size(entry.oid) <= _ATTRIBUTES_LIMIT
        if small and b"filter=lfs" in store.read_blob(entry.oid):
            yield Reason(
                "LFS_POINTERS",
                f"files that {entry.path} hands to Git LFS are pointers for a run",
                "nothing, unless the checks need their contents",
                path=entry.path,
            )
            return
