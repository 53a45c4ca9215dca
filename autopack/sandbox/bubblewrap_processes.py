"""The processes of one bubblewrap: itself outside, the first of its PID namespace, and the rest."""

import asyncio
import contextlib
import json
import os
import signal
from typing import Any

from autopack.sandbox.cgroups import Cgroup
from autopack.sandbox.process import Ended
from autopack.sandbox.supervisor.descendants import descendants, signal_all


class BubblewrapProcesses:
    """Follows what bubblewrap says on its status descriptor; a PID namespace ends with its first process."""

    def __init__(self, cgroup: Cgroup | None) -> None:
        """The first process is put into the groups while it mounts: the command does not run before."""
        self._reader, self.writer = os.pipe2(os.O_CLOEXEC)
        """`writer` is for bubblewrap's --json-status-fd; whoever starts it closes it."""
        self.blocked, self._release = os.pipe2(os.O_CLOEXEC)
        """`blocked` is for its --block-fd: it waits there before it starts the command; closed likewise."""
        self._cgroup = cgroup
        self._joining: asyncio.Future[None] | None = None
        os.set_blocking(self._reader, False)
        self._text = b""
        self._first: int | None = None
        self._first_process: int | None = None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._reader, self._read)

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._reader, 65536)
            self._text += data
            if not data:
                self._loop.remove_reader(self._reader)
            if self._first is None and (first := self._said("child-pid")) is not None:
                self._first_process = first
                with contextlib.suppress(ProcessLookupError):
                    self._first = os.pidfd_open(first)
                    # The kernel takes up to 10 ms for it: not on the event loop.
                    self._joining = asyncio.ensure_future(asyncio.to_thread(self._join, first, self._first))

    def _join(self, first: int, handle: int) -> None:
        if self._cgroup is not None:
            try:
                self._cgroup.take(first)
            except OSError:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                raise
        with contextlib.suppress(BrokenPipeError):  # it has ended already
            os.write(self._release, b"\n")

    def _said(self, key: str) -> int | None:
        for line in self._text.splitlines():
            with contextlib.suppress(ValueError):  # a line not written to its end yet
                message: Any = json.loads(line)
                if isinstance(message, dict) and isinstance(message.get(key), int):
                    return int(message[key])
        return None

    def members(self, process: int) -> list[int]:
        """Everything that runs in the sandbox."""
        return descendants(process)

    def terminate(self, process: int) -> None:
        """SIGTERM to every process of the command, not to bubblewrap's own."""
        signal_all([pid for pid in descendants(process) if pid != self._first_process], signal.SIGTERM)

    def kill(self, process: int) -> None:
        """SIGKILL to bubblewrap and all below it; stopped first, so that it starts nothing meanwhile."""
        signal_all([process], signal.SIGSTOP)
        signal_all([*descendants(process), process], signal.SIGKILL)

    async def gone(self) -> None:
        """Return when the namespace's first process has ended, which it does after all others."""
        self._read()
        if self._joining is not None:
            await asyncio.wait((self._joining,))
        if self._first is None:
            return
        ended = asyncio.Event()
        self._loop.add_reader(self._first, ended.set)
        try:
            await ended.wait()
        finally:
            self._loop.remove_reader(self._first)

    def exit_code(self, ended: Ended) -> int | None:
        """What bubblewrap says that the command returned; None if it came to none.

        Raises OSError where it was not let into its control groups.
        """
        del ended
        self._read()
        if self._joining is not None:
            self._joining.result()
        return self._said("exit-code")

    async def close(self) -> None:
        """Give the descriptors back."""
        self._loop.remove_reader(self._reader)
        if self._joining is not None:
            await asyncio.wait((self._joining,))
            self._joining.exception()  # of one that was killed nobody asks
        os.close(self._reader)
        os.close(self._release)
        if self._first is not None:
            os.close(self._first)
