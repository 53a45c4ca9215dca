"""A test is flaky if repeated runs of head and base show it, not otherwise; no regression is hidden."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from autopack.policy.plan import Check
from autopack.telemetry import names
from autopack.testing.repositories import Files
from gate_svc.domain.checking import CheckFacts, in_question, judge_check, result
from gate_svc.domain.evidence import CheckRun, Doubt, DoubtKind, Ended, Evidence, Outcome
from gate_svc.domain.flakes import FIRST_RUNS, RUNS, TESTS_LIMIT, Tally, broken, tally
from gate_svc.domain.ruling import Weight
from tests.gate_svc.gate_bench import ACCEPT, NEEDS_APPROVAL, REJECT, TESTED, Bench, codes

PYTEST = Check("tests", "python -m pytest -q", "pytest")
WRONG = Doubt(DoubtKind.WRONG, "it sent another value")
NAME = "t.py::a"


def run(*failing: str, passing: tuple[str, ...] = (), doubted: tuple[str, ...] = ()) -> CheckRun:
    tests = dict.fromkeys((*passing, *doubted), Outcome.PASSED) | dict.fromkeys(failing, Outcome.FAILED)
    evidence = Evidence(tests, doubts=dict.fromkeys(doubted, WRONG))
    return CheckRun(Ended(exit_code=1 if failing else 0), evidence, None, 1.0, "")


RED, GREEN, FORGED = run(NAME), run(passing=(NAME,)), run(doubted=(NAME,))


def judged(head: CheckRun, tallied: Tally | None) -> tuple[Weight, list[str]]:
    """What a check weighs whose test fails, or is in doubt, on the head and passed on the base."""
    facts = CheckFacts(PYTEST, head, GREEN, repeats={NAME: tallied} if tallied else {})
    _, _, rulings = judge_check(facts)
    return max(ruling.weight for ruling in rulings), [ruling.reason.code for ruling in rulings]


@pytest.mark.parametrize("head", [RED, FORGED], ids=["failing", "in doubt"])
@pytest.mark.parametrize(
    ("tallied", "weight", "code"),
    [
        pytest.param(Tally(5, 10, 5, 10), Weight.NOTE, "FLAKY_TEST", id="as often"),
        pytest.param(Tally(0, 10, 1, 10), Weight.NOTE, "FLAKY_TEST", id="rarely"),
        pytest.param(Tally(6, 10, 5, 10), Weight.ASK, "FLAKY_MORE_OFTEN", id="more often"),
        pytest.param(Tally(10, 10, 5, 10), Weight.REFUSE, "", id="always on the head"),
        pytest.param(Tally(1, 10, 0, 10), Weight.REFUSE, "", id="never on the base"),
        pytest.param(Tally(0, 10, 0, 10), Weight.REFUSE, "", id="never again"),
        pytest.param(Tally(3, 10, 10, 10), Weight.REFUSE, "", id="never passing on the base"),
        pytest.param(Tally(1, 3, 1, 3), Weight.REFUSE, "", id="too few runs"),
        pytest.param(Tally(3, 3, 0, 0), Weight.REFUSE, "", id="given up"),
        pytest.param(None, Weight.REFUSE, "", id="not repeated"),
    ],
)
def test_only_a_test_that_fails_at_times_on_both_is_flaky(
    head: CheckRun, tallied: Tally | None, weight: Weight, code: str
) -> None:
    refused = "NEW_FAILURES" if head is RED else "RESULT_FORGED"
    assert judged(head, tallied) == (weight, [code or refused])


@given(
    st.lists(st.sampled_from([RED, GREEN, FORGED]), min_size=RUNS, max_size=RUNS),
    st.lists(st.sampled_from([RED, GREEN, FORGED]), min_size=RUNS, max_size=RUNS),
)
def test_no_regression_is_hidden(heads: list[CheckRun], bases: list[CheckRun]) -> None:
    weight, _ = judged(RED, tally({NAME}, heads, bases)[NAME])
    if GREEN not in heads or bases.count(GREEN) == RUNS:
        assert weight is Weight.REFUSE
    elif RUNS - heads.count(GREEN) > RUNS - bases.count(GREEN):
        assert weight >= Weight.ASK


def test_a_flaky_test_does_not_excuse_another() -> None:
    head, base = run(NAME, "t.py::b"), run(passing=(NAME, "t.py::b"))
    repeats = {NAME: Tally(5, 10, 5, 10), "t.py::b": Tally(5, 10, 0, 10)}
    _, comparison, rulings = judge_check(CheckFacts(PYTEST, head, base, repeats=repeats))
    assert comparison is not None
    assert comparison.new_failures == ("t.py::b",)
    assert {ruling.reason.code for ruling in rulings} == {"NEW_FAILURES", "FLAKY_TEST"}


def test_runs_that_do_not_tell_of_a_test_are_no_evidence() -> None:
    timed_out = CheckRun(Ended(limit="time"), None, None, 10.0, "")
    skipped = replace(GREEN, evidence=Evidence({NAME: Outcome.SKIPPED}))
    for silent in (timed_out, skipped, run(passing=("t.py::b",))):
        assert tally({NAME}, [GREEN, silent], [RED, GREEN]) == {}
        assert broken({NAME}, [RED, silent])
    assert not broken({NAME}, [RED, GREEN])


def test_the_result_has_the_counts() -> None:
    facts = CheckFacts(PYTEST, RED, GREEN, repeats={NAME: Tally(5, 10, 5, 10)})
    outcome, comparison, (ruling,) = judge_check(facts)
    assert result(facts, outcome, comparison).repeats == facts.repeats
    assert f"{NAME} (in 5 of 10 runs of the head, 5 of 10 of the base)" in ruling.reason.message


@pytest.mark.parametrize(
    ("facts", "asked"),
    [
        pytest.param(CheckFacts(PYTEST, GREEN, GREEN), False, id="green"),
        pytest.param(CheckFacts(PYTEST, RED, RED), False, id="an old failure"),
        pytest.param(CheckFacts(PYTEST, RED, GREEN), True, id="a new failure"),
        pytest.param(CheckFacts(PYTEST, FORGED, GREEN), True, id="a doubt"),
        pytest.param(CheckFacts(PYTEST, FORGED, FORGED), False, id="an old doubt"),
        pytest.param(CheckFacts(PYTEST, RED, run(passing=("t.py::b",))), False, id="a new test"),
        pytest.param(
            CheckFacts(PYTEST, run(NAME, "t.py::b"), GREEN), False, id="a new test that fails beside it"
        ),
        pytest.param(CheckFacts(PYTEST, RED, GREEN, own=RED), False, id="a failure of the head's own tests"),
        pytest.param(
            CheckFacts(replace(PYTEST, reports="tap"), replace(RED, seconds=60.0), GREEN),
            False,
            id="a long run that cannot be narrowed",
        ),
    ],
)
def test_runs_are_repeated_only_where_they_may_explain_it(facts: CheckFacts, asked: bool) -> None:
    assert in_question(facts) == (frozenset({NAME}) if asked else frozenset())


def test_many_tests_that_fail_at_once_are_no_flakes() -> None:
    many = tuple(f"t.py::{number}" for number in range(TESTS_LIMIT + 1))
    assert in_question(CheckFacts(PYTEST, run(*many), run(passing=many))) == frozenset()
    few = many[:-1]
    assert in_question(CheckFacts(PYTEST, run(*few), run(passing=few))) == frozenset(few)


# In the real gate. Only repeated runs, and those of tests as they are written, name the files that they run:
# so the first runs come out as wanted, and by chance those alone that the chance is about.
COIN = b"""import os

