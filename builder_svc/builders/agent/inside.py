"""Starts the agent in the sandbox, with the one way out that there is: the proxy behind a Unix socket.

Run there by its path, with a JSON file as `Start` has it: the standard library only.
"""

import asyncio
import functools
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

CHUNK = 1 << 16
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
LOOPBACK = "localhost,127.0.0.1,::1"
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Start(TypedDict):
    """What is to be started, and how it gets out."""

    line: str
    path: list[str]
    """Put before PATH."""
    socket: str
    """The proxy's; empty: there is no way out."""
    tunnels: list[tuple[str, int, str]]
    """Address and port to listen on here, and the HOST:PORT to tunnel to: what agents take for local."""


async def splice(
    one: Connection,
    other: Connection,
    passed_on: Callable[[int], None] = lambda size: None,
    passed_back: Callable[[int], None] = lambda size: None,
) -> None:
    """Carries bytes both ways until both sides are through, then closes them.

    The callbacks are told of bytes before those are carried on, and may raise OSError to end it.
    """
    try:
        async with asyncio.TaskGroup() as ways:
            ways.create_task(_carry(one[0], other[1], passed_on))
            ways.create_task(_carry(other[0], one[1], passed_back))
    except* OSError:
        pass  # one side has gone: the other learns it by its end
    finally:
        one[1].close()
        other[1].close()


async def _carry(
    source: asyncio.StreamReader, target: asyncio.StreamWriter, passed: Callable[[int], None]
) -> None:
    while data := await source.read(CHUNK):
        passed(len(data))
        target.write(data)
        await target.drain()
    target.write_eof()


async def _forward(
    socket: str, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """To the proxy as it comes; with a target, through a tunnel to it."""
    try:
        out = await asyncio.open_unix_connection(socket)
        if target:
            out[1].write(f"CONNECT {target} HTTP/1.1\r\n\r\n".encode())
            answer = await out[0].readuntil(b"\r\n\r\n")
            if b" 200 " not in answer.partition(b"\r\n")[0]:
                out[1].close()
                raise ConnectionRefusedError(target)
    except (OSError, asyncio.IncompleteReadError):
        writer.close()
        return
    await splice((reader, writer), out)


async def main(start: Start) -> int:
    """The agent's exit status; 128 + n where signal n ended it."""
    environment = dict(os.environ, PATH=os.pathsep.join([*start["path"], os.environ["PATH"]]))
    servers = []
    if start["socket"]:
        door = functools.partial(_forward, start["socket"], "")
        servers.append(await asyncio.start_server(door, "127.0.0.1", 0))
        port = servers[0].sockets[0].getsockname()[1]
        environment |= dict.fromkeys(PROXY_VARIABLES, f"http://127.0.0.1:{port}")
        environment |= {"NO_PROXY": LOOPBACK, "no_proxy": LOOPBACK}
        environment["NODE_USE_ENV_PROXY"] = "1"  # Node's own fetch asks for it
    for address, number, target in start["tunnels"]:
        tunnel = functools.partial(_forward, start["socket"], target)
        servers.append(await asyncio.start_server(tunnel, address, number))
    agent = await asyncio.create_subprocess_exec("/bin/sh", "-ec", start["line"], env=environment)
    status = await agent.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(asyncio.run(main(json.loads(Path(sys.argv[1]).read_text()))))
