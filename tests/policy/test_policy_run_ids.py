"""Run ids: refused before the run starts where git would refuse the branch."""

import pytest

from autopack.policy.run_ids import refuse_run_id


@pytest.mark.parametrize(
    "run_id", ["", "tidy-1", "a\n", "a..b", "a.", "x.lock", "../x", "a b", "-x", "a" * 64, "A"]
)
def test_what_cannot_name_a_branch_is_no_run_id(run_id: str) -> None:
    refusal = refuse_run_id(run_id)
    assert refusal is not None
    assert refusal.code == "RUN_ID_INVALID"


@pytest.mark.parametrize("run_id", ["a", "a.b", "x.locks", "lock", "run-1_2.3", "a" * 63])
def test_the_rest_is_one(run_id: str) -> None:
    assert refuse_run_id(run_id) is None
