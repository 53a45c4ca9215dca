"""What the real runners leave behind in the real sandbox, and what cheats leave out."""

import pytest

from autopack.api.gate.v1 import verdict_pb2
from autopack.testing.repositories import Files
from tests.gate_svc.gate_bench import ACCEPT, PYTEST, REJECT, TESTED, Bench, codes, policy

NO_EVIDENCE = verdict_pb2.CHECK_OUTCOME_NO_EVIDENCE
BROKEN = b"def double(x):\n    return x\n"
FASTER = b"def double(x):\n    return x + x\n"


def changed(base: Files, **files: bytes) -> Files:
    """The base with its product changed."""
    return {**base, "src/maths.py": files.get("maths", FASTER)}


def with_policy(contents: bytes) -> Files:
    return {**TESTED, "autopack.yaml": contents}


async def test_an_honest_change_is_accepted_with_what_was_seen(bench: Bench) -> None:
    verdict = await bench.judge(TESTED, changed(TESTED))
    assert verdict.decision == ACCEPT
    (check,) = verdict.checks
    assert check.outcome == verdict_pb2.CHECK_OUTCOME_PASSED
    assert check.exit_code == 0
    assert check.tests.passed == 1
    assert "1 passed" in check.output_tail
    assert verdict.sandbox_tier


async def test_red_checks_are_refused_and_the_failing_test_named(bench: Bench) -> None:
    verdict = await bench.judge(TESTED, changed(TESTED, maths=BROKEN))
    assert verdict.decision == REJECT
    assert codes(verdict) == ["NEW_FAILURES"]
    assert verdict.checks[0].new_failures == ["tests/test_maths.py::test_double"]
    assert verdict.checks[0].exit_code == 1


async def test_old_failures_do_not_block(bench: Bench) -> None:
    base = {**TESTED, "tests/test_old.py": b"def test_old():\n    assert 0\n"}
    verdict = await bench.judge(base, changed(base))
    assert verdict.decision == ACCEPT
    assert verdict.checks[0].outcome == verdict_pb2.CHECK_OUTCOME_OLD_FAILURES
    assert verdict.checks[0].old_failures == ["tests/test_old.py::test_old"]


async def test_a_file_of_tests_that_never_loaded_does_not_hide_the_others(bench: Bench) -> None:
    base = {**TESTED, "tests/test_old.py": b"import nowhere\n"}
    verdict = await bench.judge(base, changed(base, maths=BROKEN))
    assert verdict.decision == REJECT
    assert verdict.checks[0].new_failures == ["tests/test_maths.py::test_double"]
    assert verdict.checks[0].old_failures == ["tests/test_old.py"]


async def test_a_test_of_a_feature_may_be_new_on_the_head(bench: Bench) -> None:
    only_new = policy(f"{PYTEST} tests/test_new.py")
    base = with_policy(only_new)
    verdict = await bench.judge(base, {**changed(base), "tests/test_new.py": b"def test_new():\n    pass\n"})
    assert verdict.decision == ACCEPT
    assert codes(verdict) == []


@pytest.mark.parametrize(
    ("run", "code"),
    [
        pytest.param("true", "EVIDENCE_MISSING", id="no runner at all"),
        pytest.param(f"{PYTEST} || true", "EVIDENCE_CONTRADICTS", id="a masked exit status"),
        pytest.param(f"{PYTEST}; exit 3", "EVIDENCE_CONTRADICTS", id="a red status of something else"),
        pytest.param(f"{PYTEST} -k nothing", "EVIDENCE_EMPTY", id="no test chosen"),
        pytest.param(f"{PYTEST} --collect-only", "EVIDENCE_EMPTY", id="tests only collected"),
        pytest.param(f"{PYTEST} -p no:autopack_pytest", "EVIDENCE_MISSING", id="the reporter turned off"),
        pytest.param(f"PYTHONPATH=src {PYTEST}", "EVIDENCE_MISSING", id="the reporter not found"),
        pytest.param(
            f"{PYTEST}; echo garbage >>$AUTOPACK_REPORTS/autopack-tests.jsonl",
            "EVIDENCE_UNREADABLE",
            id="garbage",
        ),
    ],
)
async def test_without_sound_evidence_there_is_no_pass(bench: Bench, run: str, code: str) -> None:
    base = with_policy(policy(run))
    head = changed(base, maths=BROKEN if "true" in run else FASTER)
    verdict = await bench.judge(base, head)
    assert verdict.decision == REJECT
    assert codes(verdict) == [code]
    assert verdict.checks[0].outcome == NO_EVIDENCE


async def test_code_that_leaves_the_process_before_the_tests_ran_is_refused(bench: Bench) -> None:
    verdict = await bench.judge(TESTED, changed(TESTED, maths=b"import os\n\nos._exit(0)\n"))
    assert verdict.decision == REJECT
    assert codes(verdict) == ["EVIDENCE_MISSING", "TEST_AWARE"]
    assert verdict.checks[0].exit_code == 0


