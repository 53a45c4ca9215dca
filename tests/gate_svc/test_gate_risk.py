"""The score is deterministic, reachable, explained, and never falls when something bad is added."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_svc.domain.risk import RiskFacts, assess

facts = st.builds(
    RiskFacts,
    added_lines=st.integers(0, 3000),
    deleted_lines=st.integers(0, 3000),
    product_lines=st.integers(0, 3000),
    tests_changed=st.booleans(),
    critical_paths=st.lists(st.sampled_from(["auth/a.py", "deploy/b", "crypto/c"]), unique=True).map(tuple),
    categories=st.lists(st.sampled_from(["dependency", "ci", "feature"]), unique=True).map(tuple),
    licence_changed=st.booleans(),
    findings=st.lists(st.sampled_from(["low", "medium", "high", "critical"]), max_size=5).map(tuple),
)


def test_a_change_of_which_nothing_is_known_scores_zero() -> None:
    assert assess(RiskFacts()).score == 0
    assert assess(RiskFacts()).level == "low"


@pytest.mark.parametrize(("lines", "points"), [(200, 0), (201, 10), (501, 20), (1001, 25)])
def test_size_scores_by_steps(lines: int, points: int) -> None:
    assert assess(RiskFacts(added_lines=lines)).score == points


@pytest.mark.parametrize(("net", "points"), [(100, 0), (101, 20), (201, 40), (1001, 60)])
def test_net_deletion_scores_by_steps(net: int, points: int) -> None:
    found = assess(RiskFacts(added_lines=0, deleted_lines=net))
    assert sum(factor.points for factor in found.factors if factor.name == "net_deletion") == points


def test_critical_paths_score_each_up_to_their_maximum() -> None:
    assert assess(RiskFacts(critical_paths=("a",))).score == 15
    assert assess(RiskFacts(critical_paths=("a", "b", "c"))).score == 30


def test_code_without_a_test_scores_and_with_one_does_not() -> None:
    assert assess(RiskFacts(product_lines=51)).score == 20
    assert assess(RiskFacts(product_lines=51, tests_changed=True)).score == 0


def test_every_level_and_the_whole_scale_can_be_reached() -> None:
    worst = RiskFacts(
        deleted_lines=2000,
        product_lines=2000,
        critical_paths=("a", "b"),
        categories=("security_auth_change",),
        licence_changed=True,
        findings=("critical",),
    )
    assert assess(worst).score == 100
    assert assess(worst).level == "high"
    assert assess(RiskFacts(deleted_lines=150)).level == "low"
    assert assess(RiskFacts(deleted_lines=300)).level == "high"
    assert assess(RiskFacts(critical_paths=("a", "b"))).level == "medium"


def test_a_severity_that_nobody_knows_counts_as_the_worst() -> None:
    assert assess(RiskFacts(findings=("odd",))).score == assess(RiskFacts(findings=("critical",))).score


@given(facts)
def test_the_score_is_the_sum_of_its_factors_within_its_bounds(each: RiskFacts) -> None:
    found = assess(each)
    assert found.score == min(100, sum(factor.points for factor in found.factors))
    assert all(factor.points > 0 and factor.detail for factor in found.factors)
    assert assess(each) == found


@given(facts, st.data())
def test_adding_a_risk_factor_never_lowers_the_score(each: RiskFacts, data: st.DataObject) -> None:
    worse = data.draw(
        st.sampled_from(
            [
                replace(each, deleted_lines=each.deleted_lines + 150),
                replace(each, product_lines=each.product_lines + 60),
                replace(each, tests_changed=False),
                replace(each, critical_paths=(*each.critical_paths, "secrets/x")),
                replace(each, categories=(*each.categories, "schema_change")),
                replace(each, licence_changed=True),
                replace(each, findings=(*each.findings, "low")),
            ]
        )
    )
    assert assess(worse).score >= assess(each).score
