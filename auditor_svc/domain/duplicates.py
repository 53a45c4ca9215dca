"""Leaves one finding where several analyzers saw the same weakness in the same place."""

from collections import defaultdict
from collections.abc import Iterable

from auditor_svc.domain.findings import Finding

_PASSWORD_RULES = {f"{tool}{number}" for tool in "BS" for number in (105, 106, 107)}
"""Hard-coded passwords, which the secret scanner knows better."""


def without_duplicates(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Drops what another analyzer says better about overlapping lines of the same file.

    ruff's S602 is bandit's B602 under its old number; bandit also says how sure it is, so it is
    kept. A password that the secret scanner reports too is its.
    """
    items = tuple(findings)
    by_path: dict[str, list[Finding]] = defaultdict(list)
    for item in items:
        by_path[item.path].append(item)
    return tuple(item for item in items if not any(_supersedes(other, item) for other in by_path[item.path]))


def _supersedes(better: Finding, item: Finding) -> bool:
    if better.line > item.end_line or better.end_line < item.line:
        return False
    if item.analyzer == "ruff" and better.analyzer == "bandit":
        return item.rule_id[1:] == better.rule_id[1:]
    return better.analyzer == "secrets" and item.rule_id in _PASSWORD_RULES
