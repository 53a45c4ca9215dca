"""Reviews never merge into something milder than the strictest of them."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auditor_svc.domain.findings import Finding, Severity
from auditor_svc.domain.recommendation import Outcome, Review, combine, review_findings

_REVIEWS = st.lists(st.builds(Review, st.sampled_from("abc"), st.sampled_from(Outcome)), max_size=5)


def test_two_rejections_are_a_rejection() -> None:
    reviews = [Review("first", Outcome.REVISE), Review("second", Outcome.REVISE)]
    assert combine(reviews, required=2) is Outcome.REVISE


def test_two_errors_are_no_review() -> None:
    reviews = [Review("first", Outcome.NOT_REVIEWED), Review("second", Outcome.NOT_REVIEWED)]
    assert combine(reviews, required=2) is Outcome.NOT_REVIEWED


def test_an_approval_does_not_outweigh_an_error() -> None:
    reviews = [Review("first", Outcome.APPROVE), Review("second", Outcome.NOT_REVIEWED)]
    assert combine(reviews, required=2) is Outcome.NOT_REVIEWED


def test_two_independent_approvals_approve() -> None:
    reviews = [Review("first", Outcome.APPROVE), Review("second", Outcome.APPROVE)]
    assert combine(reviews, required=2) is Outcome.APPROVE


def test_one_reviewer_twice_is_not_two() -> None:
    reviews = [Review("first", Outcome.APPROVE), Review("first", Outcome.APPROVE)]
    assert combine(reviews, required=2) is Outcome.ESCALATE


def test_a_missing_second_review_asks_a_person() -> None:
    assert combine([Review("first", Outcome.APPROVE)], required=2) is Outcome.ESCALATE


def test_no_review_is_no_approval() -> None:
    assert combine([]) is Outcome.NOT_REVIEWED


@given(_REVIEWS, st.integers(1, 3))
def test_nothing_merges_into_something_milder(reviews: list[Review], required: int) -> None:
    combined = combine(reviews, required)
    assert all(combined >= review.outcome for review in reviews)


@given(_REVIEWS, st.sampled_from(Outcome), st.integers(1, 3))
def test_another_review_by_a_known_reviewer_never_makes_it_milder(
    reviews: list[Review], outcome: Outcome, required: int
) -> None:
    reviewer = reviews[0].reviewer if reviews else "a"
    if reviews:
        assert combine([*reviews, Review(reviewer, outcome)], required) >= combine(reviews, required)


@pytest.mark.parametrize("block_at", Severity)
@pytest.mark.parametrize("severity", Severity)
def test_findings_block_from_the_policys_severity_on(
    finding: Callable[..., Finding], block_at: Severity, severity: Severity
) -> None:
    outcome = review_findings([finding(severity=severity)], block_at, unread=False)
    assert outcome is (Outcome.REVISE if severity >= block_at else Outcome.APPROVE)


def test_a_file_that_nobody_read_is_for_a_person() -> None:
    assert review_findings([], Severity.HIGH, unread=True) is Outcome.ESCALATE


def test_a_blocking_finding_comes_before_a_file_that_nobody_read(finding: Callable[..., Finding]) -> None:
    found = [finding(severity=Severity.CRITICAL)]
    assert review_findings(found, Severity.HIGH, unread=True) is Outcome.REVISE
