"""The verdict is a pure function of the facts; another bad fact never makes it milder."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopack.errors import Reason
from autopack.policy.plan import Check
from autopack.policy.policy import Policy, load_policy
from gate_svc.domain.audit import AuditFacts, Finding
from gate_svc.domain.checking import CheckFacts
from gate_svc.domain.decide import ApprovalGiven, Facts, decide
from gate_svc.domain.evidence import CheckRun, Ended, Evidence, Outcome
from gate_svc.domain.risk import Risk
from gate_svc.domain.ruling import Ruling, Weight
from gate_svc.domain.verdict import CheckOutcome, Decision, Verdict

DIGEST = "c" * 64
PYTEST = Check("tests", "python -m pytest -q", "pytest")
BARE = Check("lint", "ruff check", "none")
NO_RISK = Risk(0, "low", ())
CLEAN = AuditFacts(None, "approve", (), 0, "f" * 64)
SEVERITY = {Decision.ACCEPT: 0, Decision.NEEDS_APPROVAL: 1, Decision.REJECT: 2}


def run(tests: dict[str, Outcome], exit_code: int = 0) -> CheckRun:
    return CheckRun(Ended(exit_code=exit_code), Evidence(tests), None, 1.5, "output")


def status(exit_code: int | None, signal: int | None = None, limit: str | None = None) -> CheckRun:
    return CheckRun(Ended(exit_code, signal, limit), None, None, 1.5, "output")


GREEN = run({"a": Outcome.PASSED})
RED = run({"a": Outcome.FAILED}, 1)


def facts(**differing: object) -> Facts:
    whole = Facts(
        tree="1" * 40,
        base_tree="2" * 40,
        change_digest=DIGEST,
        policy=Policy(),
        environment_digest="e" * 64,
        categories=("feature",),
        rulings=(),
        checks_required=True,
        checks=(CheckFacts(PYTEST, GREEN, GREEN),),
        audit=CLEAN,
        risk=NO_RISK,
        approvals=(),
        sandbox_tier="namespaces",
    )
    return replace(whole, **differing)  # type: ignore[arg-type]  # the tests name fields of Facts


def codes(verdict: Verdict) -> list[str]:
    return [reason.code for reason in verdict.reasons]


def check(head: CheckRun | None, base: CheckRun | None, which: Check = PYTEST) -> Verdict:
    return decide(facts(checks=(CheckFacts(which, head, base),)))


def test_green_checks_and_a_clean_audit_are_accepted_without_a_word() -> None:
    verdict = decide(facts())
    assert verdict.decision is Decision.ACCEPT
    assert verdict.reasons == ()
    assert verdict.checks[0].outcome is CheckOutcome.PASSED


def test_red_checks_are_refused_and_the_tests_named() -> None:
    verdict = check(RED, GREEN)
    assert verdict.decision is Decision.REJECT
    assert codes(verdict) == ["NEW_FAILURES"]
    assert "a fail" in verdict.reasons[0].message
    assert verdict.checks[0].new_failures == ("a",)
    assert verdict.checks[0].outcome is CheckOutcome.FAILED


def test_old_failures_alone_are_accepted_and_told() -> None:
    verdict = check(RED, RED)
    assert verdict.decision is Decision.ACCEPT
    assert codes(verdict) == ["OLD_FAILURES"]
    assert verdict.checks[0].outcome is CheckOutcome.OLD_FAILURES


def test_lost_and_skipped_tests_are_refused() -> None:
    before = run({"a": Outcome.PASSED, "b": Outcome.PASSED, "c": Outcome.PASSED})
    verdict = check(run({"a": Outcome.PASSED, "c": Outcome.SKIPPED}), before)
    assert verdict.decision is Decision.REJECT
    assert codes(verdict) == ["TESTS_VANISHED", "TESTS_SKIPPED"]
    assert verdict.checks[0].vanished == ("b",)


def test_a_change_of_the_test_harness_may_lose_tests_once_it_is_approved() -> None:
    before = run({"a": Outcome.PASSED, "b": Outcome.PASSED})
    harness = facts(checks=(CheckFacts(PYTEST, GREEN, before),), categories=("test_harness",))
    assert decide(harness).decision is Decision.NEEDS_APPROVAL
    approved = replace(harness, approvals=(ApprovalGiven(DIGEST, "ann"),))
    assert decide(approved).decision is Decision.ACCEPT
    assert codes(decide(approved)) == ["TESTS_VANISHED", "APPROVED"]


def test_no_approval_makes_new_failures_land() -> None:
    harness = facts(
        checks=(CheckFacts(PYTEST, RED, GREEN),),
        categories=("test_harness",),
        approvals=(ApprovalGiven(DIGEST, "ann"),),
    )
    assert decide(harness).decision is Decision.REJECT


@pytest.mark.parametrize(
    ("head", "outcome", "code"),
    [
        (status(None, limit="time"), CheckOutcome.TIMED_OUT, "CHECK_TIMED_OUT"),
        (status(None, limit="memory"), CheckOutcome.KILLED, "CHECK_KILLED"),
        (status(None, signal=9), CheckOutcome.KILLED, "CHECK_KILLED"),
        (None, CheckOutcome.NO_EVIDENCE, "EVIDENCE_MISSING"),
        (status(0), CheckOutcome.NO_EVIDENCE, "EVIDENCE_MISSING"),
        (
            CheckRun(Ended(exit_code=0), None, Reason("EVIDENCE_UNREADABLE", "bad"), 1.0, ""),
            CheckOutcome.NO_EVIDENCE,
            "EVIDENCE_UNREADABLE",
        ),
    ],
)
def test_what_does_not_prove_a_pass_is_refused(head: CheckRun, outcome: CheckOutcome, code: str) -> None:
    verdict = check(head, GREEN)
    assert verdict.decision is Decision.REJECT
    assert verdict.checks[0].outcome is outcome
    assert codes(verdict) == [code]


def test_green_results_without_a_run_of_the_base_are_no_evidence() -> None:
    assert codes(check(GREEN, None)) == ["EVIDENCE_MISSING"]


def test_a_base_that_proves_nothing_needs_a_person_even_if_the_head_is_green() -> None:
    verdict = check(GREEN, status(None, limit="time"))
    assert verdict.decision is Decision.NEEDS_APPROVAL
    assert codes(verdict) == ["BASELINE_UNKNOWN"]


def test_an_exit_status_alone_decides_where_nothing_else_is_reported_and_the_verdict_says_so() -> None:
    assert codes(check(status(0), None, BARE)) == ["EXIT_STATUS_ONLY"]
    assert check(status(0), None, BARE).decision is Decision.ACCEPT
    assert codes(check(status(1), None, BARE)) == ["CHECK_FAILED"]
    assert check(status(1), status(1), BARE).decision is Decision.REJECT


@pytest.mark.parametrize("reports", ["tap", "junit:r.xml"])
def test_the_checks_own_word_is_accepted_and_called_that(reports: str) -> None:
    verdict = check(GREEN, GREEN, replace(PYTEST, reports=reports))
    assert verdict.decision is Decision.ACCEPT
    assert codes(verdict) == ["SELF_REPORTED"]


def test_without_any_check_the_change_is_refused_with_how_to_add_one() -> None:
    verdict = decide(facts(checks=()))
    assert verdict.decision is Decision.REJECT
    assert codes(verdict) == ["NO_CHECKS"]
    assert "checks:" in verdict.reasons[0].fix
    assert decide(facts(checks=(), checks_required=False)).decision is Decision.ACCEPT


def test_one_red_check_among_green_ones_is_enough() -> None:
    both = (CheckFacts(PYTEST, GREEN, GREEN), CheckFacts(BARE, status(2), None))
    assert decide(facts(checks=both)).decision is Decision.REJECT


def finding(severity: str) -> Finding:
    return Finding("bandit", "B602", severity, "shell=True", "src/a.py", 3)


@pytest.mark.parametrize(
    ("severity", "decision"),
    [
        ("low", Decision.ACCEPT),
        ("medium", Decision.ACCEPT),
        ("high", Decision.REJECT),
        ("critical", Decision.REJECT),
        ("unspecified", Decision.REJECT),
    ],
)
def test_findings_from_block_at_on_are_refused(severity: str, decision: Decision) -> None:
    verdict = decide(facts(audit=replace(CLEAN, findings=(finding(severity),), recommendation="approve")))
    assert verdict.decision is decision
    if decision is Decision.REJECT:
        (reason,) = verdict.reasons
        assert (reason.code, reason.path, reason.line) == ("AUDIT_FINDINGS", "src/a.py", 3)


def test_the_policy_says_from_which_severity_on() -> None:
    strict = load_policy("version: 1\naudit: {block_at: low}\n")
    assert (
        decide(facts(policy=strict, audit=replace(CLEAN, findings=(finding("low"),)))).decision
        is Decision.REJECT
    )


def test_an_escalating_auditor_needs_a_person() -> None:
    verdict = decide(facts(audit=replace(CLEAN, recommendation="escalate")))
    assert verdict.decision is Decision.NEEDS_APPROVAL
    assert codes(verdict) == ["AUDIT_ESCALATED"]


def test_a_change_that_was_not_audited_is_refused() -> None:
    assert decide(facts(audit=AuditFacts(Reason("NOT_AUDITED", "no"))))  # is a verdict
    assert codes(decide(facts(audit=AuditFacts(Reason("NOT_AUDITED", "no"))))) == ["NOT_AUDITED"]


@pytest.mark.parametrize(
    ("score", "decision"),
    [
        (49, Decision.ACCEPT),
        (50, Decision.NEEDS_APPROVAL),
        (89, Decision.NEEDS_APPROVAL),
        (90, Decision.REJECT),
    ],
)
def test_the_policys_thresholds_are_reached(score: int, decision: Decision) -> None:
    assert decide(facts(risk=Risk(score, "high", ()))).decision is decision


def test_categories_that_the_policy_names_need_a_person() -> None:
    verdict = decide(facts(categories=("dependency", "feature")))
    assert verdict.decision is Decision.NEEDS_APPROVAL
    assert codes(verdict) == ["CATEGORY_NEEDS_APPROVAL"]


def test_an_approval_of_exactly_this_change_is_enough_and_another_is_stale() -> None:
    asked = facts(categories=("dependency",))
    approved = decide(replace(asked, approvals=(ApprovalGiven(DIGEST, "ann"),)))
    assert approved.decision is Decision.ACCEPT
    assert "ann" in approved.reasons[-1].message
    stale = decide(replace(asked, approvals=(ApprovalGiven("d" * 64, "ann"),)))
    assert stale.decision is Decision.NEEDS_APPROVAL
    assert codes(stale) == ["CATEGORY_NEEDS_APPROVAL", "APPROVAL_STALE"]


def test_an_approval_that_nothing_asks_for_changes_nothing() -> None:
    assert codes(decide(facts(approvals=(ApprovalGiven("d" * 64, "ann"),)))) == []


def test_reasons_come_heaviest_first_and_are_bounded() -> None:
    many = tuple(Ruling(Weight.REFUSE, Reason("X", str(number))) for number in range(1000))
    verdict = decide(facts(rulings=many))
    assert len(verdict.reasons) == 201
    mixed = (
        Ruling(Weight.NOTE, Reason("N", "")),
        Ruling(Weight.ASK, Reason("A", "")),
        Ruling(Weight.REFUSE, Reason("R", "")),
    )
    assert codes(decide(facts(rulings=mixed))) == ["R", "A", "N"]


def test_the_decision_digest_covers_no_time_output_cache_or_sandbox_fact() -> None:
    slow = replace(GREEN, seconds=99.0, output_tail="elsewhere")
    other = facts(checks=(CheckFacts(PYTEST, slow, slow, cached=True),), sandbox_tier="landlock")
    assert decide(other).decision_digest == decide(facts()).decision_digest


@pytest.mark.parametrize(
    "differing",
    [
        {"tree": "3" * 40},
        {"base_tree": "3" * 40},
        {"policy": load_policy("version: 1\nproject: other\n")},
        {"environment_digest": "0" * 64},
        {"categories": ("docs",)},
        {"checks": (CheckFacts(replace(PYTEST, run="pytest"), GREEN, GREEN),)},
        {"checks": (CheckFacts(PYTEST, run({"b": Outcome.PASSED}), GREEN),)},
        {"audit": replace(CLEAN, findings_digest="0" * 64)},
        {"rulings": (Ruling(Weight.NOTE, Reason("X", "y")),)},
        {"risk": Risk(10, "low", ())},
    ],
)
def test_the_decision_digest_covers_whatever_decides(differing: dict[str, object]) -> None:
    assert decide(facts(**differing)).decision_digest != decide(facts()).decision_digest


def test_a_verdict_stays_within_one_message_whatever_the_tests_are_called() -> None:
    many = {f"{number:04}" + "\U0001f600" * 490: Outcome.FAILED for number in range(300)}
    loud = replace(run(many, 1), output_tail="\U0001f600" * 4000)
    quiet = run(dict.fromkeys(many, Outcome.PASSED))
    verdict = decide(facts(checks=(CheckFacts(PYTEST, loud, quiet),) * 50))
    listed = [name for check in verdict.checks for name in check.new_failures]
    assert listed
    assert sum(len(name.encode()) for name in listed) <= 300_000
    assert sum(len(check.output_tail.encode()) for check in verdict.checks) <= 1_000_000
    assert sum(len(reason.message.encode()) for reason in verdict.reasons) <= 1_000_000


runs = st.sampled_from(
    [
        None,
        GREEN,
        RED,
        run({"a": Outcome.PASSED, "b": Outcome.PASSED}),
        status(0),
        status(1),
        status(None, limit="time"),
    ]
)
check_facts = st.builds(CheckFacts, st.sampled_from([PYTEST, BARE]), runs, runs)
all_facts = st.builds(
    facts,
    rulings=st.lists(st.builds(Ruling, st.sampled_from(Weight), st.just(Reason("X", "x"))), max_size=3).map(
        tuple
    ),
    checks=st.lists(check_facts, max_size=3).map(tuple),
    categories=st.sampled_from([("feature",), ("dependency",)]),
    audit=st.sampled_from(
        [CLEAN, AuditFacts(Reason("NOT_AUDITED", "no")), replace(CLEAN, findings=(finding("medium"),))]
    ),
    risk=st.builds(Risk, st.integers(0, 100), st.just("low"), st.just(())),
    approvals=st.sampled_from([(), (ApprovalGiven(DIGEST, "ann"),), (ApprovalGiven("d" * 64, "ann"),)]),
)


@given(all_facts, st.data())
def test_another_bad_fact_never_makes_the_verdict_milder(each: Facts, data: st.DataObject) -> None:
    worse = data.draw(
        st.sampled_from(
            [
                replace(each, rulings=(*each.rulings, Ruling(Weight.REFUSE, Reason("BAD", "x")))),
                replace(each, rulings=(*each.rulings, Ruling(Weight.ASK, Reason("BAD", "x")))),
                replace(each, checks=(*each.checks, CheckFacts(PYTEST, RED, GREEN))),
                replace(each, audit=AuditFacts(Reason("NOT_AUDITED", "no"))),
                replace(
                    each, audit=replace(each.audit, findings=(*each.audit.findings, finding("critical")))
                ),
                replace(each, risk=replace(each.risk, score=100)),
                replace(each, categories=(*each.categories, "schema_change")),
                replace(each, approvals=()),
            ]
        )
    )
    assert SEVERITY[decide(worse).decision] >= SEVERITY[decide(each).decision]


@given(all_facts)
def test_nothing_is_accepted_without_every_check_proven(each: Facts) -> None:
    verdict = decide(each)
    if verdict.decision is Decision.ACCEPT:
        assert verdict.checks
        assert all(
            result.outcome in (CheckOutcome.PASSED, CheckOutcome.OLD_FAILURES)
            and result.exit_code is not None
            for result in verdict.checks
        )
        assert each.audit.problem is None


@given(all_facts)
def test_the_same_facts_give_the_same_verdict(each: Facts) -> None:
    assert decide(each) == decide(each)
    assert decide(each).decision_digest == decide(each).decision_digest
