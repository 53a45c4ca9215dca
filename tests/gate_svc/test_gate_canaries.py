"""What it means that a test passes which was made to fail, and an assertion that expects what is wrong."""

import pytest

from autopack.policy.plan import Check
from gate_svc.domain.canaries import canaries
from gate_svc.domain.evidence import Evidence, Outcome
from gate_svc.domain.reports.records import read_records
from gate_svc.domain.ruling import Weight

CHECK = Check("tests", "python -m pytest -q", "pytest")

TESTS = {"test_a": Outcome.PASSED}


def evidence(canary: Outcome | None, **twins: bool) -> Evidence:
    return Evidence(tests=TESTS, canary=canary, twins=twins)


@pytest.mark.parametrize(
    ("head", "base", "said"),
    [
        (Outcome.FAILED, Outcome.FAILED, []),
        (Outcome.ERROR, None, []),
        (None, None, []),
        (Outcome.PASSED, Outcome.FAILED, [("CANARY_PASSED", Weight.REFUSE)]),
        (Outcome.PASSED, None, [("CANARY_PASSED", Weight.REFUSE)]),
        (Outcome.PASSED, Outcome.PASSED, [("CHECK_CANNOT_FAIL", Weight.ASK)]),
        (None, Outcome.FAILED, [("CANARY_MISSING", Weight.ASK)]),
    ],
)
def test_a_canary_next_to_the_bases(
    head: Outcome | None, base: Outcome | None, said: list[tuple[str, Weight]]
) -> None:
    found = canaries(CHECK, evidence(head), evidence(base))
    assert [(ruling.reason.code, ruling.weight) for ruling in found] == said


def test_a_twin_must_fail_where_the_bases_does() -> None:
    base = evidence(Outcome.FAILED, a=True, b=False)
    held = canaries(CHECK, evidence(Outcome.FAILED, a=True, b=False, c=False), base)
    assert list(held) == []
    (ruling,) = canaries(CHECK, evidence(Outcome.FAILED, a=False), base)
    assert (ruling.reason.code, ruling.weight) == ("TWIN_PASSED", Weight.ASK)


def test_records_of_forks_are_no_outcomes_of_tests() -> None:
    lines = [
        b'{"event": "start", "session": "1"}',
        b'{"event": "collected", "session": "1", "ids": ["test_a"]}',
        b'{"event": "test", "session": "1", "id": "test_a", "outcome": "passed"}',
        b'{"event": "test", "session": "canary", "id": "test_a", "outcome": "failed"}',
        b'{"event": "test", "session": "twin:7", "id": "test_a", "outcome": "passed"}',
        b'{"event": "finish", "session": "1", "exit": 0}',
    ]
    found = read_records(b"\n".join(lines))
    assert (found.tests, found.canary, found.twins) == (TESTS, Outcome.FAILED, {"7": False})
