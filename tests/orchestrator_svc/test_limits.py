"""What happens at the limits: too many runs at once, and a database that is away for less than a lease."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from autopack.api.orchestrator.v1 import run_pb2
from autopack.errors import Reason, ResourceExhausted, Unavailable
from orchestrator_svc.drivers import Drivers
from orchestrator_svc.notifier import Notifier
from tests.orchestrator_svc.conftest import a_plan, an_orchestrator
from tests.orchestrator_svc.doubles import Script, doubles

LEASE_SECONDS = 0.2


async def test_more_runs_than_are_admitted_are_told_when_to_come_again(
    tmp_path: Path, script: Script, database_url: str, repository: Path
) -> None:
    script.hold_build["one"] = asyncio.Event()
    async with AsyncExitStack() as stack:
        addresses = await stack.enter_async_context(doubles(script, tmp_path / "doubles"))
        client = await stack.enter_async_context(
            an_orchestrator(tmp_path / "o", addresses, database_url, repository, admitted_runs=2)
        )
        for run_id in ("r1", "r2"):
            await client.submit(a_plan("one"), run_id)
        with pytest.raises(ResourceExhausted, match="TOO_MANY_RUNS") as refused:
            await client.submit(a_plan("one"), "r3")
        again = await client.submit(a_plan("one"), "r1")
        script.hold_build["one"].set()
        ended = [await client.stopped(run_id) for run_id in ("r1", "r2")]
        await client.submit(a_plan("one"), "r3")

    assert refused.value.retry_after_seconds
    assert again.run_id == "r1"
    assert [run.state for run in ended] == [run_pb2.RUN_STATE_SUCCEEDED] * 2


def drivers_over(answers: list[bool | Exception]) -> Drivers:
    """Drivers whose database gives these answers to the renewal of a lease, the last one for ever."""

    async def renew(*arguments: object) -> bool:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    rows: Any = SimpleNamespace(renew=renew)
    config: Any = SimpleNamespace(lease_seconds=LEASE_SECONDS)
    unused: Any = None
    return Drivers(config, rows, unused, unused, Notifier(), lambda: 0.0)


GONE = Unavailable(Reason("DATABASE_UNAVAILABLE", "gone", ""))


async def test_a_run_goes_on_while_the_database_is_away_for_less_than_its_lease() -> None:
    answers: list[bool | Exception] = [True, GONE, GONE, True, False]
    await drivers_over(answers)._keep_lease("r", 1, asyncio.Event())

    assert answers == [False]


async def test_a_run_is_let_go_when_nobody_can_tell_whose_it_is() -> None:
    with pytest.raises(Unavailable):
        await drivers_over([True, GONE])._keep_lease("r", 1, asyncio.Event())
