"""A tidy is one run for all who ask for the same, and none that has ended in vain stands in its way."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrator_svc.control import Control
from orchestrator_svc.domain.states import RunState
from orchestrator_svc.ledgers import Ledgers
from orchestrator_svc.projects import Base

BASE = cast(Base, SimpleNamespace(commit="b" * 40))


class Rows:
    """Runs by id, in the states given."""

    def __init__(self) -> None:
        self.states: dict[str, RunState] = {}

    async def exists(self, run_id: str) -> bool:
        return run_id in self.states

    async def get(self, run_id: str, now: float, phases_too: bool) -> Any:
        return SimpleNamespace(state=self.states[run_id])


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def ledgers(rows: Rows) -> Ledgers:
    return Ledgers(cast(Control, SimpleNamespace(rows=rows, clock=lambda: 0.0)))


@pytest.mark.parametrize("state", [RunState.RUNNING, RunState.SUCCEEDED])
async def test_two_who_ask_for_the_same_share_a_run(ledgers: Ledgers, rows: Rows, state: RunState) -> None:
    first = await ledgers._run_id(BASE, ["run-1"])
    rows.states[first] = state

    assert await ledgers._run_id(BASE, ["run-1"]) == first
    assert await ledgers._run_id(BASE, ["run-1", "run-2"]) != first


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.CANCELLED])
async def test_a_tidy_that_landed_nothing_is_tried_anew(
    ledgers: Ledgers, rows: Rows, state: RunState
) -> None:
    tried = []
    for _ in range(3):
        tried.append(await ledgers._run_id(BASE, ["run-1"]))
        rows.states[tried[-1]] = state

    assert len(set(tried)) == 3
