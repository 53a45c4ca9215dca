"""A builder that is killed in the middle of a build gets back nothing of what it had spent or reserved."""

import asyncio
import os
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from autopack.api.builder.v1 import build_pb2
from autopack.errors import Unavailable
from autopack.rpc.channel import create_channel
from builder_svc.builders.secrets import Secrets
from builder_svc.config import Config
from tests.builder_svc.builder_harness import Client, Owner, command, failure, named, serving_owner
from tests.builder_svc.scripted_model import Answer, ScriptedModel, edits, scripted_model
from tests.crash.scene import ROOT, Process

TOKENS = 24_000


class Mortal:
    """A builder in a process of its own, over one directory."""

    def __init__(self, directory: Path) -> None:
        self.address = f"unix:{directory}/builder.sock"
        environ = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "AUTOPACK_ADDRESS": self.address,
            "AUTOPACK_DIRECTORY": str(directory),
            "OTEL_SDK_DISABLED": "true",
        }
        self.process = Process("builder_svc", (), environ, directory / "builder.log")

    def kill(self) -> None:
        """SIGKILL, and another start."""
        assert self.process.process is not None
        self.process.process.kill()
        self.process.process.wait()
        self.process.revive()


@pytest.fixture
async def owner(tmp_path: Path) -> AsyncIterator[Owner]:
    async with serving_owner(tmp_path / "owner.git") as made:
        yield made


@pytest.fixture
async def mortal(tmp_path: Path) -> AsyncIterator[Mortal]:
    (tmp_path / "builder").mkdir(mode=0o700)
    made = Mortal(tmp_path / "builder")
    made.process.start()
    yield made
    assert made.process.process is not None
    made.process.process.kill()
    made.process.process.wait()


def client_of(owner: Owner, mortal: Mortal, channel: object) -> Client:
    config = Config(Path("unused"), mortal.address, Secrets(lambda name: None))
    return Client(owner, config, None, channel)  # type: ignore[arg-type]  # its process is another


def policy(model: ScriptedModel) -> str:
    return f"version: 1\nbuilders: {{local: {{kind: model, model: m, endpoint: '{model.endpoint}'}}}}\n"


async def test_tokens_of_a_call_that_a_crash_cut_off_are_spent(owner: Owner, mortal: Mortal) -> None:
    answer = edits({"path": "src/a.py", "contents": "x"})
    async with scripted_model(Answer(hang=True), answer) as model, create_channel(mortal.address) as channel:
        await asyncio.wait_for(channel.channel_ready(), 30)
        client = client_of(owner, mortal, channel)
        request = client.request(named(), policy=policy(model), tokens=TOKENS)
        await client.start(request)
        await asyncio.wait_for(model.asked.wait(), 20)
        reserved = model.requests[0]["max_tokens"]
        mortal.kill()
        build = await started_again(client, request.request_id, request)

    assert build.state == build_pb2.BUILD_STATE_SUCCEEDED
    # The first call's answer might have been as long as it was allowed to be.
    assert model.requests[1]["max_tokens"] <= TOKENS - reserved
    assert build.usage.output_tokens >= reserved + 7
    assert build.usage.input_tokens + build.usage.output_tokens <= TOKENS


async def test_seconds_before_a_crash_are_spent(owner: Owner, mortal: Mortal, tmp_path: Path) -> None:
    """Of six, one has passed when it is noted first, and five are reserved ahead: nothing is left."""
    async with create_channel(mortal.address) as channel:
        await asyncio.wait_for(channel.channel_ready(), 30)
        client = client_of(owner, mortal, channel)
        request = client.request(command("sleep 100"), seconds=6)
        await client.start(request)
        await until_kept(tmp_path / "builder" / "builder.db")
        mortal.kill()
        build = await started_again(client, request.request_id, request)

    assert failure(build) == "BUDGET_EXHAUSTED"
    assert build.usage.seconds >= 6


async def started_again(client: Client, request_id: str, request: object) -> build_pb2.Build:
    """As the orchestrator asks again: the same request, when the service is back."""
    async with asyncio.timeout(30):
        while True:
            try:
                await client.start(request)  # type: ignore[arg-type]  # a request of any of its kinds
                return await client.wait(request_id)
            except Unavailable:
                await asyncio.sleep(0.05)


async def until_kept(database: Path) -> None:
    """Returns when the builder has noted what the build has spent."""
    async with asyncio.timeout(30):
        while True:
            with sqlite3.connect(database) as connection:
                if connection.execute("SELECT count(*) FROM spending").fetchone() != (0,):
                    return
            await asyncio.sleep(0.05)
