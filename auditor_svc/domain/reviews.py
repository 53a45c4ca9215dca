"""What model reviewers come to together: they add findings and lift none; a person settles the rest."""

from collections.abc import Sequence
from dataclasses import dataclass

from auditor_svc.domain.findings import AnalyzerReport, Severity
from auditor_svc.domain.recommendation import Outcome, Review
from autopack.errors import Reason


@dataclass(frozen=True, slots=True)
class ModelReview:
    """One reviewer's word."""

    reviewer: str
    approves: bool
    report: AnalyzerReport
    """Its findings; with failures, it has not reviewed."""

    @property
    def is_made(self) -> bool:
        return not self.report.failures

    @property
    def worst(self) -> Severity | None:
        return max((item.severity for item in self.report.new), default=None)


def disagree(reviews: Sequence[ModelReview]) -> bool:
    """Whether they differ in the verdict, or in how bad the worst of it is."""
    made = [review for review in reviews if review.is_made]
    return len({(review.approves, review.worst) for review in made}) > 1


def outcomes(
    reviews: Sequence[ModelReview], judged: ModelReview | None, block_at: Severity
) -> tuple[list[Review], tuple[Reason, ...]]:
    """Each reviewer's outcome, and why a person should look."""
    found = []
    for review in reviews:
        blocks = review.worst is not None and review.worst >= block_at
        outcome = Outcome.REVISE if blocks else Outcome.APPROVE if review.approves else Outcome.ESCALATE
        found.append(Review(review.reviewer, outcome if review.is_made else Outcome.NOT_REVIEWED))
    if not disagree(reviews):
        return found, tuple(_refusal(review) for review in reviews if review.is_made and not review.approves)
    # A judge that finds fault upholds the stricter one; one that finds none lifts nothing.
    upheld = judged is not None and judged.is_made and not judged.approves
    found.append(Review("judge", Outcome.REVISE if upheld else Outcome.ESCALATE))
    word = (
        "upheld the stricter one"
        if upheld
        else "did not settle it"
        if judged is not None
        else "is not named in the policy"
    )
    fix = "look at their findings, and decide"
    return found, (
        Reason("REVIEWERS_DISAGREE", f"the reviewers came to different results; a judge {word}", fix),
    )


def _refusal(review: ModelReview) -> Reason:
    return Reason(
        "REVIEWER_OBJECTS",
        f"{review.reviewer} would not approve the change",
        "look at its findings, and decide",
    )
