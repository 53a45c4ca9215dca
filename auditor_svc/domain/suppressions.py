"""Findings that a policy says a person answers for, until a day."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from auditor_svc.domain.findings import Finding


@dataclass(frozen=True, slots=True)
class Suppression:
    """One entry of the policy at the run's base."""

    rule: str
    """The analyzer and its rule, as `bandit:B602`."""
    covers: Callable[[str], bool]
    """Whether a path is meant."""
    reason: str
    owner: str
    expires: str
    """Last day on which it holds, as 2027-01-31."""


def suppress(
    findings: Iterable[Finding], suppressions: Sequence[Suppression], today: str
) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """What is left, and a note on each finding that is not; one that has expired lifts nothing."""
    kept: list[Finding] = []
    notes: list[str] = []
    for finding in findings:
        name = f"{finding.analyzer}:{finding.rule_id}"
        known = [each for each in suppressions if each.rule == name and each.covers(finding.path)]
        valid = [each for each in known if today <= each.expires]
        if valid:
            notes.append(
                f"{name} at {finding.path}:{finding.line} is suppressed until {valid[0].expires} "
                f"by {valid[0].owner}: {valid[0].reason}"
            )
        else:
            kept.append(finding)
            if known:
                last = known[0]
                notes.append(
                    f"{name} at {finding.path}: {last.owner}'s suppression expired on {last.expires}"
                )
    return tuple(kept), tuple(notes)
