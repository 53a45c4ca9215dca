"""Old failures do not block, new ones do, and no test gets lost."""

from hypothesis import given
from hypothesis import strategies as st

from autopack.errors import Reason
from gate_svc.domain.baseline import compare
from gate_svc.domain.evidence import CheckRun, Ended, Evidence, Outcome

P, F, E, S = Outcome.PASSED, Outcome.FAILED, Outcome.ERROR, Outcome.SKIPPED


def run(tests: dict[str, Outcome], unloaded: tuple[str, ...] = (), ended: Ended | None = None) -> CheckRun:
    return CheckRun(ended or Ended(exit_code=0), Evidence(tests, unloaded), None, 1.0, "")


def test_a_failure_that_the_base_has_too_is_an_old_one() -> None:
    found = compare(Evidence({"a": F, "b": P}), run({"a": E, "b": P}))
    assert found.old_failures == ("a",)
    assert found.new_failures == ()


def test_a_failure_that_the_base_does_not_have_is_new() -> None:
    found = compare(Evidence({"a": F, "b": F, "c": E}), run({"a": P, "b": S}))
    assert found.new_failures == ("a", "b", "c")


def test_a_base_that_was_stopped_at_its_time_limit_says_which_tests_there_are() -> None:
    base = CheckRun(
        Ended(limit="time"), Evidence({"a": P, "b": F}, unfinished=("c", "d", "e")), None, 9.0, ""
    )
    found = compare(Evidence({"a": P, "b": F, "c": P, "d": F}), base)
    assert found.base_known
    # Of `d` nothing is known on the base, so that it fails is held against the head.
    assert (found.new_failures, found.old_failures, found.vanished) == (("d",), ("b",), ("e",))


def test_a_mended_test_is_no_finding() -> None:
    found = compare(Evidence({"a": P}), run({"a": F}))
    assert found.base_known
    assert (found.new_failures, found.old_failures, found.vanished, found.skipped) == ((), (), (), ())


def test_a_test_that_ran_on_the_base_and_is_gone_has_vanished_even_if_it_failed() -> None:
    found = compare(Evidence({"a": P}), run({"a": P, "b": P, "c": F, "d": S}))
    assert found.vanished == ("b", "c")


def test_a_test_that_ran_on_the_base_and_is_skipped_now_is_named() -> None:
    found = compare(Evidence({"a": S, "b": S, "c": S}), run({"a": P, "b": F, "c": S}))
    assert found.skipped == ("a", "b")


def test_tests_of_a_file_that_no_longer_loads_are_one_new_failure() -> None:
    found = compare(Evidence({}, ("t/test_a.py",)), run({"t/test_a.py::x": P, "t/test_a.py::y": P}))
    assert found.new_failures == ("t/test_a.py",)
    assert found.vanished == ()


def test_a_file_that_did_not_load_on_the_base_and_loads_now_is_mended() -> None:
    found = compare(Evidence({"t/test_a.py::x": P}), run({}, ("t/test_a.py",)))
    assert found.vanished == ()


def test_a_file_that_did_not_load_on_the_base_and_is_gone_has_vanished() -> None:
    found = compare(Evidence({"t/test_b.py::x": P}), run({"t/test_b.py::x": P}, ("t/test_a.py",)))
    assert found.vanished == ("t/test_a.py",)


def test_where_the_base_was_stopped_every_failure_counts_as_new() -> None:
    found = compare(Evidence({"a": F}), run({"a": F}, ended=Ended(limit="time")))
    assert not found.base_known
    assert found.new_failures == ("a",)


def test_a_base_without_evidence_is_unknown_and_one_without_tests_is_known() -> None:
    missing = CheckRun(Ended(exit_code=0), None, Reason("EVIDENCE_MISSING", ""), 1.0, "")
    empty = CheckRun(Ended(exit_code=5), Evidence(), Reason("EVIDENCE_EMPTY", ""), 1.0, "")
    assert not compare(Evidence({"a": P}), missing).base_known
    assert compare(Evidence({"a": P}), empty).base_known


outcomes = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(list(Outcome)))


@given(outcomes, outcomes)
def test_every_failure_is_either_old_or_new(head: dict[str, Outcome], base: dict[str, Outcome]) -> None:
    evidence = Evidence(head)
    found = compare(evidence, run(base))
    assert set(found.new_failures) | set(found.old_failures) == evidence.failing()
    assert not set(found.new_failures) & set(found.old_failures)


@given(outcomes, outcomes)
def test_every_test_that_ran_on_the_base_runs_or_is_named(
    head: dict[str, Outcome], base: dict[str, Outcome]
) -> None:
    found = compare(Evidence(head), run(base))
    for name, outcome in base.items():
        if outcome is not S:
            assert head.get(name, S) is not S or name in found.vanished or name in found.skipped
