"""The way out of an agent's sandbox: a proxy on a Unix socket that reaches the named hosts only."""

import asyncio
import ipaddress
import re
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from builder_svc.builders.agent.inside import Connection, splice

HEAD_BYTES = 1 << 16
HEAD_SECONDS = 30.0
CONNECT_SECONDS = 15.0
MAXIMUM_CONNECTIONS = 256
MAXIMUM_TARGETS = 100
"""Of different names that the record keeps; what else is asked for is counted together."""
_REQUEST = re.compile(rb"([A-Z]{1,20}) (\S{1,8000}) HTTP/1\.[01]\r\n")
_OF_THE_HOP = re.compile(rb"(?im)^(?:proxy-[a-z-]+|connection|host|keep-alive|te|upgrade):[^\n]*\n")


@dataclass(slots=True)
class Target:
    """What became of all connections to one HOST:PORT."""

    allowed: bool
    connections: int = 0
    sent: int = 0
    received: int = 0
    failure: str = ""
    """Why the last one could not be made."""


class Refused(Exception):
    """The proxy does not do this; the message says why."""


class FilteringProxy:
    """Knows the hosts that one build may reach, and what it did there."""

    def __init__(self, hosts: Sequence[str], maximum_sent: int, passed: Callable[[int, int], None]) -> None:
        """`hosts` are HOST:PORT; after `maximum_sent` bytes to all of them together nothing more is sent.

        `passed` is told of all bytes that were sent and received so far. Raises ValueError for a bad host.
        """
        self._passed = passed
        self._allowed = frozenset(map(canonical_target, hosts))
        self._maximum_sent = maximum_sent
        self._tasks: set[asyncio.Task[None]] = set()
        self.targets: dict[str, Target] = {}
        self.sent = 0
        self.received = 0

    @property
    def exhausted(self) -> bool:
        """Whether more was to be sent than may be."""
        return self.sent > self._maximum_sent

    @property
    def refused(self) -> list[str]:
        """What was asked for and is not allowed."""
        return [name for name, target in self.targets.items() if not target.allowed]

    @property
    def unreachable(self) -> str:
        """Which allowed host could not be reached and why; empty where one has answered."""
        failures = [f"{name}: {target.failure}" for name, target in self.targets.items() if target.failure]
        return "; ".join(failures) if failures and not self.received else ""

    @asynccontextmanager
    async def serving(self, path: Path) -> AsyncIterator[None]:
        """Answers on a Unix socket at `path`, to every user: who gets at it is decided by the mounts."""
        server = await asyncio.start_unix_server(self._accept, path, limit=HEAD_BYTES)
        try:
            await asyncio.to_thread(path.chmod, 0o666)
            yield
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await server.wait_closed()

    def record(self) -> list[dict[str, Any]]:
        """What was reached and refused, as JSON values."""
        return [
            {
                "host": name,
                "allowed": target.allowed,
                "connections": target.connections,
                "sent": target.sent,
                "received": target.received,
                **({"failure": target.failure} if target.failure else {}),
            }
            for name, target in self.targets.items()
        ]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._tasks) >= MAXIMUM_CONNECTIONS:
            writer.close()
            return
        self._tasks.add(task)
        try:
            await self._serve((reader, writer))
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the agent went away or never said what it wants
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, agent: Connection) -> None:
        async with asyncio.timeout(HEAD_SECONDS):
            head = await agent[0].readuntil(b"\r\n\r\n")
        try:
            name, first = _parse(head)
            target = self._target(name)
            if not target.allowed:
                raise Refused(f"{name} is not among the builder's hosts")
            if self.exhausted:
                raise Refused("more was sent than the token budget allows")
        except Refused as error:
            return await _answer(agent, "403 Forbidden", str(error))
        try:
            host = await _connect(name)
        except (OSError, TimeoutError) as error:
            target.failure = str(error) or type(error).__name__
            return await _answer(agent, "502 Bad Gateway", f"{name}: {target.failure}")

        def sent(size: int) -> None:
            self.sent += size
            target.sent += size
            self._passed(self.sent, self.received)
            if self.exhausted:
                raise ConnectionAbortedError("the token budget is spent")

        def received(size: int) -> None:
            self.received += size
            target.received += size
            self._passed(self.sent, self.received)

        try:
            if first:
                sent(len(first))
                host[1].write(first)
            else:
                agent[1].write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await splice(agent, host, sent, received)
        finally:
            host[1].close()

    def _target(self, name: str) -> Target:
        if name not in self.targets and len(self.targets) >= MAXIMUM_TARGETS:
            name = name if name in self._allowed else "others"
        target = self.targets.setdefault(name, Target(name in self._allowed))
        target.connections += 1
        return target