async def test_names_of_tests_and_output_reach_nobodys_terminal_raw(bench: Bench) -> None:
    # pytest itself escapes names; unittest takes them as they are.
    source = rb"""import unittest


class Test(unittest.TestCase):
    def test_it(self):
        print("\x1b[2J")
        self.fail()

    def id(self):
        return "x\x1b[31m\n::error::"
"""
    base = {"autopack.yaml": policy("python -m unittest -q", "unittest"), "test_a.py": source, "a": b"1"}
    verdict = await bench.judge(base, {**base, "a": b"2"})
    assert verdict.checks[0].old_failures == ["x\\x1b[31m\\n::error::"]
    assert "\x1b" not in verdict.checks[0].output_tail


UNITTEST: Files = {
    "autopack.yaml": policy("python -m unittest -q", "unittest"),
    "maths.py": b"def double(x):\n    return 2 * x\n",
    "test_maths.py": b"""import unittest

from maths import double


class Test(unittest.TestCase):
    def test_double(self):
        self.assertEqual(double(2), 4)

    @unittest.skip("later")
    def test_later(self):
        pass
""",
}


async def test_unittest_is_seen_test_by_test(bench: Bench) -> None:
    accepted = await bench.judge(UNITTEST, {**UNITTEST, "maths.py": FASTER})
    assert accepted.decision == ACCEPT
    assert (accepted.checks[0].tests.passed, accepted.checks[0].tests.skipped) == (1, 1)
    refused = await bench.judge(UNITTEST, {**UNITTEST, "maths.py": BROKEN})
    assert refused.decision == REJECT
    assert refused.checks[0].new_failures == ["test_maths.Test.test_double"]


async def test_unittest_that_is_left_early_is_refused(bench: Bench) -> None:
    verdict = await bench.judge(UNITTEST, {**UNITTEST, "maths.py": b"import os\n\nos._exit(0)\n"})
    assert codes(verdict) == ["EVIDENCE_MISSING", "TEST_AWARE"]


async def test_junit_is_read_from_what_this_run_wrote(bench: Bench) -> None:
    run = policy(f"{PYTEST} --junitxml=out/results.xml", "junit:out/results.xml")
    base = with_policy(run)
    accepted = await bench.judge(base, changed(base))
    assert accepted.decision == ACCEPT
    assert codes(accepted) == ["SELF_REPORTED"]
    assert accepted.checks[0].tests.passed == 1
    assert codes(await bench.judge(base, changed(base, maths=BROKEN)))[0] == "NEW_FAILURES"


async def test_a_committed_junit_report_is_no_evidence(bench: Bench) -> None:
    stale = b'<testsuite><testcase name="a"/></testsuite>'
    base: Files = {"autopack.yaml": policy("true", "junit:results.xml"), "results.xml": stale, "a": b"1"}
    verdict = await bench.judge(base, {**base, "a": b"2"})
    assert codes(verdict) == ["EVIDENCE_MISSING"]


async def test_an_exit_status_alone_is_accepted_with_a_word_on_it_and_refused_when_red(bench: Bench) -> None:
    base: Files = {"autopack.yaml": policy("test -e good", "none"), "good": b"", "a": b"1"}
    accepted = await bench.judge(base, {**base, "a": b"2"})
    assert (accepted.decision, codes(accepted)) == (ACCEPT, ["EXIT_STATUS_ONLY"])
    refused = await bench.judge(base, {"autopack.yaml": base["autopack.yaml"], "a": b"1"})
    assert (refused.decision, codes(refused)) == (REJECT, ["CHECK_FAILED"])


async def test_a_check_that_does_not_end_is_stopped_and_refused(bench: Bench) -> None:
    base: Files = {"autopack.yaml": policy("sleep 60", "none", timeout=1), "a": b"1"}
    verdict = await bench.judge(base, {**base, "a": b"2"})
    assert (verdict.decision, codes(verdict)) == (REJECT, ["CHECK_TIMED_OUT"])
    assert not verdict.checks[0].HasField("exit_code")


async def test_a_check_that_kills_itself_is_refused(bench: Bench) -> None:
    base: Files = {"autopack.yaml": policy("kill -9 $$", "none"), "a": b"1"}
    verdict = await bench.judge(base, {**base, "a": b"2"})
    assert (verdict.decision, codes(verdict)) == (REJECT, ["CHECK_KILLED"])


async def test_tests_that_disappear_without_a_changed_test_file_are_refused(bench: Bench) -> None:
    # The list of tests is product here: no rule on files of the judge sees it.
    base: Files = {"autopack.yaml": policy("cat results", "tap"), "results": b"1..2\nok - a\nok - b\n"}
    verdict = await bench.judge(base, {**base, "results": b"1..1\nok - a\n"})
    assert verdict.decision == REJECT
    assert codes(verdict) == ["TESTS_VANISHED", "SELF_REPORTED"]
    assert verdict.checks[0].vanished == ["b"]
