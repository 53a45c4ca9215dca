"""Runs one started process to its end or to a limit, and returns only when its whole tree is gone."""

import asyncio
import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from resource import struct_rusage
from typing import Protocol

from autopack.cancellation import finish, settle
from autopack.sandbox.output import Tail
from autopack.sandbox.port import Limits

GRACE_SECONDS = 1.0
"""Between SIGTERM and SIGKILL."""
_WATCH_SECONDS = 0.2
_GONE_SECONDS = 10.0
_OUTPUT_OVER = 100
"""How many times the kept output a command may print."""
_READ_BYTES = 65536


class ProcessTree(Protocol):
    """What a tier knows of the processes that it started."""

    def members(self, process: int) -> list[int]:
        """Process ids of the command, as far as they can be found."""

    def terminate(self, process: int) -> None:
        """Ask every process of the command to end (SIGTERM)."""

    def kill(self, process: int) -> None:
        """End all of them at once."""

    async def gone(self) -> None:
        """Return when no process of the command is left."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that has ended, with all that it started."""

    status: int
    """As waitpid gives it."""
    limit: str | None
    """The limit that ended it."""
    seconds: float
    output: bytes
    output_truncated: bool
    usage: struct_rusage
    """Of the process and the children that were waited for."""


Start = Callable[[int], Coroutine[None, None, subprocess.Popen[bytes]]]
"""Starts the process with the given descriptor as its output."""
Watch = Callable[[bool], str | None]
"""Called off the event loop again and again, and once when all has ended: the limit exceeded, if any."""


async def run_process(start: Start, tree: ProcessTree, limits: Limits, watch: Watch) -> Ended:
    """Start it, hold it to `limits`, collect the end of its output; cancelling kills the tree first."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(reader, False)
    started = time.monotonic()
    try:
        starting = asyncio.ensure_future(start(writer))
        try:
            cancelled = await settle(starting)
        finally:
            os.close(writer)
        run = _Run(starting.result(), tree, limits, reader)
        try:
            if cancelled:
                raise asyncio.CancelledError
            await run.until_exit_or_limit(watch)
        finally:
            await finish(run.end())
        return Ended(
            run.status,
            run.limit,
            time.monotonic() - started,
            run.tail.value(),
            run.tail.truncated,
            run.usage,
        )
    finally:
        os.close(reader)


class _Run:
    """One process between its start and the end of its tree."""

    def __init__(
        self, process: subprocess.Popen[bytes], tree: ProcessTree, limits: Limits, reader: int
    ) -> None:
        self.limit: str | None = None
        self.status: int
        self.usage: struct_rusage
        self.tail = Tail(limits.output_bytes)
        self._process = process
        self._tree = tree
        self._limits = limits
        self._reader = reader
        self._loop = asyncio.get_running_loop()
        self._pidfd = os.pidfd_open(process.pid)
        self._exited = asyncio.Event()
        self._over = asyncio.Event()
        self._output_ended = asyncio.Event()
        self._loop.add_reader(self._pidfd, self._note_exit)
        self._loop.add_reader(reader, self._read)

    def _note_exit(self) -> None:
        self._loop.remove_reader(self._pidfd)
        self._exited.set()

    def _read(self) -> None:
        try:
            data = os.read(self._reader, _READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            self._loop.remove_reader(self._reader)
            self._output_ended.set()
            return
        self.tail.add(data)
        if self.tail.total > _OUTPUT_OVER * self._limits.output_bytes:
            self._stop_for("output")

    def _stop_for(self, limit: str) -> None:
        self.limit = self.limit or limit
        self._over.set()

    async def until_exit_or_limit(self, watch: Watch) -> None:
        """Wait for the exit; at a limit ask the tree to end and give it its grace."""
        timer = self._loop.call_later(self._limits.seconds, self._stop_for, "time")
        watching = asyncio.ensure_future(self._watch(watch))
        over = asyncio.ensure_future(self._over.wait())
        exited = asyncio.ensure_future(self._exited.wait())
        try:
            await asyncio.wait((exited, over), return_when=asyncio.FIRST_COMPLETED)
            if not exited.done():
                await asyncio.to_thread(self._tree.terminate, self._process.pid)
                await asyncio.wait((exited,), timeout=GRACE_SECONDS)
            elif self.limit is None:
                # What the watch would have seen had the command lived a little longer.
                self.limit = await asyncio.to_thread(watch, True)
        finally:
            timer.cancel()
            for task in (watching, over, exited):
                task.cancel()
            await asyncio.gather(watching, over, exited, return_exceptions=True)

    async def _watch(self, watch: Watch) -> None:
        pause = _WATCH_SECONDS
        while True:
            await asyncio.sleep(pause)
            started = time.monotonic()
            limit = await asyncio.to_thread(watch, False)
            if limit:
                self._stop_for(limit)
                return
            # A walk over many files must not eat the machine: at most a tenth of the time.
            pause = max(_WATCH_SECONDS, 10 * (time.monotonic() - started))

    async def end(self) -> None:
        """Kill what is left, wait until it is gone, take the last of the output and the exit status."""
        try:
            if not self._exited.is_set():
                await asyncio.to_thread(self._tree.kill, self._process.pid)
                await self._exited.wait()
            async with asyncio.timeout(_GONE_SECONDS):
                await self._tree.gone()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GRACE_SECONDS):
                    await self._output_ended.wait()
        finally:
            self._loop.remove_reader(self._pidfd)
            self._loop.remove_reader(self._reader)
            os.close(self._pidfd)
            if self._exited.is_set():
                self._reap()

    def _reap(self) -> None:
        """Take the exit status; the process has ended, so this does not wait."""
        _, self.status, self.usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(self.status)