def canonical_target(target: str) -> str:
    """HOST:PORT in one spelling. Raises ValueError where it is none."""
    parts = urlsplit(f"//{target}")
    if not parts.hostname or not parts.port or parts.netloc != target or "@" in target:
        raise ValueError(f"{target!a} is no HOST:PORT")
    name = parts.hostname.lower().removesuffix(".")
    address = _address(name)
    if address is not None:
        name = f"[{address}]" if address.version == 6 else str(address)
    return f"{name}:{parts.port}"


def is_loopback(target: str) -> bool:
    """Whether a canonical target is on this machine."""
    name = target.rpartition(":")[0].strip("[]")
    address = _address(name)
    return name == "localhost" or (address is not None and address.is_loopback)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _parse(head: bytes) -> tuple[str, bytes]:
    """The target, and what to send to it first: nothing through a tunnel."""
    request = _REQUEST.match(head)
    if request is None:
        raise Refused("this is a proxy: it takes CONNECT and requests of absolute http URLs")
    method, wanted = request[1], request[2].decode("ascii", "replace")
    try:
        if method == b"CONNECT":
            return canonical_target(wanted), b""
        parts = urlsplit(wanted)
        if parts.scheme != "http" or not parts.netloc:
            raise Refused("this is a proxy: it takes CONNECT and requests of absolute http URLs")
        default = "" if parts.port else ":80"
        name = canonical_target(parts.netloc + default)
    except ValueError as error:
        raise Refused(str(error)) from error
    path = wanted.partition("://")[2].removeprefix(parts.netloc).partition("#")[0]
    path = path if path.startswith("/") else "/" + path
    # One request for each connection: a second one might be meant for another host.
    fields = _OF_THE_HOP.sub(b"", head[request.end() :]).removesuffix(b"\r\n")
    start = f"{path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n".encode("ascii", "replace")
    return name, method + b" " + start + fields + b"\r\n"


async def _connect(target: str) -> Connection:
    """By the address that was looked at: a name cannot lead elsewhere a moment later."""
    name, _, port = target.rpartition(":")
    async with asyncio.timeout(CONNECT_SECONDS):
        found = await asyncio.get_running_loop().getaddrinfo(
            name.strip("[]"), int(port), type=socket.SOCK_STREAM
        )
        failure: OSError | None = None
        for address in dict.fromkeys(str(entry[4][0]) for entry in found):
            try:
                _check(target, ipaddress.ip_address(address))
                return await asyncio.open_connection(address, int(port))
            except OSError as error:
                failure = error
        raise failure or OSError(f"{name} has no address")


def _check(target: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """Names may not lead to this machine or to its cloud's metadata, which no policy can name either."""
    mapped = getattr(address, "ipv4_mapped", None) or address
    metadata = mapped.is_link_local or str(mapped) in {"fd00:ec2::254", "100.100.100.200", "168.63.129.16"}
    ours = mapped.is_loopback or mapped.is_unspecified
    if metadata or mapped.is_multicast or (ours and not is_loopback(target)):
        raise OSError(f"its address {address} is never reached from a sandbox")


async def _answer(agent: Connection, status: str, message: str) -> None:
    body = message.encode("ascii", "replace") + b"\n"
    agent[1].write(
        f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n".encode()
        + body
    )
    await agent[1].drain()
