"""A plan under a policy: it narrows and adds, and never widens."""

from dataclasses import replace

from autopack.policy.narrowing import merge_checks, phase_budget, refuse_plan
from autopack.policy.plan import (
    Budget,
    Builder,
    Check,
    LedgerBuilder,
    NamedBuilder,
    Phase,
    Plan,
    RepairBuilder,
    Scope,
)
from autopack.policy.policy import DEFAULT_BUDGET, DEFAULT_POLICY, ModelBuilder, Policy

MODEL = ModelBuilder("m", "http://127.0.0.1:1/v1")
TESTS = Check("tests", "pytest -q")


def phase(builder: Builder | None = None, budget: Budget | None = None) -> Phase:
    return Phase(
        "a", "g", Scope(("src/**",)), builder or RepairBuilder(), budget=budget or Budget(), checks=(TESTS,)
    )


def codes(phase: Phase, policy: Policy) -> list[str]:
    return [reason.code for reason in refuse_plan(Plan(1, "n", (phase,)), policy)]


def test_a_builder_must_be_named_by_the_policy() -> None:
    policy = Policy(builders={"local": MODEL})
    assert codes(phase(NamedBuilder("local")), policy) == []
    assert codes(phase(NamedBuilder("local")), DEFAULT_POLICY) == ["UNKNOWN_BUILDER"]
    (reason,) = refuse_plan(Plan(1, "n", (phase(NamedBuilder("locla")),)), policy)
    assert "did you mean `local`?" in reason.fix


def test_a_budget_may_not_exceed_what_the_policy_states() -> None:
    policy = Policy(budget=Budget(attempts=3, seconds=900))
    assert codes(phase(budget=Budget(attempts=3, seconds=10)), policy) == []
    assert codes(phase(budget=Budget(attempts=4, seconds=901)), policy) == ["BUDGET_OVER_POLICY"] * 2


def test_a_phase_that_nothing_checks_is_refused_once_for_the_whole_plan() -> None:
    unchecked = replace(phase(), checks=())
    plan = Plan(1, "n", (unchecked, replace(unchecked, id="b")))
    assert [reason.code for reason in refuse_plan(plan, DEFAULT_POLICY)] == ["NO_CHECKS"]
    assert refuse_plan(plan, Policy(checks=(TESTS,))) == ()
    ledger = replace(unchecked, builder=LedgerBuilder(), category="ledger")
    assert codes(ledger, DEFAULT_POLICY) == []


def test_a_category_must_be_built_in_or_of_the_policy() -> None:
    (reason,) = refuse_plan(Plan(1, "n", (replace(phase(), category="bugfix"),)), DEFAULT_POLICY)
    assert reason.code == "UNKNOWN_CATEGORY"
    assert "did you mean `bug_fix`?" in reason.fix
    payments = replace(phase(), category="payments")
    assert codes(payments, DEFAULT_POLICY) == ["UNKNOWN_CATEGORY"]
    assert codes(payments, Policy(categories={"payments": ("pay/**",)})) == []


def test_a_default_is_no_cap() -> None:
    assert codes(phase(budget=Budget(seconds=100_000)), DEFAULT_POLICY) == []
    assert phase_budget(phase(budget=Budget(seconds=100_000)), DEFAULT_POLICY).seconds == 100_000


def test_a_phase_spends_the_least_that_is_stated_else_the_default() -> None:
    policy = Policy(budget=Budget(attempts=5, usd=1.5))
    assert phase_budget(phase(), DEFAULT_POLICY) == DEFAULT_BUDGET
    assert phase_budget(phase(budget=Budget(attempts=2)), policy) == replace(
        DEFAULT_BUDGET, attempts=2, usd=1.5
    )
    assert phase_budget(phase(budget=Budget(attempts=9)), policy).attempts == 5


def test_checks_of_a_plan_are_added_to_those_of_the_policy() -> None:
    lint = Check("lint", "ruff check")
    assert merge_checks(Policy(checks=(TESTS,)), [lint]) == (TESTS, lint)


def test_a_check_that_the_policy_has_already_is_not_run_twice() -> None:
    assert merge_checks(Policy(checks=(TESTS,)), [replace(TESTS, name="mine")]) == (TESTS,)


def test_a_check_never_takes_the_place_of_one_of_the_same_name() -> None:
    ours = [Check("tests", "true"), Check("plan.tests", "false")]
    merged = merge_checks(Policy(checks=(TESTS,)), ours)
    assert merged[0] == TESTS
    assert [check.name for check in merged] == ["tests", "plan.tests", "plan.plan.tests"]
    assert [check.run for check in merged] == ["pytest -q", "true", "false"]
