"""Keeps a store quick and clean: loose objects, of which each is a file, go into packs now and then."""

import asyncio
import logging
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from autopack.errors import AutopackError, Reason, Unavailable
from autopack.gitstore.command import GitFailed, run_git
from autopack.gitstore.disk import reporting_full_disk
from autopack.gitstore.store import GitStore

logger = logging.getLogger(__name__)

LOOSE_OBJECTS = 5_000
COMMITS_BETWEEN = 1_000
"""Commits that come into a store before it is looked at again."""
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


class Upkeep:
    """Has stores maintained in the background, each after so many commits that came into it."""

    def __init__(self, commits_between: int = COMMITS_BETWEEN, at_least: int = LOOSE_OBJECTS) -> None:
        self._commits_between = commits_between
        self._at_least = at_least
        self._came: Counter[Path] = Counter()
        self._work: dict[Path, asyncio.Task[None]] = {}

    def came(self, store: GitStore) -> None:
        """Notes that a commit came into the store."""
        self._came[store.path] += 1
        if self._came[store.path] >= self._commits_between and store.path not in self._work:
            self._came[store.path] = 0
            task = self._work[store.path] = asyncio.create_task(_maintained(store, self._at_least))
            task.add_done_callback(lambda _: self._work.pop(store.path, None))

    async def close(self) -> None:
        """Waits for what is at work."""
        await asyncio.gather(*self._work.values())


async def _maintained(store: GitStore, at_least: int) -> None:
    try:
        packed = await asyncio.to_thread(maintain, store, at_least)
    except (AutopackError, OSError) as error:
        logger.warning("%s was not maintained: %s", store.path, error)
    else:
        logger.info("%s: %d loose objects were packed", store.path, packed)
