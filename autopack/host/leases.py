"""Who holds the host: each client keeps one connection, and a killed client's connection ends with it.

A client says in one JSON line which services it wants started; the host answers with one line for each
service that is up or could not start. The last client's connection ends only with the host's process.
"""

import asyncio
import contextlib
import json
import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

FIRST_CLIENT_SECONDS = 10.0
"""How long a host waits for the client that started it."""
LINE_BYTES = 1 << 16
BACKLOG = 128


def listen(path: Path) -> socket.socket:
    """A socket that clients may connect to from now on, though nobody reads yet; removes a dead host's."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


class Leases:
    """Counts clients on a Unix socket and tells them of services."""

    def __init__(self, wanted: Callable[[frozenset[str]], None], resident: bool = False) -> None:
        """A resident host stays when its last client leaves."""
        self._wanted = wanted
        self._resident = resident
        self._clients: set[asyncio.StreamWriter] = set()
        self._told: list[dict[str, Any]] = []
        self._arrived = asyncio.Event()
        self._abandoned = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._path: Path | None = None

    async def open(self, listener: socket.socket) -> None:
        """Serves the clients of a listening Unix socket."""
        self._path = Path(listener.getsockname())
        self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=LINE_BYTES)

    def tell(self, message: dict[str, Any]) -> None:
        """Tells every client, also those that come later."""
        self._told.append(message)
        for writer in self._clients:
            writer.write(_line(message))

    async def wait_until_abandoned(self) -> None:
        """Returns when the last client has left, or none has come."""
        try:
            async with asyncio.timeout(FIRST_CLIENT_SECONDS):
                await self._arrived.wait()
        except TimeoutError:
            logger.warning("no client came")
            self.close()
            return
        await self._abandoned.wait()

    def close(self) -> None:
        """Takes no more clients: who comes now finds no socket and starts the next host."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        self._abandoned.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients.add(writer)
        self._arrived.set()
        try:
            while line := await reader.readline():
                if self._abandoned.is_set():
                    return  # too late: not greeted, it starts the next host
                hello = json.loads(line)
                writer.write(_line({"host": os.getpid()}))
                for message in self._told:
                    writer.write(_line(message))
                self._wanted(frozenset(hello["start"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("a client left with %r", error)
        finally:
            self._clients.discard(writer)
            if self._clients or self._resident or self._abandoned.is_set():
                with contextlib.suppress(OSError):  # it may be gone already
                    writer.write(_line({"stays": True}))
                writer.close()
            else:
                # A copy that only the kernel closes: its end of file tells that client that we are gone.
                with contextlib.suppress(OSError):  # a reset connection has no descriptor left
                    os.dup(writer.get_extra_info("socket").fileno())
                writer.close()
                self.close()


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"
