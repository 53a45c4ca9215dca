"""A deterministic score of how much a change could break, 0 to 100, explained factor by factor.

Every factor only adds points, so that adding one never lowers the score.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gate_svc.domain.text import one_line

MAXIMUM = 100
MEDIUM_FROM = 25
HIGH_FROM = 50

CRITICAL_PATH_POINTS = 15
CRITICAL_PATHS_MAXIMUM = 30
FINDINGS_MAXIMUM = 40
UNTESTED_LINES = 50
UNTESTED_POINTS = 20
LICENCE_POINTS = 10

# (more than so many lines, points), largest first.
_SIZE = ((1000, 25), (500, 20), (200, 10))
_UNREACHED = ((100, 15), (30, 10), (10, 5))
_NET_DELETION = ((1000, 60), (200, 40), (100, 20))

_CATEGORY: Mapping[str, int] = {
    "security_auth_change": 20,
    "schema_change": 20,
    "test_harness": 20,
    "dependency": 15,
    "infrastructure": 15,
    "secrets": 20,
    "ci": 15,
}
_FINDING: Mapping[str, int] = {"critical": 40, "high": 20, "medium": 8, "low": 2}


@dataclass(frozen=True, slots=True)
class Factor:
    """One part of the score."""

    name: str
    points: int
    detail: str


@dataclass(frozen=True, slots=True)
class Risk:
    """The score and what it is made of."""

    score: int
    level: str
    """low, medium or high."""
    factors: tuple[Factor, ...]


@dataclass(frozen=True, slots=True)
class RiskFacts:
    """What the score is computed from; an absent fact adds nothing and raises nothing."""

    added_lines: int = 0
    deleted_lines: int = 0
    net_deleted_lines: int = 0
    """By which files became shorter; one that grew makes up for none of them."""
    product_lines: int = 0
    """Changed lines of source code that is not a test."""
    tests_changed: bool = False
    critical_paths: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    licence_changed: bool = False
    findings: tuple[str, ...] = ()
    """Severities of what the audit found."""
    unreached_lines: int = 0
    """Changed lines of functions that no test comes to: by so many the tested part falls."""


def assess(facts: RiskFacts) -> Risk:
    """The score of a change."""
    factors = tuple(_factors(facts))
    score = min(MAXIMUM, sum(factor.points for factor in factors))
    level = "high" if score >= HIGH_FROM else "medium" if score >= MEDIUM_FROM else "low"
    return Risk(score=score, level=level, factors=factors)


def _factors(facts: RiskFacts) -> Iterator[Factor]:
    changed = facts.added_lines + facts.deleted_lines
    if points := _step(changed, _SIZE):
        yield Factor("size", points, f"{changed} lines added or deleted")
    net = facts.net_deleted_lines
    if points := _step(net, _NET_DELETION):
        yield Factor("net_deletion", points, f"files became shorter by {net} lines")
    if facts.critical_paths:
        points = min(CRITICAL_PATHS_MAXIMUM, CRITICAL_PATH_POINTS * len(facts.critical_paths))
        yield Factor("critical_paths", points, _some(facts.critical_paths))
    for category in facts.categories:
        if points := _CATEGORY.get(category, 0):
            yield Factor(f"category_{category}", points, f"the change is of category {category}")
    if facts.product_lines > UNTESTED_LINES and not facts.tests_changed:
        yield Factor("missing_tests", UNTESTED_POINTS, f"{facts.product_lines} lines of code and no test")
    if points := _step(facts.unreached_lines, _UNREACHED):
        yield Factor("coverage", points, f"{facts.unreached_lines} changed lines that no test comes to")
    if facts.licence_changed:
        yield Factor("licence", LICENCE_POINTS, "a licence file is changed")
    if points := min(FINDINGS_MAXIMUM, sum(_FINDING.get(severity, 40) for severity in facts.findings)):
        yield Factor("findings", points, f"{len(facts.findings)} findings of the audit")


def _step(value: int, steps: tuple[tuple[int, int], ...]) -> int:
    return next((points for more_than, points in steps if value > more_than), 0)


def _some(paths: tuple[str, ...]) -> str:
    return ", ".join(one_line(path, 200) for path in paths[:3]) + (
        f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    )
