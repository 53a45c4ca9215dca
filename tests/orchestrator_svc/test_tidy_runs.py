"""A tidy is one run for all who ask for the same, and none that has ended in vain stands in its way."""

from datetime import date
from types import SimpleNamespace
from typing import Any, cast

import pytest

from autopack.ledger.document import append, empty
from autopack.ledger.entry import Kind, make_content
from autopack.ledger.files import render_files
from orchestrator_svc.control import Control
from orchestrator_svc.domain.states import RunState
from orchestrator_svc.ledgers import Ledgers
from orchestrator_svc.projects import Base, Project

BASE = cast(Base, SimpleNamespace(commit="b" * 40))


class Rows:
    """Runs by id, in the states given."""

    def __init__(self) -> None:
        self.states: dict[str, RunState] = {}

    async def exists(self, run_id: str) -> bool:
        return run_id in self.states

    async def get(self, run_id: str, now: float, phases_too: bool = True) -> Any:
        return self.run(run_id)

    async def of_project(self, project_id: str, now: float) -> list[Any]:
        return [self.run(run_id) for run_id in self.states]

    async def plan(self, run_id: str) -> bytes:
        return b""

    def run(self, run_id: str) -> Any:
        return SimpleNamespace(run_id=run_id, state=self.states[run_id], base="b" * 40, head="c" * 40)


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


async def test_only_ended_runs_that_the_ledger_lacks_are_recorded(ledgers: Ledgers, rows: Rows) -> None:
    content = make_content(Kind.BUILD, "One", {"What changed": "w", "Verified": "v", "Run": "told"})
    files = render_files(append(empty(Kind.BUILD), [(content, date(2026, 1, 1))], date(2026, 1, 1)))
    recorded: list[str] = []

    async def remember(run: Any, plan: object, project: object) -> None:
        recorded.append(run.run_id)

    rows.states = {
        "told": RunState.SUCCEEDED,
        "running": RunState.RUNNING,
        "waiting": RunState.WAITING_APPROVAL,
        "tidy-1": RunState.SUCCEEDED,
        "partly": RunState.FAILED,
        "done": RunState.SUCCEEDED,
    }
    ledgers.control.drivers = cast(Any, SimpleNamespace(remember=remember))
    store = SimpleNamespace(read=lambda commit, path, limit: files.get(path, "").encode() or None)
    remote = SimpleNamespace(contains=lambda store, base, head: True)
    project = cast(Project, SimpleNamespace(project_id="p", store=store, remote=remote))

    assert await ledgers._merged(project, BASE) == ["partly", "done"]
    assert recorded == ["partly", "done"]
