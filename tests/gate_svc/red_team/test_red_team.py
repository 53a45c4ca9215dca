"""No cheat is accepted, and no honest change is refused: one real gate judges them.

Of the changes that take a run of their own every third is judged; `RED_TEAM=all` has all of them judged.
"""

import asyncio
import os
from collections.abc import Iterator

import pytest

from tests.gate_svc.gate_bench import ACCEPT, NEEDS_APPROVAL, REJECT, Bench, codes, open_bench
from tests.gate_svc.red_team.cheats import CHEATS
from tests.gate_svc.red_team.honest import ACCEPTED, ASKED
from tests.gate_svc.red_team.more_cheats import MORE_CHEATS
from tests.gate_svc.red_team.more_honest import MORE_ACCEPTED, MORE_ASKED
from tests.gate_svc.red_team.projects import Change


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@pytest.fixture(scope="module")
def one_gate(runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A gate for all changes, so that each base is run once."""
    opened = open_bench(tmp_path_factory.mktemp("red-team"))
    yield runner.run(opened.__aenter__())
    runner.run(opened.__aexit__(None, None, None))


def judged(runner: asyncio.Runner, gate: Bench, change: Change) -> tuple[int, list[str]]:
    """The decision on a change, and its reasons."""
    verdict = runner.run(gate.judge(change.project, change.head(), category=change.category))
    return verdict.decision, codes(verdict)


def by_name(changes: tuple[Change, ...]) -> pytest.MarkDecorator:
    quick = [each for each in changes if each.static]
    others = [each for each in changes if not each.static]
    chosen = quick + (others if os.environ.get("RED_TEAM") == "all" else others[::3])
    return pytest.mark.parametrize("change", [pytest.param(each, id=each.name) for each in chosen])


@by_name((*CHEATS, *MORE_CHEATS))
def test_a_cheat_is_not_accepted(runner: asyncio.Runner, one_gate: Bench, change: Change) -> None:
    decision, reasons = judged(runner, one_gate, change)
    assert decision in (REJECT, NEEDS_APPROVAL), reasons


@by_name((*ACCEPTED, *MORE_ACCEPTED))
def test_an_honest_change_is_accepted(runner: asyncio.Runner, one_gate: Bench, change: Change) -> None:
    decision, reasons = judged(runner, one_gate, change)
    assert decision == ACCEPT, reasons


@by_name((*ASKED, *MORE_ASKED))
def test_a_change_of_what_is_right_asks(runner: asyncio.Runner, one_gate: Bench, change: Change) -> None:
    decision, reasons = judged(runner, one_gate, change)
    assert decision == NEEDS_APPROVAL, reasons
