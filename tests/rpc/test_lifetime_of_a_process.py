"""A service's process: it drains on SIGTERM, tells the cut off to call again, and never hangs."""

import asyncio
import signal
import subprocess
import sys
import textwrap
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from autopack.api.git.v1 import git_service_pb2
from autopack.api.memory.v1 import memory_service_pb2
from autopack.errors import Unavailable
from autopack.rpc.errors import call
from autopack.rpc.lifetime import close_all

QUERY = memory_service_pb2.RecallRequest(project_id="p", query="q")
WANTS = git_service_pb2.GetPackRequest(project_id="p", wants=["0" * 40])


class Held:
    """A handler that runs until it is let go."""

    def __init__(self) -> None:
        self.begun, self.go = asyncio.Event(), asyncio.Event()
        self.calls = 0

    async def __call__(self, request: Any, context: Any) -> memory_service_pb2.RecallResponse:
        self.calls += 1
        self.begun.set()
        await self.go.wait()
        return memory_service_pb2.RecallResponse()


async def test_a_stop_lets_running_calls_end(serve: Any) -> None:
    served = await serve(drain_seconds=60)
    served.memory.recall = held = Held()
    running = asyncio.create_task(call(served.recall(QUERY)))
    await held.begun.wait()
    stopping = asyncio.create_task(served.server.stop())
    await asyncio.sleep(0)
    held.go.set()
    assert await running == memory_service_pb2.RecallResponse()
    await stopping


async def test_a_call_that_outlasts_the_drain_is_told_to_call_again(serve: Any) -> None:
    served = await serve(drain_seconds=0.01)
    served.memory.recall = held = Held()
    running = asyncio.create_task(call(served.recall(QUERY, timeout=5)))
    await held.begun.wait()
    await served.server.stop()
    with pytest.raises(Unavailable):
        await running


async def test_a_stream_that_outlasts_the_drain_is_told_why(serve: Any) -> None:
    served = await serve(drain_seconds=0.01)
    stream = served.get_pack(WANTS)
    assert (await stream.read()).chunk == b"one"
    stopping = asyncio.create_task(served.server.stop())
    with pytest.raises(Unavailable, match="SERVICE_STOPPING"):
        await call(stream.read())
    await stopping
    assert served.git.cleaned.is_set()


async def test_stopping_twice_and_before_the_start_does_nothing(serve: Any) -> None:
    served = await serve()
    await served.server.stop()
    await served.server.stop()


async def test_closers_are_called_in_order_and_all_of_them() -> None:
    called: list[str] = []

    def closer(name: str) -> Callable[[], Awaitable[None]]:
        async def close() -> None:
            called.append(name)
            if name == "second":
                raise OSError("disk")

        return close

    with pytest.raises(OSError, match="disk"):
        await close_all(closer("first"), closer("second"), lambda: called.append("third"))
    assert called == ["first", "second", "third"]


PROGRAM = """
import asyncio, logging, sys, time
from autopack.rpc import lifetime
from autopack.rpc.server import ServerSettings, create_server

async def main():
    server = create_server(ServerSettings("unix:" + sys.argv[1], drain_seconds=0), [])
    {body}

logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
asyncio.run(main())
"""


def start(tmp_path: Path, body: str) -> subprocess.Popen[str]:
    program = textwrap.dedent(PROGRAM).format(body=body)
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "x.sock")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("serving on")
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_process_in_good_order(tmp_path: Path, number: signal.Signals) -> None:
    body = 'await lifetime.serve(server, lambda: print("closed", flush=True))'
    process = start(tmp_path, body)
    process.send_signal(number)
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, output, errors) == (
        0,
        f"stopped serving on unix:{tmp_path}/x.sock\nclosed\n",
        "",
    )
    assert not (tmp_path / "x.sock").exists()


def test_a_stop_that_hangs_dumps_every_stack_and_ends(tmp_path: Path) -> None:
    body = "lifetime.CLOSE_SECONDS = 0.2; await lifetime.serve(server, lambda: time.sleep(60))"
    process = start(tmp_path, body)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Timeout" in errors
    assert "time.sleep" in errors or "in <lambda>" in errors
