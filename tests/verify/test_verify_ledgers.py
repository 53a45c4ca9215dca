"""What a commit adds to the ledgers must agree with what is attested of the runs that it tells of."""

from datetime import date
from pathlib import Path

import pytest

from autopack.ledger.document import append, empty, render
from autopack.ledger.entry import LEDGERS, Kind, make_content
from tests.verify.attested import Attested, attested, found

TODAY = date(2026, 11, 22)


def tell(made: Attested, **said: str) -> None:
    """A landed commit that adds an entry to the build history."""
    fields = {"What changed": "things", "Verified": "by tests", **said}
    content = make_content(Kind.BUILD, "A run", fields)
    text = render(append(empty(Kind.BUILD), [(content, TODAY)], TODAY))
    made.change("tidy", made.head, 1, {**made.files, LEDGERS[Kind.BUILD].path: text.encode()})
    made.store.update_refs([("refs/heads/x", made.head, "")])


@pytest.fixture
def made(tmp_path: Path) -> Attested:
    history = attested(tmp_path)
    history.run("r1", 2)
    return history


def test_an_entry_that_tells_what_is_attested_holds(made: Attested) -> None:
    base = made.store.parents(made.commits[0])[0]
    tell(made, Run="r1", Base=f"`{base}`", Head=f"`{made.commits[-1]}`")
    assert found(made, "x") == []


@pytest.mark.parametrize("wrong", ["Run", "Base", "Head"])
def test_an_entry_that_tells_something_else_does_not(made: Attested, wrong: str) -> None:
    said = {"Run": "r1", "Base": made.store.parents(made.commits[0])[0], "Head": made.commits[-1]}
    tell(made, **{**said, wrong: {"Run": "r9", "Base": made.commits[0], "Head": "0" * 40}[wrong]})
    assert found(made, f"{made.commits[-1]}..x") == ["LEDGER_DISAGREES"]
