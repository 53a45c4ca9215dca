"""The one thread that starts sandboxed processes, so that neither a fork nor a mount holds up the event loop.

Started by root it has a mount namespace of its own, where what another user must read is mounted as his.
"""

import asyncio
import os
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from autopack.cancellation import finish
from autopack.sandbox import mounts
from autopack.sandbox.identity import Identity, may_mount
from autopack.sandbox.leftovers import OWNER, owner
from autopack.sandbox.rlimits import refuse_cores

T = TypeVar("T")

# For the programs that set the sandbox up; the command inside gets an environment of its own.
_LAUNCH_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}


class Spawner:
    """Starts processes and, for root, shows them files as their own.

    Children may ask to die with the thread that started them (bubblewrap does), hence a single one
    that lives as long as the process.
    """

    def __init__(self, identity: Identity, exposed: Sequence[Path] = ()) -> None:
        """Raises OSError where a mount that root should be able to make is refused.

        `exposed` directories can be reached by every user from the started processes.
        """
        self.identity = identity
        self.staging = identity.switched and may_mount()
        """Whether mounts can be made for started processes: we are root and may."""
        self._mappings: dict[tuple[int, int], int] = {}
        refuse_cores()
        self._executor = ThreadPoolExecutor(1, "autopack-spawner")
        if self.staging:
            self._executor.submit(mounts.enter_private_mount_namespace).result()
            self._executor.submit(mounts.expose, exposed).result()

    async def start(
        self, argv: Sequence[str], output: int, pass_fds: Sequence[int] = ()
    ) -> subprocess.Popen[bytes]:
        """Start a process as ourselves, with no standard input; must not be cancelled."""
        return await self._run(
            lambda: subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=pass_fds,
                env=_LAUNCH_ENVIRONMENT | {OWNER: owner(os.getpid())},
                cwd="/",
                start_new_session=True,
                umask=0o022,
            )
        )

    async def stage(
        self,
        source: Path,
        target: Path,
        identity: Identity,
        *,
        writable_copies: bool = False,
        make_place: bool = False,
        seen_by: "Spawner | None" = None,
    ) -> None:
        """Mount `source` read-only on `target`, where only started processes see it, as `identity`'s own.

        With `make_place` there need be no `target` that everybody can reach: one appears to them.

        Where its file system cannot map ids, files keep their owners; that raises OSError with
        `writable_copies`, which an overlay can make of files of its user only. `seen_by` is a spawner
        that can see `source` if this one cannot.
        """
        origin = seen_by or self
        await finish(self._stage(source, target, identity, writable_copies, make_place, origin))

    async def _stage(
        self,
        source: Path,
        target: Path,
        identity: Identity,
        writable_copies: bool,
        make_place: bool,
        seen_by: "Spawner",
    ) -> None:
        def show() -> tuple[int, bool]:
            directory = source.is_dir()
            try:
                return seen_by._view(source, identity), directory
            except OSError:
                if writable_copies:
                    raise
                return mounts.clone_read_only(source, None), directory

        def attach(view: int, directory: bool) -> None:
            try:
                if make_place:
                    mounts.make_place(target, directory)
                mounts.attach(view, target)
            finally:
                os.close(view)

        if seen_by is self:
            await self._run(lambda: attach(*show()))
        else:
            view, directory = await seen_by._run(show)
            await self._run(lambda: attach(view, directory))

    def _view(self, source: Path, identity: Identity) -> int:
        """A mount of `source`, attached nowhere yet, that shows its files as `identity`'s."""
        status = source.stat()
        owner = (status.st_uid, status.st_gid)
        mapping = self._mappings.get(owner) if identity == self.identity else None
        if mapping is None:
            mapping = mounts.open_id_mapping((owner[0], identity.uid), (owner[1], identity.gid))
            if identity == self.identity:
                self._mappings[owner] = mapping
        try:
            return mounts.clone_read_only(source, mapping)
        finally:
            if identity != self.identity:
                os.close(mapping)

    async def unstage(self, target: Path) -> None:
        """Undo `stage`."""
        await finish(self._run(lambda: mounts.unmount(target)))

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    def as_identity(self, argv: Sequence[str]) -> list[str]:
        """`argv` so that it runs as the identity, with no group beside its own."""
        if not self.identity.switched:
            return list(argv)
        uid, gid = self.identity.uid, self.identity.gid
        return ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--", *argv]


@lru_cache(maxsize=2)
def _spawner_of(process: int, identity: Identity, exposed: tuple[Path, ...]) -> Spawner:
    del process  # another one after a fork
    return Spawner(identity, exposed)


def process_spawner(identity: Identity, exposed: Sequence[Path] = ()) -> Spawner:
    """The spawner of this process that exposes these directories."""
    return _spawner_of(os.getpid(), identity, tuple(exposed))
