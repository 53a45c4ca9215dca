"""The one thread that starts sandboxed processes, so that neither a fork nor a mount holds up the event loop.

Started by root it has a mount namespace of its own, where what another user must read is mounted as his.
"""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from autopack.sandbox import mounts
from autopack.sandbox.identity import Identity, may_mount

T = TypeVar("T")

# For the programs that set the sandbox up; the command inside gets an environment of its own.
_LAUNCH_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


class Spawner:
    """Starts processes and, for root, shows them files as their own.

    Children may ask to die with the thread that started them (bubblewrap does), hence a single one
    that lives as long as the process.
    """

    def __init__(self, identity: Identity) -> None:
        self.identity = identity
        self.staging = identity.switched and may_mount()
        """Whether `stage` works: we are root and may mount."""
        self._mappings: dict[tuple[int, int], int] = {}
        self._executor = ThreadPoolExecutor(1, "autopack-spawner")
        if self.staging:
            self._executor.submit(mounts.enter_private_mount_namespace).result()

    async def start(
        self, argv: Sequence[str], output: int, pass_fds: Sequence[int] = ()
    ) -> subprocess.Popen[bytes]:
        """Start a process as ourselves, with no standard input; a cancelled start leaves no process."""

        def work() -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=pass_fds,
                env=_LAUNCH_ENVIRONMENT,
                cwd="/",
                start_new_session=True,
            )

        started = asyncio.ensure_future(self._run(work))
        try:
            return await asyncio.shield(started)
        except asyncio.CancelledError:
            with contextlib.suppress(OSError):
                process = await started
                process.kill()
                await asyncio.to_thread(process.wait)
            raise

    async def stage(self, source: Path, target: Path) -> None:
        """Mount `source` read-only on `target`, where only started processes see it, as the identity's own.

        Raises OSError where the file system of `source` cannot map ids.
        """

        def work() -> None:
            status = source.stat()
            owner = (status.st_uid, status.st_gid)
            if owner not in self._mappings:
                self._mappings[owner] = mounts.open_id_mapping(
                    (owner[0], self.identity.uid), (owner[1], self.identity.gid)
                )
            mounts.bind_read_only(source, target, self._mappings[owner])

        await self._run(work)

    async def unstage(self, target: Path) -> None:
        """Undo `stage`."""
        await self._run(lambda: mounts.unmount(target))

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def as_identity(self, argv: Sequence[str]) -> list[str]:
        """`argv` so that it runs as the identity, with no group beside its own."""
        if not self.identity.switched:
            return list(argv)
        uid, gid = self.identity.uid, self.identity.gid
        return ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--", *argv]


@lru_cache(maxsize=1)
def _spawner_of(process: int, identity: Identity) -> Spawner:
    return Spawner(identity)


def process_spawner(identity: Identity) -> Spawner:
    """The spawner of this process (another one after a fork)."""
    return _spawner_of(os.getpid(), identity)
