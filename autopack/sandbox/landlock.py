"""The `landlock` tier, where user namespaces are refused: Landlock and seccomp around a copy of the base."""

import asyncio
import random
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path

from autopack.cancellation import acquire, finish
from autopack.sandbox.cgroups import CgroupSite
from autopack.sandbox.copied_tree import CopiedTree
from autopack.sandbox.identity import Identity, choose_identity
from autopack.sandbox.landlock_launcher import Containment, LandlockLauncher
from autopack.sandbox.port import Tier
from autopack.sandbox.spawner import Spawner
from autopack.sandbox.state_directory import StateDirectory, remove_tree
from autopack.sandbox.system_files import SystemFiles
from autopack.sandbox.workspace import ContainedWorkspace


class LandlockSandbox:
    """Opens workspaces of the landlock tier."""

    tier: Tier = "landlock"

    def __init__(
        self,
        system: SystemFiles,
        version: int,
        spawner: Spawner,
        host: Spawner,
        site: CgroupSite,
        parent: Path,
    ) -> None:
        self._system = system
        self._version = version
        self._spawner = spawner
        self._host = host
        self._site = site
        self._parent = parent
        self._numbers = count(1)
        self._preparing = asyncio.Lock()
        self._state: StateDirectory | None = None
        self._random = random.SystemRandom()

    @asynccontextmanager
    async def open(self, base: Path) -> AsyncIterator[ContainedWorkspace]:
        """A workspace over a copy of `base`, as a user that no other workspace has when started by root."""
        state = await self._prepare()
        directory = state.path / f"workspace-{next(self._numbers)}"
        identity = choose_identity(self._random)
        async with AsyncExitStack() as undo:
            undo.push_async_callback(_remove, directory)
            # A cancellation waits for the copy: it must not go on in a workspace that has been left.
            copied = await finish(asyncio.to_thread(_copy, base, directory, identity))
            containment = Containment(
                self._system, state.path / "sh", self._version, self._spawner, self._host
            )
            launcher = LandlockLauncher(containment, directory, copied.path, identity)
            yield ContainedWorkspace(
                directory,
                (copied.path, launcher.home, launcher.temporary),
                copied,
                launcher,
                self._spawner,
                identity,
                self._site,
            )

    async def close(self) -> None:
        """Remove what the workspaces had in common."""
        async with self._preparing:
            if self._state is not None:
                state, self._state = self._state, None
                await finish(asyncio.to_thread(state.remove))

    async def _prepare(self) -> StateDirectory:
        async with self._preparing:
            if self._state is None:
                self._state = await acquire(lambda: _make_state(self._parent), StateDirectory.remove)
            return self._state


def _make_state(parent: Path) -> StateDirectory:
    state = StateDirectory(parent)
    shell = state.path / "sh"
    shutil.copyfile("/bin/sh", shell)
    shell.chmod(0o111)
    return state


def _copy(base: Path, directory: Path, identity: Identity) -> CopiedTree:
    directory.mkdir(mode=0o711)
    return CopiedTree(base, directory, identity)


async def _remove(directory: Path) -> None:
    await finish(asyncio.to_thread(remove_tree, directory))
