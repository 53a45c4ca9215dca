"""What it means that a test passes which was made to fail: that others have passed says nothing either."""

from collections.abc import Iterator

from autopack.errors import Reason
from autopack.policy.plan import Check
from gate_svc.domain.evidence import Evidence, Outcome
from gate_svc.domain.ruling import Ruling, ask, refuse

NAMED = 5


def canaries(check: Check, head: Evidence, base: Evidence | None) -> Iterator[Ruling]:
    """What the head's canary and twins say, next to the base's: a check that no test can fail proves nothing,
    and if it is the change that has made it so, it does not land."""
    before = base.canary if base else None
    if head.canary is Outcome.PASSED and before is Outcome.PASSED:
        yield ask(
            Reason(
                "CHECK_CANNOT_FAIL",
                f"check {check.name}: a test that was made to fail passes, on the base as on the head",
                "see what makes its tests pass whatever they do; until then approve each change",
            )
        )
    elif head.canary is Outcome.PASSED:
        yield refuse(
            Reason(
                "CANARY_PASSED",
                f"check {check.name}: a test that was made to fail passes where the head's product is loaded",
                "leave the test runner alone",
            )
        )
    elif head.canary is None and before is not None and Outcome.PASSED in head.tests.values():
        yield ask(
            Reason(
                "CANARY_MISSING",
                f"check {check.name}: after the head's tests none could be made to fail, as on the base",
                "leave the test runner alone, or look at the change and approve it",
            )
        )
    passing = sorted(
        where.partition("#")[0]
        for where, failed in head.twins.items()
        if not failed and base is not None and base.twins.get(where)
    )
    if passing:
        more = f" and {len(passing) - NAMED} more" if len(passing) > NAMED else ""
        yield ask(
            Reason(
                "TWIN_PASSED",
                f"check {check.name}: {', '.join(passing[:NAMED])}{more} hold on the head with wrong"
                " expectations, and did not on the base",
                "return what is right, and not what equals everything",
            )
        )
