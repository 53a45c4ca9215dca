"""Shows read-only paths to a command of the landlock tier: by links in its work tree, or where they are."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from autopack.cancellation import finish
from autopack.errors import InvalidInput, Reason
from autopack.sandbox import mounts
from autopack.sandbox.identity import Identity
from autopack.sandbox.spawner import Spawner
from autopack.sandbox.state_directory import remove_tree
from autopack.sandbox.supervisor import kernel


class Placement:
    """What was put into place for one command, and the rules that let it be read."""

    def __init__(
        self, directory: Path, root: Path, identity: Identity, spawner: Spawner, host: Spawner
    ) -> None:
        """`directory` is the workspace's, `root` its work tree; `host` sees the host's files as we do."""
        self.rules: list[tuple[str, int]] = []
        """Paths and rights, for Landlock."""
        self._directory = directory
        self._root = root
        self._identity = identity
        self._spawner = spawner
        self._host = host
        self._links: list[tuple[Path, Path]] = []
        self._mounts: list[Path] = []

    async def put(self, read_only: Mapping[str, Path]) -> None:
        """Make every source appear at its target. Raises InvalidInput where that is not possible."""
        try:
            for target, source in sorted(read_only.items()):
                await self._put(Path(target), source)
        except BaseException:
            await finish(self.take_away())
            raise

    async def take_away(self) -> None:
        """Undo all of it."""
        await asyncio.to_thread(self._unlink)
        for path in reversed(self._mounts):
            await self._spawner.unstage(path)

    async def _put(self, target: Path, source: Path) -> None:
        shown = source
        if not target.is_relative_to(self._root):
            if target != source:
                raise _cannot_place(target)
            closed = await asyncio.to_thread(mounts.closed_above, source)
            if self._spawner.staging and closed is not None:
                await self._mount(source, source, make_place=True)
        else:
            if self._spawner.staging:
                shown = self._directory / f"read-only-{len(self._links)}"
                await asyncio.to_thread(_make_like, source, shown)
                await self._mount(source, shown)
            await asyncio.to_thread(self._link, target, shown)
        self.rules.append((str(shown.resolve()), kernel.READ_AND_EXECUTE))

    async def _mount(self, source: Path, place: Path, make_place: bool = False) -> None:
        await self._spawner.stage(source, place, self._identity, make_place=make_place, seen_by=self._host)
        self._mounts.append(place)

    def _link(self, place: Path, target: Path) -> None:
        """Put a link where something else may be; the workspace has seen to it that no link is on the way."""
        aside = self._directory / f"aside-{len(self._links)}"
        if os.path.lexists(place):
            place.rename(aside)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)
        self._links.append((place, aside))

    def _unlink(self) -> None:
        for place, aside in reversed(self._links):
            # The command may have put anything there, and anything on the way: nothing is followed.
            if _reaches(self._root, place):
                if place.is_symlink():
                    place.unlink()
                elif os.path.lexists(place):
                    remove_tree(place)
                if os.path.lexists(aside):
                    aside.rename(place)


def _reaches(root: Path, place: Path) -> bool:
    """Whether only real directories lead from `root` to `place`."""
    parents = [parent for parent in place.parents if parent.is_relative_to(root)]
    return all(parent.is_dir() and not parent.is_symlink() for parent in parents)


def _make_like(source: Path, place: Path) -> None:
    if source.is_dir():
        place.mkdir(exist_ok=True)
    else:
        place.touch()


def _cannot_place(target: Path) -> InvalidInput:
    return InvalidInput(
        Reason(
            "COMMAND_INVALID",
            f"the landlock tier cannot show a read-only path at {target}",
            "place it in the work tree, or where it is on this machine",
        )
    )
