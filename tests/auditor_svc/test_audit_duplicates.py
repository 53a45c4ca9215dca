"""One weakness seen by two analyzers is one finding."""

from collections.abc import Callable

from auditor_svc.domain.duplicates import without_duplicates
from auditor_svc.domain.findings import Finding

Make = Callable[..., Finding]


def test_ruffs_rule_gives_way_to_bandits_of_the_same_number(finding: Make) -> None:
    items = [finding(analyzer="ruff", rule_id="S602"), finding(rule_id="B602")]
    assert [item.rule_id for item in without_duplicates(items)] == ["B602"]


def test_ruffs_rule_stays_on_other_lines(finding: Make) -> None:
    items = [finding(analyzer="ruff", rule_id="S602", line=9, end_line=9), finding(rule_id="B602")]
    assert without_duplicates(items) == tuple(items)


def test_ruffs_rule_stays_in_other_files(finding: Make) -> None:
    items = [finding(analyzer="ruff", rule_id="S602", path="b.py"), finding(rule_id="B602")]
    assert without_duplicates(items) == tuple(items)


def test_overlapping_lines_are_the_same_place(finding: Make) -> None:
    items = [
        finding(analyzer="ruff", rule_id="S602", line=3, end_line=3),
        finding(rule_id="B602", line=1, end_line=4),
    ]
    assert [item.rule_id for item in without_duplicates(items)] == ["B602"]


def test_a_password_is_the_secret_scanners(finding: Make) -> None:
    items = [
        finding(rule_id="B105"),
        finding(analyzer="ruff", rule_id="S105"),
        finding(analyzer="secrets", rule_id="secret-keyword"),
    ]
    assert [item.analyzer for item in without_duplicates(items)] == ["secrets"]


def test_other_weaknesses_beside_a_secret_stay(finding: Make) -> None:
    items = [finding(rule_id="B602"), finding(analyzer="secrets", rule_id="secret-keyword")]
    assert without_duplicates(items) == tuple(items)
