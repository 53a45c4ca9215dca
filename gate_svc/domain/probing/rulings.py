"""What it means for a change how it behaves beyond its tests."""

from collections.abc import Iterator

from autopack.errors import Reason
from autopack.policy.plan import Check
from gate_svc.domain.probing.probed import Probed
from gate_svc.domain.ruling import Ruling, ask, note, refuse

NAMED = 3

_SURVIVORS = {"ask": ask, "refuse": refuse}
"""What is made of surviving mutants, by the policy; else they are told with the check alone."""


def probe_rulings(check: Check, probed: Probed, survivors: str, refactoring: bool) -> Iterator[Ruling]:
    """What was seen; `survivors` is the policy's word on mutants, `refactoring` what it calls itself."""
    if probed.outside:
        yield ask(
            Reason(
                "DIFFERS_OUTSIDE_TESTS",
                f"check {check.name}: come out otherwise where no tests run: {_some(probed.outside)}",
                "do without knowing of tests, or look at the change and approve it",
            )
        )
    if probed.copied:
        yield ask(
            Reason(
                "ANSWER_COPIED",
                f"check {check.name}: other than on the base, as nothing like it is: {_some(probed.copied)}",
                "mend more than the tests' own cases, or look at the change and approve it",
            )
        )
    if probed.unseen:
        yield ask(
            Reason(
                "DIFFERS_BEYOND_TESTS",
                f"check {check.name}: as on the base where tests look, and otherwise elsewhere: "
                f"{_some(probed.unseen)} (as {_some(probed.different)})",
                "add tests that show what is meant to be otherwise, or look at the change and approve it",
            )
        )
    elif probed.different and refactoring:
        yield ask(
            Reason(
                "DIFFERS_BEYOND_TESTS",
                f"check {check.name}: a refactoring that differs from the base: {_some(probed.different)}",
                "keep what it does, or name the change for what it is",
            )
        )
    elif probed.different:
        yield note(
            Reason(
                "BEHAVIOUR_DIFFERS",
                f"check {check.name}: otherwise than on the base: {_some(probed.different)}",
                "see whether that is meant",
            )
        )
    if probed.survived and (rule := _SURVIVORS.get(survivors)):
        tried = probed.survived + probed.killed
        yield rule(
            Reason(
                "MUTANTS_SURVIVED",
                f"check {check.name}: no test notices {probed.survived} of {tried} mutants of changed lines: "
                + "; ".join(probed.survivors[:NAMED]),
                "add tests that do",
            )
        )


def _some(names: tuple[str, ...]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
