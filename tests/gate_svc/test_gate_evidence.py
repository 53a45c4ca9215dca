"""What a run of a check proves, and when it proves nothing."""

import contextlib
import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_svc.domain.evidence import Ended, Evidence, EvidenceError, Outcome, confront
from gate_svc.domain.reports.junit import read_junit
from gate_svc.domain.reports.reader import read_evidence
from gate_svc.domain.reports.records import read_records
from gate_svc.domain.reports.tap import read_tap

GREEN = Ended(exit_code=0)
RED = Ended(exit_code=1)


def records(*events: Mapping[str, object]) -> bytes:
    return b"".join(json.dumps({"session": "1-1", **event}).encode() + b"\n" for event in events)


def session(outcomes: dict[str, str], exit_code: int = 0) -> bytes:
    return records(
        {"event": "start"},
        {"event": "collected", "ids": list(outcomes)},
        *({"event": "test", "id": name, "outcome": outcome} for name, outcome in outcomes.items()),
        {"event": "finish", "exit": exit_code},
    )


def code_of(reports: str, report: bytes | None, ended: Ended) -> str | None:
    _, fault = read_evidence(reports, report, ended)
    return fault.code if fault else None


def test_a_finished_session_gives_outcomes_by_test_id() -> None:
    evidence, fault = read_evidence("pytest", session({"a::x": "passed", "a::y": "skipped"}), GREEN)
    assert fault is None
    assert evidence is not None
    assert evidence.tests == {"a::x": Outcome.PASSED, "a::y": Outcome.SKIPPED}


def test_red_evidence_with_a_red_exit_status_is_no_fault() -> None:
    assert code_of("pytest", session({"a::x": "failed"}, 1), RED) is None


@pytest.mark.parametrize("report", [None, b""])
@pytest.mark.parametrize("reports", ["pytest", "unittest", "junit:r.xml", "tap"])
def test_no_report_is_missing_evidence(reports: str, report: bytes | None) -> None:
    evidence, fault = read_evidence(reports, report, GREEN)
    assert evidence is None
    assert fault is not None
    assert fault.code == "EVIDENCE_MISSING"
    assert fault.fix


def test_a_check_that_reports_nothing_by_test_has_neither_evidence_nor_fault() -> None:
    assert read_evidence("none", None, GREEN) == (None, None)


def test_a_session_without_its_finishing_record_is_missing_evidence() -> None:
    report = records({"event": "start"}, {"event": "test", "id": "a::x", "outcome": "passed"})
    assert code_of("pytest", report, GREEN) == "EVIDENCE_MISSING"


def test_one_of_two_sessions_unfinished_is_missing_evidence() -> None:
    report = session({"a::x": "passed"}) + b'{"event": "start", "session": "2-1"}\n'
    assert code_of("pytest", report, GREEN) == "EVIDENCE_MISSING"


def test_two_sessions_are_one_evidence_and_the_worst_outcome_of_a_test_counts() -> None:
    second = session({"a::x": "failed", "a::y": "passed"}, 1).replace(b'"1-1"', b'"2-1"')
    evidence = read_records(session({"a::x": "passed"}) + second)
    assert evidence.tests == {"a::x": Outcome.FAILED, "a::y": Outcome.PASSED}


def test_no_test_at_all_is_empty_evidence() -> None:
    assert code_of("pytest", session({}), GREEN) == "EVIDENCE_EMPTY"
    assert code_of("pytest", session({}, 5), Ended(exit_code=5)) == "EVIDENCE_EMPTY"


def test_only_files_that_could_not_be_loaded_is_empty_evidence() -> None:
    report = records(
        {"event": "start"}, {"event": "unloaded", "id": "tests/test_a.py"}, {"event": "finish", "exit": 2}
    )
    assert code_of("pytest", report, Ended(exit_code=2)) == "EVIDENCE_EMPTY"


