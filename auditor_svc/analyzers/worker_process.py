"""The warm worker process from the service's side: started when first needed or ahead of it,
replaced when it dies.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from auditor_svc.worker.frames import LENGTHS, pack, unpack
from autopack.errors import Reason, Unavailable

_START_SECONDS = 60.0
_ANSWER_SECONDS = 120.0
"""Wall time of one file; the worker's own limit on processor time comes before it."""
_BOOTSTRAP = "import sys; sys.path.append(sys.argv[1]); from auditor_svc.worker.__main__ import main; main()"
"""`-I` keeps the environment and the working directory out, so the package's place is handed over."""
_ROOT = str(Path(__file__).resolve().parents[2])
_ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "PATH": "/usr/bin:/bin",
    # bandit's loader believes a cache below it that says which tests there are.
    "XDG_CACHE_HOME": "/dev/null",
}


class WorkerDied(Exception):
    """The worker died over a request, or did not answer in time and was killed."""


class Worker:
    """One process that answers one request at a time."""

    def __init__(self, command: Sequence[str] | None = None) -> None:
        self._command = command or (sys.executable, "-I", "-c", _BOOTSTRAP, _ROOT)
        self._process: asyncio.subprocess.Process | None = None
        self._versions: Mapping[str, str] = {}

    @property
    def pid(self) -> int | None:
        """Of the process; None while there is none."""
        return None if self._process is None else self._process.pid

    async def start(self) -> Mapping[str, str]:
        """Versions of the analyzers, once it is warm. Raises Unavailable `ANALYZER_UNAVAILABLE`."""
        if self._process is not None and self._process.returncode is None:
            return self._versions
        await self.close()
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=_ENVIRONMENT,
                start_new_session=True,
            )
        except OSError as error:
            raise _not_started(str(error)) from error
        self._process = process
        try:
            async with asyncio.timeout(_START_SECONDS):
                hello = await self._read(process)
        except BaseException as error:
            words = await self._end(process)
            if isinstance(error, (WorkerDied, TimeoutError)):
                raise _not_started(words[-1000:]) from error
            raise
        self._versions = hello["versions"]
        return self._versions

    async def ask(self, header: Mapping[str, Any], bodies: Sequence[bytes]) -> dict[str, Any]:
        """The answer. Raises WorkerDied; a caller that is cancelled takes the worker with it, since
        an answer that nobody reads would be taken for the next one's.
        """
        await self.start()
        process = self._process
        assert process is not None
        assert process.stdin is not None
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                process.stdin.write(pack(header, bodies))
                await process.stdin.drain()
                answer = await self._read(process)
        except BaseException as error:
            await self._end(process)
            if isinstance(error, (WorkerDied, OSError, ValueError)):
                raise WorkerDied(str(error)) from error
            raise
        if answer["ends"]:
            await self._end(process)
        results: dict[str, Any] = answer["results"]
        return results

    async def close(self) -> None:
        if self._process is not None:
            await self._end(self._process)

    async def _read(self, process: asyncio.subprocess.Process) -> dict[str, Any]:
        assert process.stdout is not None
        try:
            header_size, body_size = LENGTHS.unpack(await process.stdout.readexactly(LENGTHS.size))
            header = await process.stdout.readexactly(header_size)
            fields, _ = unpack(header, await process.stdout.readexactly(body_size))
        except asyncio.IncompleteReadError as error:
            raise WorkerDied("the pipe was closed") from error
        return fields

    async def _end(self, process: asyncio.subprocess.Process) -> str:
        """Kills the process, frees its pipes and returns its last words."""
        self._process = None
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        if process.stdin is not None:
            process.stdin.close()
        _, words = await asyncio.shield(asyncio.ensure_future(process.communicate()))
        return words.decode("utf-8", "replace").strip()


def _not_started(words: str) -> Unavailable:
    fix = "reinstall Autopack's dependencies"
    return Unavailable(Reason("ANALYZER_UNAVAILABLE", f"the analyzers' process did not start: {words}", fix))


class WorkerPool:
    """Some workers; the one that was used last is used first, so that a second one starts only
    when two are needed at once.
    """

    def __init__(self, size: int, command: Sequence[str] | None = None) -> None:
        """`command` starts another worker than ours."""
        self._idle: asyncio.LifoQueue[Worker] = asyncio.LifoQueue()
        self._workers = [Worker(command) for _ in range(size)]
        for worker in self._workers:
            self._idle.put_nowait(worker)

    @asynccontextmanager
    async def take(self) -> AsyncIterator[Worker]:
        worker = await self._idle.get()
        try:
            yield worker
        finally:
            self._idle.put_nowait(worker)

    async def close(self) -> None:
        await asyncio.gather(*(worker.close() for worker in self._workers))
