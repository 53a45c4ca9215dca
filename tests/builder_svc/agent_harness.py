"""A policy with one agent, its adapter, and a server of this machine that keeps who came."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml


def policy(hosts: Sequence[str] = (), secrets: Sequence[str] = (), **settings: str) -> str:
    """Names the agent as the builder `local`."""
    agent = {
        "kind": "agent",
        "adapter": "scripted",
        "hosts": list(hosts),
        "secrets": list(secrets),
        **settings,
    }
    return yaml.safe_dump({"version": 1, "builders": {"local": agent}})


def set_up(adapters: Path, run: str, **keys: object) -> None:
    """Writes the adapter `scripted`."""
    (adapters / "scripted.yaml").write_text(yaml.safe_dump({"version": 1, "run": run, **keys}))


@dataclass(slots=True)
class Greeter:
    """Greets every request."""

    port: int = 0
    heads: list[bytes] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            self.heads.append(b"")
        finally:
            writer.close()


@asynccontextmanager
async def greeter() -> AsyncIterator[Greeter]:
    made = Greeter()
    async with await asyncio.start_server(made.serve, "127.0.0.1", 0) as server:
        made.port = server.sockets[0].getsockname()[1]
        yield made
