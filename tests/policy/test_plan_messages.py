"""Plans as messages: nothing is lost on the way, and what comes in is checked like a document."""

import protovalidate
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autopack.errors import InvalidInput
from autopack.policy.convert import (
    budget_from_proto,
    budget_to_proto,
    check_from_proto,
    check_to_proto,
    phase_from_proto,
    phase_to_proto,
    plan_from_proto,
    plan_to_proto,
)
from autopack.policy.plan import (
    Budget,
    Builder,
    Check,
    CommandBuilder,
    Decision,
    LedgerBuilder,
    NamedBuilder,
    PatchBuilder,
    Phase,
    Plan,
    RepairBuilder,
    ReplayBuilder,
    Scope,
)

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
identifiers = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,8}", fullmatch=True)
globs = st.sampled_from(["src/**", "*.py", "/README.md", "docs/a.md", "!src/x"])
files = st.dictionaries(st.sampled_from(["a.py", "b/c.txt", "ü"]), st.none() | words, min_size=1)
builders: st.SearchStrategy[Builder] = st.one_of(
    st.builds(PatchBuilder, diff=words),
    st.builds(PatchBuilder, files=files),
    st.builds(CommandBuilder, run=words),
    st.builds(NamedBuilder, use=words),
    st.builds(ReplayBuilder, of=words),
    st.just(RepairBuilder()),
)
checks = st.builds(
    Check,
    name=identifiers,
    run=words,
    reports=st.sampled_from(["", "pytest", "tap", "none", "junit:a/b.xml"]),
    timeout=st.integers(1, 86_400),
)
budgets = st.builds(
    Budget,
    attempts=st.integers(0, 100),
    seconds=st.integers(0, 2**32 - 1),
    tokens=st.integers(0, 10**15),
    usd=st.floats(0, 1e6),
)


decisions = st.builds(
    Decision,
    **dict.fromkeys(("title", "context", "decision", "alternatives", "consequences"), words),
    supersedes=st.lists(st.sampled_from(["DEC-0001", "DEC-12345"])).map(tuple),
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    ids = draw(st.lists(identifiers, min_size=1, max_size=4, unique=True))
    phases = [
        Phase(
            id=name,
            goal=draw(words),
            scope=Scope(tuple(draw(st.lists(globs, min_size=1, max_size=3))), tuple(draw(st.lists(globs)))),
            builder=draw(builders),
            category=draw(st.sampled_from(["feature", "bug_fix"])),
            depends_on=tuple(other for other in ids[:index] if draw(st.booleans())),
            checks=tuple(draw(st.lists(checks, max_size=2, unique_by=lambda check: check.name))),
            hints=tuple(draw(st.lists(words, max_size=2))),
            budget=draw(budgets),
            decision=draw(st.none() | decisions),
        )
        for index, name in enumerate(ids)
    ]
    return Plan(1, draw(words), tuple(phases), "main", draw(st.sampled_from(["branch", "fast-forward"])))


@given(plans())
def test_a_plan_comes_back_as_it_went(plan: Plan) -> None:
    message = plan_to_proto(plan)
    protovalidate.validate(message)
    assert plan_from_proto(type(message).FromString(message.SerializeToString())) == plan


@given(checks, budgets)
def test_checks_and_budgets_come_back_as_they_went(check: Check, budget: Budget) -> None:
    assert check_from_proto(check_to_proto(check)) == check
    assert budget_from_proto(budget_to_proto(budget)) == budget


def a_plan(builder: Builder, id: str = "a") -> Plan:
    return Plan(1, "n", (Phase(id, "goal", Scope(("src/**",)), builder),))


def test_a_message_is_checked_like_a_document() -> None:
    message = plan_to_proto(a_plan(RepairBuilder()))
    message.phases[0].scope.paths[:] = ["../x"]
    message.phases[0].depends_on[:] = ["nobody"]
    with pytest.raises(InvalidInput) as caught:
        plan_from_proto(message)
    assert {reason.code for reason in caught.value.reasons} == {"PATH_ESCAPES", "UNKNOWN_DEPENDENCY"}


def test_a_message_without_builder_is_refused() -> None:
    message = plan_to_proto(a_plan(RepairBuilder()))
    message.phases[0].ClearField("builder")
    with pytest.raises(InvalidInput, match="PLAN_INVALID"):
        plan_from_proto(message)


def test_no_plan_can_write_ledgers_but_an_internal_phase_can() -> None:
    plan = a_plan(LedgerBuilder(("run-1",)))
    with pytest.raises(InvalidInput, match="cannot write ledgers"):
        plan_from_proto(plan_to_proto(plan))
    assert phase_from_proto(phase_to_proto(plan.phases[0])) == plan.phases[0]
    assert plan_from_proto(plan_to_proto(plan), ledgers_too=True) == plan


def test_a_phase_that_is_none_is_refused() -> None:
    message = phase_to_proto(a_plan(RepairBuilder()).phases[0])
    message.phase_id = "Not An Id"
    with pytest.raises(InvalidInput, match="PHASE_INVALID"):
        phase_from_proto(message)


def test_an_empty_file_is_not_a_removed_one() -> None:
    plan = a_plan(PatchBuilder(files={"empty": "", "gone": None}))
    assert plan_from_proto(plan_to_proto(plan)) == plan


def test_a_plan_that_does_not_fit_into_one_message_is_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        plan_to_proto(a_plan(PatchBuilder(diff="x" * 4_000_000)))
    assert caught.value.reasons[0].code == "PLAN_TOO_LARGE"
