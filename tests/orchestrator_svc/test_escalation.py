"""What follows a refusal: a table decides, each class of failure by its own counter, and it ends."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autopack.errors import Reason
from autopack.policy.paths import matches
from autopack.policy.plan import CommandBuilder, NamedBuilder, Phase, Scope
from orchestrator_svc.domain.escalation import LAST, TABLE, Step, escalate, next_step, proposal
from orchestrator_svc.domain.failures import Failure, classify

PATHS = ("src/a.py", "src/b.py", "docs/x.md", "odd[1].py", "")
CODES = (
    "PATCH_DOES_NOT_APPLY",
    "PATH_OUT_OF_SCOPE",
    "MODEL_ANSWER_TRUNCATED",
    "NEW_FAILURES",
    "AUDIT_FINDINGS",
    "NO_CHANGE",
    "ENVIRONMENT_SETUP_FAILED",
    "SAME_CHANGE_AGAIN",
    "MERGE_CONFLICT",
    "COMMAND_FAILED",
)
STRONGER = {"weak": "strong", "strong": "strongest", "strongest": "weak"}
REASONS = st.builds(
    lambda code, path: Reason(code, "m", "f", path), st.sampled_from(CODES), st.sampled_from(PATHS)
)
REFUSALS = st.lists(st.lists(REASONS, min_size=1, max_size=3), max_size=60)


def a_phase(*paths: str, use: str = "weak", category: str = "feature", context: Sequence[str] = ()) -> Phase:
    scope = Scope(paths or ("src/**",), tuple(context))
    return Phase("one", "Do it", scope, NamedBuilder(use), category)


def refused(code: str, *paths: str) -> list[Reason]:
    return [Reason(code, "m", "f", path) for path in paths or ("",)]


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        ("EDIT_DOES_NOT_APPLY", Failure.DOES_NOT_APPLY),
        ("PATH_PROTECTED", Failure.OUT_OF_SCOPE),
        ("MODEL_ANSWER_TRUNCATED", Failure.TRUNCATED),
        ("NEW_FAILURES", Failure.CHECKS_FAIL),
        ("AUDIT_FINDINGS", Failure.AUDIT_FINDINGS),
        ("BUILDER_UNAVAILABLE", Failure.PROVIDER_DOWN),
        ("BUDGET_EXHAUSTED", Failure.BUDGET_GONE),
        ("NO_CHANGE", Failure.NO_CHANGE),
        ("ENVIRONMENT_SETUP_FAILED", Failure.ENVIRONMENT_BROKEN),
        ("MERGE_CONFLICT", Failure.CONFLICT),
        ("UNKNOWN_ADAPTER", Failure.PLAN_OR_POLICY),
        ("A_CODE_OF_TOMORROW", Failure.CHECKS_FAIL),
    ],
)
def test_failures_are_told_apart_by_their_codes(code: str, failure: Failure) -> None:
    assert classify(refused(code)) is failure


def test_a_repeated_change_is_that_and_not_what_it_was_refused_for() -> None:
    assert classify([*refused("SAME_CHANGE_AGAIN"), *refused("NEW_FAILURES")]) is Failure.SAME_CHANGE


def test_an_outage_counts_as_no_refusal_whatever_comes_with_it() -> None:
    assert classify([*refused("NEW_FAILURES"), *refused("BUILDER_UNAVAILABLE")]) is Failure.PROVIDER_DOWN
    assert TABLE[Failure.PROVIDER_DOWN] == (Step.WAIT,)


def test_every_class_has_a_row_that_ends_and_only_there() -> None:
    assert set(TABLE) == set(Failure)
    for row in TABLE.values():
        assert [step in LAST for step in row] == [False] * (len(row) - 1) + [True]


@given(
    st.sampled_from(sorted(Failure)), st.integers(1, 100), st.integers(0, 4), st.sets(st.sampled_from(Step))
)
def test_a_step_is_of_the_failures_own_row_and_possible(
    failure: Failure, count: int, weight: int, possible: set[Step]
) -> None:
    step = next_step(failure, count, weight, possible)
    assert step in TABLE[failure]
    assert step in possible | LAST | {Step.RETRY}


@settings(max_examples=200)
@given(REFUSALS)
def test_escalation_is_bounded_widens_nothing_and_goes_to_no_builder_twice(
    refusals: list[list[Reason]],
) -> None:
    planned = a_phase()
    used = [planned.builder]
    steps = []
    for count in range(1, len(refusals) + 1):
        now = escalate(planned, refusals[:count], STRONGER)
        assert now == escalate(planned, refusals[:count], STRONGER)
        steps.append(now.step)
        if now.phase.builder != used[-1]:
            assert now.step is Step.STRONGER_MODEL
            used.append(now.phase.builder)
        for path in ("src/a.py", "src/b.py", "docs/x.md", "other/src/a.py"):
            assert not matches(now.phase.scope.paths, path) or matches(planned.scope.paths, path)
        assert (now.phase.goal, now.phase.checks, now.phase.budget) == (
            planned.goal,
            planned.checks,
            planned.budget,
        )
        if now.step in LAST:
            break
    assert len(used) == len(set(used)) <= len(STRONGER)
    assert len(steps) <= sum(map(len, TABLE.values())) + len(STRONGER)


@given(st.sampled_from(CODES), st.integers(0, 3), st.sampled_from(CODES))
def test_classes_do_not_count_for_each_other(code: str, others: int, other: str) -> None:
    if classify(refused(code)) is classify(refused(other)):
        return
    between = [refused(other)] * others
    alone = escalate(a_phase(), [refused(code)], {})
    assert escalate(a_phase(), [*between, refused(code)], {}).step is alone.step


def test_more_context_is_what_the_reasons_name_outside_the_scope() -> None:
    failures = [refused("NEW_FAILURES", "tests/test_a.py", "src/a.py")] * 2
    now = escalate(a_phase(), failures, {})
    assert (now.step, now.phase.scope.context) == (Step.MORE_CONTEXT, ("/tests/test_a.py",))


def test_a_smaller_scope_is_what_the_reasons_name_inside_it() -> None:
    now = escalate(a_phase(), [refused("MODEL_ANSWER_TRUNCATED", "src/a.py", "docs/x.md")], {})
    assert (now.step, now.phase.scope.paths) == (Step.SMALLER_SCOPE, ("/src/a.py",))


@pytest.mark.parametrize(
    ("category", "paths", "asked"),
    [
        ("docs", ("docs/a.md",), 3),
        ("feature", ("src/**",), 2),
        ("bug_fix", ("**",), 1),
        ("security_auth_change", ("src/**",), 1),
        ("security_auth_change", ("src/a.py",), 2),
    ],
)
def test_the_dearer_a_mistake_and_the_wider_the_scope_the_sooner_a_stronger_model_is_asked(
    category: str, paths: tuple[str, ...], asked: int
) -> None:
    phase = a_phase(*paths, category=category)
    steps = [
        escalate(phase, [refused("NEW_FAILURES")] * count, STRONGER).step for count in range(1, asked + 1)
    ]
    assert steps == [Step.RETRY] * (asked - 1) + [Step.STRONGER_MODEL]


def test_a_builder_that_takes_no_context_is_only_tried_again_until_a_person_is_asked() -> None:
    phase = Phase("one", "Do it", Scope(("src/**",)), CommandBuilder("make"))
    steps = [escalate(phase, [refused("NEW_FAILURES", "tests/x")] * n, STRONGER).step for n in range(1, 7)]
    assert steps == [Step.RETRY] * 5 + [Step.PROPOSE]


def test_a_person_is_proposed_a_wider_scope_or_smaller_phases() -> None:
    wider = proposal(a_phase(), Failure.OUT_OF_SCOPE, refused("PATH_OUT_OF_SCOPE", "lib/x.py"))
    assert "    - src/**\n    - lib/x.py\n" in wider.fix
    smaller = proposal(a_phase("src/a.py", "src/b.py"), Failure.TRUNCATED, refused("CHANGE_TOO_LARGE"))
    assert "- id: one-1\n" in smaller.fix
    assert "- id: one-2\n" in smaller.fix
