"""The SARIF document: what the standard requires, and what a code host shows."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from auditor_svc.domain.audit import AuditResult, AuditRules, conclude
from auditor_svc.domain.change import Change
from auditor_svc.domain.findings import AnalyzerReport, Detection, Severity, Unread
from auditor_svc.domain.recommendation import Outcome
from auditor_svc.domain.sarif import MAXIMUM_RESULTS, to_sarif
from autopack.errors import Reason

Make = Callable[..., Detection]
BASE, HEAD = "1" * 40, "2" * 40


def audit(*reports: AnalyzerReport, unread: tuple[Unread, ...] = ()) -> AuditResult:
    return conclude(Change(BASE, HEAD, (), unread), reports, AuditRules(Severity.HIGH, two_reviews=False))


def document(result: AuditResult) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(to_sarif(result))
    return loaded


@pytest.fixture
def report(detection: Make) -> AnalyzerReport:
    return AnalyzerReport(
        "bandit",
        "1.9.4",
        files=2,
        seconds=0.1,
        new=(
            detection(cwe=("CWE-78",), rule_name="blacklist", help_uri="https://example.org/B307"),
            detection(
                "exec(x)", rule_id="B102", severity=Severity.HIGH, path="a b/\u00e9.py", line=7, end_line=9
            ),
        ),
    )


def test_the_document_has_what_the_standard_requires(report: AnalyzerReport) -> None:
    loaded = document(audit(report))
    assert loaded["version"] == "2.1.0"
    assert loaded["$schema"].endswith("sarif-schema-2.1.0.json")
    [run] = loaded["runs"]
    assert run["tool"]["driver"]["name"] == "bandit"
    assert run["tool"]["driver"]["version"] == "1.9.4"
    for result in run["results"]:
        rule = run["tool"]["driver"]["rules"][result["ruleIndex"]]
        assert rule["id"] == result["ruleId"]
        assert result["message"]["text"]
        assert result["level"] in {"none", "note", "warning", "error"}
    assert all(isinstance(item["executionSuccessful"], bool) for item in run["invocations"])


def test_a_location_is_a_relative_address_with_lines(report: AnalyzerReport) -> None:
    results = document(audit(report))["runs"][0]["results"]
    place = next(result for result in results if result["ruleId"] == "B102")["locations"][0][
        "physicalLocation"
    ]
    assert place["artifactLocation"] == {"uri": "a%20b/%C3%A9.py", "uriBaseId": "SRCROOT"}
    assert place["region"] == {"startLine": 7, "endLine": 9}


def test_a_result_has_its_fingerprint(report: AnalyzerReport) -> None:
    result = audit(report)
    written = {item["partialFingerprints"]["autopack/v1"] for item in document(result)["runs"][0]["results"]}
    assert written == {finding.fingerprint for finding in result.findings}
    assert all(re.fullmatch("[0-9a-f]{64}", item) for item in written)


@pytest.mark.parametrize(
    ("severity", "level"),
    [
        (Severity.LOW, "note"),
        (Severity.MEDIUM, "warning"),
        (Severity.HIGH, "error"),
        (Severity.CRITICAL, "error"),
    ],
)
def test_levels_follow_severities(detection: Make, severity: Severity, level: str) -> None:
    report = AnalyzerReport("bandit", "1", 1, 0.0, new=(detection(severity=severity),))
    [result] = document(audit(report))["runs"][0]["results"]
    assert result["level"] == level
    assert result["properties"]["severity"] == severity.name.lower()


def test_weaknesses_are_taxa_and_tags(report: AnalyzerReport) -> None:
    run = document(audit(report))["runs"][0]
    [taxonomy] = run["taxonomies"]
    result = next(result for result in run["results"] if result["ruleId"] == "B307")
    [taxon] = result["taxa"]
    assert taxonomy["taxa"][taxon["index"]]["id"] == taxon["id"] == "78"
    assert "external/cwe/cwe-78" in run["tool"]["driver"]["rules"][result["ruleIndex"]]["properties"]["tags"]


def test_each_analyzer_has_a_run(report: AnalyzerReport) -> None:
    other = AnalyzerReport("ruff", "0.17", 2, 0.1)
    names = [run["tool"]["driver"]["name"] for run in document(audit(report, other))["runs"]]
    assert names == ["bandit", "ruff"]


def test_an_analyzer_that_failed_says_so() -> None:
    failure = Reason("ANALYZER_CRASHED", "bandit died of this file", path="a.py")
    run = document(audit(AnalyzerReport("bandit", "1", 1, 0.0, failures=(failure,))))["runs"][0]
    [invocation] = run["invocations"]
    assert invocation["executionSuccessful"] is False
    assert invocation["toolExecutionNotifications"][0]["descriptor"] == {"id": "ANALYZER_CRASHED"}


def test_an_audit_that_could_not_begin_has_a_document() -> None:
    reason = Reason("OBJECT_NOT_FOUND", "no such commit")
    result = AuditResult(BASE, HEAD, Outcome.NOT_REVIEWED, (), (), (reason,))
    [run] = document(result)["runs"]
    assert run["results"] == []
    assert run["invocations"][0]["executionSuccessful"] is False
    assert run["invocations"][0]["toolExecutionNotifications"][0]["message"] == {"text": "no such commit"}


def test_a_file_that_nobody_read_is_a_result() -> None:
    unread = Unread("big.bin", "FILE_TOO_LARGE_TO_AUDIT", "50000000 bytes")
    runs = document(audit(AnalyzerReport("text", "1", 0, 0.0), unread=(unread,)))["runs"]
    assert [result["ruleId"] for run in runs for result in run["results"]] == ["FILE_TOO_LARGE_TO_AUDIT"]


def test_what_does_not_fit_is_counted(detection: Make) -> None:
    many = tuple(detection(line=line) for line in range(1, MAXIMUM_RESULTS + 4))
    run = document(audit(AnalyzerReport("bandit", "1", 1, 0.0, new=many)))["runs"][0]
    assert len(run["results"]) == MAXIMUM_RESULTS
    notes = run["invocations"][0]["toolExecutionNotifications"]
    assert notes[0]["message"]["text"].startswith("3 more findings")


def test_the_same_result_gives_the_same_bytes(report: AnalyzerReport) -> None:
    assert to_sarif(audit(report)) == to_sarif(audit(report))
