"""The processes of one command of the landlock tier: the supervisor, and everything that descends from it."""

import asyncio
import contextlib
import os
import select
import signal
import time
from collections.abc import Callable

from autopack.sandbox.process import Ended
from autopack.sandbox.supervisor.descendants import descendants, signal_all

_SUPERVISOR_SECONDS = 5.0


class LandlockProcesses:
    """Asks the supervisor to end what it watches; does it itself should the supervisor fail."""

    def __init__(self, leftovers: Callable[[], list[int]]) -> None:
        """`leftovers` finds the command's processes otherwise than by descent."""
        self._reader, self.writer = os.pipe2(os.O_CLOEXEC)
        """`writer` is where the supervisor says how the command ended; whoever starts it closes it."""
        os.set_blocking(self._reader, False)
        self._leftovers = leftovers

    def members(self, process: int) -> list[int]:
        """Everything that runs under the supervisor."""
        return descendants(process)

    def terminate(self, process: int) -> None:
        """SIGTERM to every process of the command."""
        signal_all(descendants(process), signal.SIGTERM)

    def kill(self, process: int) -> None:
        """Have the supervisor kill all; failing that, kill it and all below it."""
        supervisor = os.pidfd_open(process)
        try:
            signal_all([process], signal.SIGTERM)
            poll = select.poll()
            poll.register(supervisor, select.POLLIN)
            if not poll.poll(_SUPERVISOR_SECONDS * 1000):
                signal_all([process], signal.SIGSTOP)
                signal_all([*descendants(process), process], signal.SIGKILL)
        finally:
            os.close(supervisor)

    async def gone(self) -> None:
        """A supervisor that ended by itself left nothing; otherwise look for what it should have ended."""
        await asyncio.to_thread(self._end_leftovers)

    def _end_leftovers(self) -> None:
        deadline = time.monotonic() + _SUPERVISOR_SECONDS
        while (found := self._leftovers()) and time.monotonic() < deadline:
            signal_all(found, signal.SIGKILL)
            time.sleep(0.005)

    def exit_code(self, ended: Ended) -> int | None:
        """What the shell returned, 128 + n where signal n ended it; None if it was not started."""
        del ended
        with contextlib.suppress(BlockingIOError, ValueError):
            status = int(os.read(self._reader, 64))
            code = os.waitstatus_to_exitcode(status)
            return 128 - code if code < 0 else code
        return None

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._reader)