from src.maths import double, first


def test_double():
    assert double(2) == 4


def test_coin():
    wrong = os.urandom(1)[0] % 5 < 2 if "AUTOPACK_ONLY" in os.environ else first()
    assert not wrong
"""
MATHS = b"def double(x):\n    return 2 * x\n\n\ndef first():\n    return 0\n"
FLAKY: Files = {**TESTED, "src/maths.py": MATHS, "tests/test_maths.py": COIN}
UNLUCKY: Files = {**FLAKY, "src/maths.py": MATHS.replace(b"return 0", b"return 1")}


SOMETIMES = b"""import os


def wrong():
    return "AUTOPACK_ONLY" not in os.environ or os.urandom(1)[0] % 5 < 2
"""


async def test_what_fails_at_times_on_head_and_base_is_told_and_does_not_refuse(bench: Bench) -> None:
    for _ in range(5):  # at worst the head fails three times in a row: 1 in 16
        judgement = await bench.judgement(bench.change(FLAKY, UNLUCKY))
        if judgement.verdict.decision != REJECT:
            break
    told = {"FLAKY_TEST": ACCEPT, "FLAKY_MORE_OFTEN": NEEDS_APPROVAL}
    (code,) = codes(judgement.verdict)
    assert judgement.verdict.decision == told[code]
    (check,) = json.loads(judgement.record)["machine"]["checks"]
    (counted,) = check["repeated"]
    assert (counted["test"], counted["headRuns"]) == ("tests/test_maths.py::test_coin", RUNS)
    assert 0 < counted["baseFailed"] < counted["baseRuns"] == RUNS


async def test_what_fails_at_times_on_the_head_alone_is_refused(bench: Bench) -> None:
    test = b"from src.maths import wrong\n\n\ndef test_coin():\n    assert not wrong()\n"
    base = {**TESTED, "src/maths.py": b"def wrong():\n    return False\n", "tests/test_maths.py": test}
    verdict = await bench.judge(base, {**base, "src/maths.py": SOMETIMES})
    assert verdict.decision == REJECT
    assert codes(verdict)[0] in ("RESULT_FORGED", "NEW_FAILURES")


async def test_what_always_fails_is_seen_soon_and_green_runs_are_not_repeated(
    bench: Bench, spans: InMemorySpanExporter
) -> None:
    faster = {**TESTED, "src/maths.py": b"def double(x):\n    return x + x\n"}
    assert codes(await bench.judge(TESTED, faster)) == []
    assert repetitions(spans) == 0
    broken_one = {**TESTED, "src/maths.py": b"def double(x):\n    return x\n"}
    assert codes(await bench.judge(TESTED, broken_one)) == ["NEW_FAILURES"]
    assert repetitions(spans) == FIRST_RUNS


def repetitions(spans: InMemorySpanExporter) -> int:
    return sum(1 for span in spans.get_finished_spans() if span.name == names.REPEAT_SPAN)