@pytest.mark.parametrize(
    ("report", "ended"),
    [
        pytest.param(session({"a::x": "failed"}, 1), GREEN, id="a failure under a green status"),
        pytest.param(session({"a::x": "passed"}, 1), GREEN, id="a masked runner"),
        pytest.param(session({"a::x": "passed"}), RED, id="a red status without a failure"),
        pytest.param(
            session({"a::x": "passed"}).replace(b'["a::x"]', b'["a::x", "a::y"]'), GREEN, id="a test not run"
        ),
    ],
)
def test_evidence_at_odds_with_the_exit_status_contradicts(report: bytes, ended: Ended) -> None:
    assert code_of("pytest", report, ended) == "EVIDENCE_CONTRADICTS"


def test_contradicting_evidence_is_kept_beside_its_fault() -> None:
    evidence, fault = read_evidence("pytest", session({"a::x": "passed"}), RED)
    assert fault is not None
    assert evidence is not None
    assert evidence.tests == {"a::x": Outcome.PASSED}


@pytest.mark.parametrize(
    "report",
    [
        b"not json\n",
        b"[1]\n",
        b'{"event": "surprise", "session": "1"}\n',
        b'{"event": "start"}\n',
        b'{"event": "start", "session": 4}\n',
        b'{"event": "collected", "session": "1", "ids": [4]}\n',
        b'{"event": "test", "session": "1", "id": "a", "outcome": "great"}\n',
        b'{"event": "test", "session": "1", "outcome": "passed"}\n',
        b"[" * 100_000 + b"\n",
        b'\xff{"event": 1}\n',
    ],
)
def test_a_damaged_record_is_unreadable_evidence(report: bytes) -> None:
    assert code_of("pytest", report, GREEN) == "EVIDENCE_UNREADABLE"


def test_a_failed_class_set_up_is_the_outcome_of_its_tests() -> None:
    evidence = read_records(
        records(
            {"event": "start"},
            {"event": "collected", "ids": ["m.A.x", "m.A.y", "m.B.x"]},
            {"event": "test", "id": "setUpClass (m.A)", "outcome": "skipped"},
            {"event": "test", "id": "m.B.x", "outcome": "passed"},
            {"event": "finish", "exit": 0},
        )
    )
    assert evidence.tests == {
        "m.A.x": Outcome.SKIPPED,
        "m.A.y": Outcome.SKIPPED,
        "m.B.x": Outcome.PASSED,
    }
    assert confront(evidence, GREEN) is None


def test_names_of_tests_carry_no_terminal_escape_and_no_line_end() -> None:
    evidence = read_records(session({"a::x[\x1b[2J\n::error::]": "passed"}))
    assert list(evidence.tests) == ["a::x[\\x1b[2J\\n::error::]"]


def test_a_name_without_end_is_cut_and_stays_distinct() -> None:
    evidence = read_records(session({"a" * 10_000 + "x": "passed", "a" * 10_000 + "y": "failed"}, 1))
    assert len(evidence.tests) == 2
    assert all(len(name) <= 500 for name in evidence.tests)


JUNIT = b"""<?xml version="1.0"?><testsuites><testsuite tests="4">
<testcase classname="m.A" name="good"/>
<testcase classname="m.A" name="bad"><failure message="no">text</failure></testcase>
<testcase classname="m.A" name="broken"><error/></testcase>
<testcase name="left"><skipped/></testcase>
</testsuite></testsuites>"""


def test_junit_gives_outcomes_by_class_and_name() -> None:
    assert read_junit(JUNIT).tests == {
        "m.A::good": Outcome.PASSED,
        "m.A::bad": Outcome.FAILED,
        "m.A::broken": Outcome.ERROR,
        "left": Outcome.SKIPPED,
    }


def test_junit_failure_inside_output_is_no_failure() -> None:
    report = b'<testsuite><testcase name="a"><system-out><failure/></system-out></testcase></testsuite>'
    assert read_junit(report).tests == {"a": Outcome.PASSED}


