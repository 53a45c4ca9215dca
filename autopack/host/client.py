"""A client's hold on the all-in-one: finds the running one or starts it, and waits for what it needs."""

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any, Self

from autopack.errors import InvalidInput, Reason, Unavailable
from autopack.host.places import LEASE_SOCKET, SERVICES, Places, fits

CONNECT_SECONDS = 45.0
"""For an earlier host to drain and the next one to listen."""
START_SECONDS = 60.0
"""For one service to start, on a slow machine."""
GONE_SECONDS = 45.0
"""For the host to drain after its last client."""
RETRY_SECONDS = 0.01
LOG_BYTES = 5_000_000
"""A longer log is begun anew."""


class Host:
    """One client's lease; the host lives at least as long as this is open."""

    def __init__(self, places: Places, environ: Mapping[str, str], start: Iterable[str] = SERVICES) -> None:
        """Connects at once or has the host's process started, before the caller imports what is slow.

        `start` are the services that are wanted.
        """
        places.prepare()
        self._places = places
        self._environ = environ
        self._start = sorted(start)
        self._process: subprocess.Popen[bytes] | None = None
        self._host = 0
        self._stays = False
        self._socket = self._connect()
        if self._socket is None:
            self._spawn()
        self._addresses: dict[str, asyncio.Future[str]] = {}
        self._reader: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None

    @property
    def gone(self) -> bool:
        """Whether the host has ended although we hold it."""
        return self._reader is not None and self._reader.done()

    async def open(self) -> Self:
        """Takes the lease and has services started. Raises Unavailable HOST_FAILED."""
        loop = asyncio.get_running_loop()
        self._addresses = {service: loop.create_future() for service in SERVICES}
        deadline = time.monotonic() + CONNECT_SECONDS
        while not await self._greet():
            if time.monotonic() > deadline:
                raise self._failed("it does not listen")
            await asyncio.sleep(RETRY_SECONDS)
        return self

    async def _greet(self) -> bool:
        """Whether a host has taken us as its client; one that drains does not."""
        connection, self._socket = self._socket or self._connect(), None
        if connection is None:
            self._check_process()
            return False
        reader, writer = await asyncio.open_unix_connection(sock=connection)
        try:
            writer.write(json.dumps({"start": self._start}).encode() + b"\n")
            greeting = await reader.readline()
        except ConnectionError:
            greeting = b""
        host = json.loads(greeting).get("host") if greeting else None
        if host is None:  # it ended, or said goodbye, before it took us
            writer.close()
            return False
        self._host = host
        self._writer = writer
        self._reader = asyncio.create_task(self._read(reader))
        return True

    async def address(self, service: str) -> str:
        """Where the service listens, once it does. Raises Unavailable with why it does not."""
        try:
            async with asyncio.timeout(START_SECONDS):
                return await asyncio.shield(self._addresses[service])
        except TimeoutError:
            raise self._failed(f"{service} has not started within {START_SECONDS:g} s") from None

    async def close(self) -> None:
        """Gives the lease up; as the last client, waits until the host's process is gone."""
        if self._writer is not None and self._reader is not None:
            if self._writer.can_write_eof():
                self._writer.write_eof()
            await asyncio.wait([self._reader], timeout=GONE_SECONDS)
            self._reader.cancel()
            self._writer.close()
        elif self._socket is not None:
            self._socket.close()
        if self._process is not None:
            # It has gone with the lease, or found another host there, unless somebody else holds it now.
            await asyncio.to_thread(self._reap)

    def _connect(self) -> socket.socket | None:
        directory = self._places.sockets()
        if not fits(directory):
            return None  # a host would have put its sockets elsewhere, and said so
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(directory / LEASE_SOCKET))
        except (FileNotFoundError, ConnectionRefusedError):
            connection.close()
            return None
        connection.setblocking(False)
        return connection

    def _spawn(self) -> None:
        log = self._places.log
        too_long = log.exists() and log.stat().st_size > LOG_BYTES
        with log.open("wb" if too_long else "ab") as output:
            # -P: the current directory is somebody's repository, not a place to import from.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "autopack.host", *self._start],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=output,
                env=dict(self._environ) | {"AUTOPACK_HOME": str(self._places.home)},
                start_new_session=True,
            )

    def _check_process(self) -> None:
        if self._process is None:
            self._spawn()  # the host that we were connected to has drained
        elif (code := self._process.poll()) is not None:
            if code != 0:
                raise self._failed(f"its process ended with {code}")
            self._process = None  # another host was there first; it listens soon, or we start the next

    def _reap(self) -> None:
        if self._process is None:
            return
        if self._stays and self._host == self._process.pid:
            self._process.returncode = 0  # it outlives us, and whoever inherits it reaps it
            return
        try:
            self._process.wait(GONE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            self._hear(json.loads(line))
        for future in self._addresses.values():
            if not future.done():
                future.set_exception(self._failed("it has gone"))
                future.exception()  # retrieved: nobody may be waiting

    def _hear(self, message: dict[str, Any]) -> None:
        if "stays" in message:
            self._stays = True
            return
        future = self._addresses[message["service"]]
        if future.done():
            return
        if "address" in message:
            future.set_result(message["address"])
        else:
            kind = InvalidInput if message["invalid"] else Unavailable
            future.set_exception(kind(*(Reason(**reason) for reason in message["reasons"])))
            future.exception()  # as above

    def _failed(self, what: str) -> Unavailable:
        last = ""
        try:
            lines = self._places.log.read_text(errors="replace").strip().splitlines()
            last = f": {lines[-1][:300]}" if lines else ""
        except OSError as error:
            last = f" (its log cannot be read: {error.strerror})"
        return Unavailable(
            Reason("HOST_FAILED", f"the all-in-one did not start: {what}{last}", f"see {self._places.log}")
        )
