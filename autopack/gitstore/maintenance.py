"""Keeps a store quick and clean: loose objects, of which each is a file, go into packs now and then."""

import shutil
import time
from collections.abc import Callable

from autopack.errors import Reason, Unavailable
from autopack.gitstore.command import GitFailed, run_git
from autopack.gitstore.disk import reporting_full_disk
from autopack.gitstore.store import GitStore

LOOSE_OBJECTS = 5_000
ABANDONED_SECONDS = 86_400.0


def maintain(store: GitStore, at_least: int = LOOSE_OBJECTS, clock: Callable[[], float] = time.time) -> int:
    """Puts all loose objects into one pack if there are `at_least` so many; returns how many were packed.

    Nothing is lost, whether a ref leads to it or not, and history that a store lacks is not missed: unlike
    `git gc`, this follows nothing. What transfers left that were killed long ago is removed. Others may
    read and write meanwhile. Blocks for seconds.
    """
    for abandoned in store.path.glob("incoming-*"):
        if abandoned.stat().st_mtime < clock() - ABANDONED_SECONDS:
            shutil.rmtree(abandoned, ignore_errors=True)
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
