"""The machine's clock jumps: no run is driven twice, and none is left to nobody."""

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from autopack.api.orchestrator.v1 import run_pb2
from tests.orchestrator_svc.conftest import a_plan, an_orchestrator
from tests.orchestrator_svc.doubles import Script, doubles

HOUR = 3600.0


@dataclass
class Clock:
    """What the orchestrator takes for the time."""

    jumped: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.jumped


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
async def test_a_run_goes_on_and_is_driven_once(
    tmp_path: Path, script: Script, database_url: str, repository: Path, jump: float
) -> None:
    clock = Clock()
    script.hold_gate["one"] = asyncio.Event()
    async with AsyncExitStack() as stack:
        addresses = await stack.enter_async_context(doubles(script, tmp_path / "doubles"))
        client = await stack.enter_async_context(
            an_orchestrator(tmp_path / "o", addresses, database_url, repository, clock, lease_seconds=0.5)
        )
        await client.submit(a_plan("one", ("two", ["one"])))
        await script.until(lambda: bool(script.gates))
        clock.jumped = jump
        async with asyncio.timeout(20):
            # Until the lease is renewed under the new time; no event of ours can tell.
            while not (await client.get()).driven:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        script.hold_gate["one"].set()
        run = await client.stopped()

    assert run.state == run_pb2.RUN_STATE_SUCCEEDED
    assert len(script.gates) == len(script.builds) == 2


async def test_a_lease_from_before_the_clock_went_back_binds_nobody(
    tmp_path: Path, script: Script, database_url: str, repository: Path
) -> None:
    script.hold_build["one"] = asyncio.Event()
    async with AsyncExitStack() as stack:
        addresses = await stack.enter_async_context(doubles(script, tmp_path / "doubles"))
        async with an_orchestrator(tmp_path / "a", addresses, database_url, repository) as client:
            await client.submit(a_plan("one"))
            await script.until(lambda: bool(script.builds))
        # As one that was killed would have left it, an hour from now.
        engine = sa.create_engine(database_url)
        with engine.begin() as connection:
            left = {"until": time.time() + HOUR}
            connection.execute(sa.text("UPDATE runs SET owner = 'dead', lease_until = :until"), left)
        engine.dispose()
        script.hold_build["one"].set()
        again = an_orchestrator(tmp_path / "a", addresses, database_url, repository, executor_id="b")
        client = await stack.enter_async_context(again)
        run = await client.stopped()

    assert run.state == run_pb2.RUN_STATE_SUCCEEDED
