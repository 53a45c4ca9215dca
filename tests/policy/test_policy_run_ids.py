"""Run ids: refused before the run starts where git would refuse the branch."""

import pytest

from autopack.cli.submission import _RUN_ID


@pytest.mark.parametrize("run_id", ["a..b", "a.", "x.lock", "../x", "a b", "-x", "a" * 64, "A"])
def test_what_cannot_name_a_branch_is_no_run_id(run_id: str) -> None:
    assert not _RUN_ID.fullmatch(run_id)


@pytest.mark.parametrize("run_id", ["a", "a.b", "x.locks", "lock", "run-1_2.3", "a" * 63])
def test_the_rest_is_one(run_id: str) -> None:
    assert _RUN_ID.fullmatch(run_id)
