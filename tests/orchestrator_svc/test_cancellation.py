"""A cancellation that meets an event on its way is still obeyed, whichever of them comes first."""

import asyncio
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock

import pytest

from orchestrator_svc.control import Control
from orchestrator_svc.domain.run import Run
from orchestrator_svc.domain.states import RunState
from orchestrator_svc.notifier import Notifier
from orchestrator_svc.survivors import Survivors

TURNS = range(5)
"""Turns of the loop between the event and the cancellation."""


async def turn(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("turns", TURNS)
async def test_the_look_for_survivors_stops_while_a_run_ends(turns: int) -> None:
    room = asyncio.Event()

    async def start() -> None: ...

    async def undriven(now: float, halted_too: bool) -> list[str]:
        return []

    control: Any = SimpleNamespace(
        engine=SimpleNamespace(start=start),
        rows=SimpleNamespace(undriven=undriven),
        drivers=SimpleNamespace(room=room, recover=AsyncMock()),
    )
    survivors = Survivors(control, lambda: 0.0, 60.0)
    survivors.start()
    await turn(10)
    room.set()
    await turn(turns)

    async with asyncio.timeout(1):
        await survivors.stop()


async def test_a_halted_run_is_not_tried_again_because_its_own_end_made_room() -> None:
    room, looks = asyncio.Event(), []

    async def start() -> None: ...

    async def undriven(now: float, halted_too: bool) -> list[str]:
        looks.append(halted_too)
        return []

    control: Any = SimpleNamespace(
        engine=SimpleNamespace(start=start),
        rows=SimpleNamespace(undriven=undriven),
        drivers=SimpleNamespace(room=room, recover=AsyncMock()),
    )
    survivors = Survivors(control, lambda: 0.0, 60.0)
    survivors.start()
    await turn(10)
    room.set()
    await turn(10)
    await survivors.stop()

    assert looks == [True, False]


@pytest.mark.parametrize("turns", TURNS)
async def test_a_watcher_that_hangs_up_while_its_run_changes_is_gone(turns: int) -> None:
    async def news(run_id: str, after: int, limit: int, now: float) -> tuple[Run, tuple[()]]:
        return Run(run_id, "p", "plan", "digest", RunState.RUNNING, "base", "head", 0.0, "trace"), ()

    rows: Any = SimpleNamespace(news=news)
    unused: Any = None
    notifier = Notifier()
    control = Control(rows, unused, unused, unused, notifier, lambda: 0.0)

    async def watch() -> None:
        async for _ in control.watch("r1", 0):
            pass

    watching = asyncio.create_task(watch())
    await turn(10)
    notifier.changed("r1")
    await turn(turns)
    watching.cancel()

    await asyncio.wait({watching}, timeout=1)
    assert watching.cancelled()
