"""What it means that tests report to have passed, and the values that they sent do not agree."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from autopack.errors import Reason
from autopack.policy.plan import Check
from gate_svc.domain.evidence import Doubt, DoubtKind, Evidence, Outcome
from gate_svc.domain.ruling import Ruling, ask, refuse

NAMED = 5
"""Tests that a reason names."""

FORGED = (DoubtKind.WRONG, DoubtKind.MISSING, DoubtKind.BLIND_FAILURE)
"""What honest code does not do."""


def forged(head: Evidence, base: Evidence | None) -> dict[str, Doubt]:
    """Doubts of the head on tests that passed on the base without any."""
    return {
        name: doubt
        for name, doubt in sorted(head.doubts.items())
        if base is not None
        and doubt.kind in FORGED
        and name not in base.doubts
        and base.tests.get(name) is Outcome.PASSED
    }


def doubts(
    check: Check, head: Evidence, base: Evidence | None, flaky: Collection[str] = ()
) -> Iterator[Ruling]:
    """What the head's doubts say, next to the base's: what is odd on both is the test's, not the change's."""
    new = {name: doubt for name, doubt in forged(head, base).items() if name not in flaky}
    doubted = {
        name: doubt
        for name, doubt in sorted(head.doubts.items())
        if name not in new
        and name not in flaky
        and (base is None or name not in base.doubts)
        and (doubt.kind in FORGED or (base is not None and name in base.tests))
    }
    if new:
        yield refuse(
            Reason(
                "RESULT_FORGED",
                f"check {check.name}: tests report to have passed, and what they sent says otherwise: "
                + _told(new),
                "make the code right without knowing what the tests expect",
            )
        )
    if doubted:
        yield ask(
            Reason(
                "RESULT_DOUBTED",
                f"check {check.name}: that these passed cannot be seen from outside: {_told(doubted)}",
                "return values of built-in types there, or look at the change and approve it",
            )
        )
    if fewer := _fewer(head, base):
        yield ask(
            Reason(
                "ASSERTIONS_NOT_REACHED",
                f"check {check.name}: {', '.join(fewer[:NAMED])} came to fewer assertions than on the base",
                "let the tests come to all that they assert, or approve the change",
            )
        )


def contradictions(check: Check, names: tuple[str, ...]) -> Iterator[Ruling]:
    """Tests of the base that the change fails, and has changed so that they no longer say so."""
    if names:
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        yield ask(
            Reason(
                "ASSERTION_CHANGED",
                f"check {check.name}: {', '.join(names[:NAMED])}{more} fail as the base has them",
                "keep what the base asserts, or approve that it is another thing now",
            )
        )


def in_files(test: str, paths: Iterable[str]) -> bool:
    """Whether a test, or what could not be loaded, is in one of these files."""
    path = test.partition("::")[0]
    return any(path == each or _is_of_module(path, each) for each in paths)


def _is_of_module(test: str, path: str) -> bool:
    """unittest names tests by module, from wherever it began to look."""
    parts = path.removesuffix(".py").split("/")
    modules = (".".join(parts[start:]) for start in range(len(parts)))
    return any(test == module or test.startswith(f"{module}.") for module in modules)


def _fewer(head: Evidence, base: Evidence | None) -> list[str]:
    if base is None:
        return []
    reached: Mapping[str, int] = head.reached
    return sorted(
        name
        for name, number in base.reached.items()
        if head.tests.get(name) is Outcome.PASSED
        and name not in head.doubts
        and reached.get(name, 0) < number
    )


def _told(found: Mapping[str, Doubt]) -> str:
    said = "; ".join(f"{name} ({doubt.detail})" for name, doubt in list(found.items())[:NAMED])
    return said + (f" and {len(found) - NAMED} more" if len(found) > NAMED else "")
