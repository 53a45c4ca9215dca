"""Keeps a store quick: loose objects, of which each is a file, go into packs now and then."""

from autopack.errors import Reason, Unavailable
from autopack.gitstore.command import GitFailed, run_git
from autopack.gitstore.disk import reporting_full_disk
from autopack.gitstore.store import GitStore

LOOSE_OBJECTS = 5_000


def pack_loose(store: GitStore, at_least: int = LOOSE_OBJECTS) -> int:
    """Puts all loose objects into one pack if there are so many; returns how many they were.

    Nothing is lost, whether a ref leads to it or not, and history that a store lacks is not missed: unlike
    `git gc`, this follows nothing. Others may read and write meanwhile. Blocks for seconds.
    """
    objects = store.objects_directory
    loose = [
        directory.name + file.name
        for directory in objects.glob("[0-9a-f][0-9a-f]")
        for file in directory.iterdir()
        if len(file.name) == 38
    ]
    if len(loose) < max(at_least, 1):
        return 0
    try:
        with reporting_full_disk():
            command = ["pack-objects", "-q", "--threads=1", str(objects / "pack" / "pack")]
            run_git(command, git_dir=store.path, stdin="\n".join(loose).encode(), timeout=600)
            run_git(["prune-packed", "-q"], git_dir=store.path, timeout=600)
    except GitFailed as error:
        raise Unavailable(Reason("GIT_FAILED", f"git could not pack: {error.message}", "git fsck")) from None
    return len(loose)
