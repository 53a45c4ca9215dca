"""Leaves one finding where several analyzers saw the same weakness in the same place."""

from collections.abc import Iterable

from auditor_svc.domain.findings import Finding

_PASSWORD_RULES = {f"{tool}{number}" for tool in "BS" for number in (105, 106, 107)}
"""Hard-coded passwords, which the secret scanner knows better."""
_PASSWORD = "password"
_REGION_LINES = 100
"""Lines of a finding that count as its place."""


def without_duplicates(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Drops what another analyzer says better about overlapping lines of the same file.

    ruff's S602 is bandit's B602 under its old number; bandit also says how sure it is, so it is
    kept. A password that the secret scanner reports too is its.
    """
    items = tuple(findings)
    said = {
        (item.path, weakness, line)
        for item in items
        if (weakness := _says_best(item)) is not None
        for line in _lines(item)
    }
    return tuple(
        item
        for item in items
        if not any((item.path, weakness, line) in said for weakness in _yields(item) for line in _lines(item))
    )


def _says_best(item: Finding) -> str | None:
    """The weakness that the finding's analyzer knows best."""
    return {"bandit": item.rule_id[1:], "secrets": _PASSWORD}.get(item.analyzer)


def _yields(item: Finding) -> tuple[str, ...]:
    """The weaknesses under which another analyzer may say the same thing better."""
    number = (item.rule_id[1:],) if item.analyzer == "ruff" else ()
    return (*number, _PASSWORD) if item.rule_id in _PASSWORD_RULES else number


def _lines(item: Finding) -> range:
    return range(item.line, min(item.end_line, item.line + _REGION_LINES - 1) + 1)
