"""Leases: the host lives as long as a client holds it, and tells each what has started."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from autopack.errors import Reason, Unavailable
from autopack.host import leases as module
from autopack.host.client import Host
from autopack.host.hosting import Hosting
from autopack.host.leases import Leases, listen
from autopack.host.places import LEASE_SOCKET, Places
from autopack.rpc.lifetime import RunningService


class Client:
    """One raw client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, path: Path, *start: str) -> "Client":
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(json.dumps({"start": start}).encode() + b"\n")
        client = cls(reader, writer)
        assert "host" in await client.hear()
        return client

    async def hear(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(await self.reader.readline())
        return message

    async def leave(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[tuple[Leases, list[frozenset[str]]]]:
    wanted: list[frozenset[str]] = []
    leases = Leases(wanted.append)
    await leases.open(listen(path))
    try:
        yield leases, wanted
    finally:
        leases.close()


async def test_a_client_says_what_it_wants_and_hears_what_has_started(tmp_path: Path) -> None:
    async with opened(tmp_path / "s") as (leases, wanted):
        leases.tell({"service": "memory", "address": "early"})
        client = await Client.connect(tmp_path / "s", "gate")
        assert await client.hear() == {"service": "memory", "address": "early"}
        leases.tell({"service": "gate", "address": "late"})
        assert await client.hear() == {"service": "gate", "address": "late"}
        assert wanted == [frozenset({"gate"})]
        await client.leave()


async def test_the_host_is_abandoned_when_its_last_client_leaves_and_not_before(tmp_path: Path) -> None:
    async with opened(tmp_path / "s") as (leases, _):
        abandoned = asyncio.create_task(leases.wait_until_abandoned())
        first, second = await Client.connect(tmp_path / "s"), await Client.connect(tmp_path / "s")
        await first.leave()
        third = await Client.connect(tmp_path / "s")
        await second.leave()
        assert not abandoned.done()
        assert (tmp_path / "s").exists()
        await third.leave()
        await asyncio.wait_for(abandoned, 5)
        assert not (tmp_path / "s").exists(), "who comes now starts the next host"


async def test_a_client_that_is_not_the_last_is_let_go_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path / "s"):
        first, second = await Client.connect(tmp_path / "s"), await Client.connect(tmp_path / "s")
        first.writer.write_eof()
        assert await first.hear() == {"stays": True}
        assert await asyncio.wait_for(first.reader.read(), 5) == b""
        await first.leave()
        await second.leave()


async def test_a_client_that_speaks_nonsense_is_let_go(tmp_path: Path) -> None:
    async with opened(tmp_path / "s"):
        kept = await Client.connect(tmp_path / "s")
        reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await asyncio.wait_for(reader.read(), 5) == b'{"stays": true}\n'
        writer.close()
        await writer.wait_closed()
        await kept.leave()


async def test_a_client_that_speaks_after_the_host_was_abandoned_is_not_greeted(tmp_path: Path) -> None:
    async with opened(tmp_path / "s") as (leases, _):
        early = await Client.connect(tmp_path / "s")
        reader, writer = await asyncio.open_unix_connection(tmp_path / "s")
        await early.leave()
        leases.close()
        writer.write(b'{"start": []}\n')
        assert b"host" not in await asyncio.wait_for(reader.read(), 5)
        writer.close()


async def test_a_goodbye_in_place_of_the_greeting_is_no_host(tmp_path: Path) -> None:
    places = Places(tmp_path)
    places.prepare()

    async def goodbye(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b'{"stays": true}\n')
        writer.close()

    async with await asyncio.start_unix_server(goodbye, places.sockets() / LEASE_SOCKET):
        host = Host(places, {})
        assert not await host._greet()


async def test_a_host_that_no_client_comes_to_is_abandoned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_CLIENT_SECONDS", 0.01)
    async with opened(tmp_path / "s") as (leases, _):
        await asyncio.wait_for(leases.wait_until_abandoned(), 5)


class FakeServer:
    """What `tell` needs of a server."""

    def __init__(self, address: str) -> None:
        self.address = address


class Services:
    """Starts services that only remember what was done with them."""

    def __init__(self, **failures: Exception) -> None:
        self.failures = failures
        self.log: list[str] = []

    async def start(self, service: str) -> RunningService:
        self.log.append(f"start {service}")
        if service in self.failures:
            raise self.failures[service]

        async def close() -> None:
            self.log.append(f"close {service}")

        server: Any = FakeServer(f"unix:{service}")
        return RunningService(server, close)


class Told:
    """Keeps what clients would be told."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.tell = self._queue.put_nowait

    async def take(self, count: int) -> list[dict[str, Any]]:
        return [await asyncio.wait_for(self._queue.get(), 5) for _ in range(count)]


async def test_each_service_is_started_once_and_the_orchestrator_first() -> None:
    services, told = Services(), Told()
    hosting = Hosting(services.start, told.tell)
    hosting.want(frozenset({"memory", "gate", "orchestrator"}))
    hosting.want(frozenset({"gate"}))
    messages = await told.take(3)
    assert services.log == ["start orchestrator", "start gate", "start memory"]
    assert messages[0] == {"service": "orchestrator", "address": "unix:orchestrator"}
    await hosting.close()
    assert services.log[3:] == ["close orchestrator", "close gate", "close memory"]


async def test_a_service_that_cannot_start_is_told_and_the_others_go_on() -> None:
    refused = Unavailable(Reason("SANDBOX_UNAVAILABLE", "none", "mend it"))
    services, told = Services(gate=refused, builder=RuntimeError("boom")), Told()
    hosting = Hosting(services.start, told.tell)
    hosting.want(frozenset({"builder", "gate", "memory"}))
    found = {message["service"]: message for message in await told.take(3)}
    assert found["gate"]["reasons"][0]["code"] == "SANDBOX_UNAVAILABLE"
    assert found["builder"]["reasons"][0]["code"] == "HOST_FAILED"
    assert "address" in found["memory"]
    await hosting.close()