@pytest.mark.parametrize(
    "report",
    [
        pytest.param(JUNIT[:-20], id="truncated"),
        pytest.param(b"<html/>", id="something else"),
        pytest.param(b"<testsuite>" * 60 + b"</testsuite>" * 60, id="too deep"),
        pytest.param(b"<testsuite><testcase/></testsuite>", id="no name"),
        pytest.param(b'<?xml version="1.0" encoding="nonsense"?><testsuite/>', id="unknown encoding"),
        pytest.param(
            b'<!DOCTYPE t [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
            b'<testsuite><testcase name="&b;"/></testsuite>',
            id="entities",
        ),
        pytest.param(
            b'<!DOCTYPE t [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
            b'<testsuite><testcase name="&a;"/></testsuite>',
            id="external entity",
        ),
    ],
)
def test_unusable_junit_is_unreadable_evidence(report: bytes) -> None:
    assert code_of("junit:r.xml", report, GREEN) == "EVIDENCE_UNREADABLE"


def test_tap_gives_outcomes_by_description_or_number() -> None:
    stream = b"""TAP version 13
1..6
ok 1 - adds
not ok 2 - divides
  ---
  message: "ok 9 - inside a diagnostic"
  ...
# a comment
ok 3 # SKIP no network
not ok 4 - later # TODO not done
ok - adds
ok
"""
    assert read_tap(stream).tests == {
        "adds": Outcome.PASSED,
        "divides": Outcome.FAILED,
        "test 3": Outcome.SKIPPED,
        "later": Outcome.SKIPPED,
        "adds (2)": Outcome.PASSED,
        "test 6": Outcome.PASSED,
    }


@pytest.mark.parametrize(
    "stream",
    [b"ok 1 - a\n", b"1..2\nok 1 - a\n", b"1..1\n1..1\nok 1\n", b"1..1\nok 1\nBail out! disk\n", b"hello\n"],
)
def test_unusable_tap_is_unreadable_evidence(stream: bytes) -> None:
    assert code_of("tap", stream, GREEN) == "EVIDENCE_UNREADABLE"


def test_tap_that_planned_nothing_is_empty_evidence() -> None:
    assert code_of("tap", b"1..0 # SKIP nothing to do\n", GREEN) == "EVIDENCE_EMPTY"


@pytest.mark.parametrize("read", [read_records, read_junit, read_tap])
@given(report=st.binary(max_size=300))
def test_no_bytes_make_a_reader_fail_otherwise_than_by_its_own_error(read: object, report: bytes) -> None:
    assert callable(read)
    with contextlib.suppress(EvidenceError):
        assert isinstance(read(report), Evidence)


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=8), st.sampled_from(["passed", "failed", "error"]), min_size=1
    ),
    st.sampled_from([0, 1, 2, 137]),
)
def test_evidence_is_without_fault_only_where_failures_and_status_agree(
    outcomes: dict[str, str], status: int
) -> None:
    red = any(outcome != "passed" for outcome in outcomes.values())
    fault = code_of("pytest", session(outcomes, int(red)), Ended(exit_code=status))
    assert (fault is None) == (red == (status != 0))


def test_of_a_run_that_was_stopped_at_its_time_limit_it_is_known_which_tests_there_are() -> None:
    records = [
        {"event": "start", "session": "1"},
        {"event": "collected", "session": "1", "ids": ["a::x", "a::y"]},
        {"event": "test", "session": "1", "id": "a::x", "outcome": "passed"},
    ]
    report = "\n".join(map(json.dumps, records)).encode()
    found, fault = read_evidence("pytest", report, Ended(limit="time"))
    assert found is not None
    assert fault is None
    assert (found.tests, found.unfinished) == ({"a::x": Outcome.PASSED}, ("a::y",))
    assert read_evidence("pytest", report, Ended(exit_code=0))[0] is None
