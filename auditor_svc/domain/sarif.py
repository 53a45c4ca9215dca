"""An audit as a SARIF 2.1.0 document: one run per analyzer, no text of any file in it."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from auditor_svc.domain.audit import COVERAGE, AuditResult
from auditor_svc.domain.findings import AnalyzerReport, Finding, Severity

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
MAXIMUM_RESULTS = 5000
"""Results of a run that a code host shows at most; the worst are kept and the rest is counted."""

_LEVELS = {
    Severity.LOW: "note",
    Severity.MEDIUM: "warning",
    Severity.HIGH: "error",
    Severity.CRITICAL: "error",
}
_SCORES = {Severity.LOW: "3.0", Severity.MEDIUM: "5.5", Severity.HIGH: "8.0", Severity.CRITICAL: "9.5"}
"""GitHub's `security-severity`, in the middle of each of its bands."""


def to_sarif(result: AuditResult) -> bytes:
    """The document, UTF-8, the same bytes for the same result except for analyzers' times."""
    runs = [_run(report, result) for report in result.reports]
    unread = [finding for finding in result.findings if finding.analyzer == COVERAGE]
    if unread or not runs:
        runs.append(_run(AnalyzerReport(COVERAGE, "", 0, 0.0), result))
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": runs}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _run(report: AnalyzerReport, result: AuditResult) -> dict[str, Any]:
    found = [finding for finding in result.findings if finding.analyzer == report.name]
    kept = found[:MAXIMUM_RESULTS]
    rules = sorted({finding.rule_id for finding in kept})
    weaknesses = sorted({cwe for finding in kept for cwe in finding.cwe}, key=lambda cwe: int(cwe[4:]))
    run: dict[str, Any] = {
        "tool": {"driver": _driver(report, kept, rules)},
        "automationDetails": {"id": f"autopack/{report.name}/{result.base[:12]}..{result.head[:12]}"},
        "columnKind": "utf16CodeUnits",
        "originalUriBaseIds": {"SRCROOT": {"description": {"text": "The root of the repository."}}},
        "invocations": [_invocation(report, result, len(found) - len(kept))],
        "results": [_result(finding, rules, weaknesses) for finding in kept],
        "properties": {"base": result.base, "head": result.head, "files": report.files},
    }
    if weaknesses:
        run["taxonomies"] = [_cwe_taxonomy(weaknesses)]
    return run


def _driver(report: AnalyzerReport, findings: Sequence[Finding], rules: Sequence[str]) -> dict[str, Any]:
    examples = {finding.rule_id: finding for finding in findings}
    worst = {rule: max(item.severity for item in findings if item.rule_id == rule) for rule in rules}
    driver: dict[str, Any] = {"name": report.name, "rules": [_rule(examples[r], worst[r]) for r in rules]}
    if report.version:
        driver["version"] = report.version
    if any(finding.cwe for finding in findings):
        driver["supportedTaxonomies"] = [{"name": "CWE", "index": 0}]
    return driver


def _rule(example: Finding, worst: Severity) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "id": example.rule_id,
        "shortDescription": {"text": example.rule_name or example.rule_id},
        "defaultConfiguration": {"level": _LEVELS[worst]},
        "properties": {
            "tags": ["security", *(f"external/cwe/{cwe.lower()}" for cwe in example.cwe)],
            "security-severity": _SCORES[worst],
        },
    }
    if example.rule_name:
        rule["name"] = example.rule_name
    if example.help_uri:
        rule["helpUri"] = example.help_uri
    return rule


def _result(finding: Finding, rules: Sequence[str], weaknesses: Sequence[str]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.rule_id,
        "ruleIndex": rules.index(finding.rule_id),
        "level": _LEVELS[finding.severity],
        "kind": "fail",
        "baselineState": "new",
        "message": {"text": finding.message},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {
                        "uri": quote(finding.path.encode("utf-8", "surrogateescape")),
                        "uriBaseId": "SRCROOT",
                    },
                    "region": {"startLine": finding.line, "endLine": finding.end_line},
                }
            }
        ],
        "partialFingerprints": {"autopack/v1": finding.fingerprint},
        "properties": {"severity": finding.severity.name.lower()},
    }
    if finding.cwe:
        result["taxa"] = [
            {"id": cwe[4:], "index": weaknesses.index(cwe), "toolComponent": {"name": "CWE", "index": 0}}
            for cwe in finding.cwe
        ]
    return result


def _invocation(report: AnalyzerReport, result: AuditResult, left_out: int) -> dict[str, Any]:
    notes = [*report.notes, *(result.notes if report is result.reports[0] else ())] if result.reports else []
    if left_out:
        notes.append(f"{left_out} more findings were left out of this document")
    notifications = [{"level": "note", "message": {"text": note}} for note in notes]
    notifications += [
        {
            "level": "error",
            "message": {"text": reason.message},
            "descriptor": {"id": reason.code},
        }
        for reason in report.failures
    ]
    if not result.reports:
        notifications += [
            {"level": "error", "message": {"text": reason.message}, "descriptor": {"id": reason.code}}
            for reason in result.reasons
        ]
    invocation: dict[str, Any] = {"executionSuccessful": not report.failures and bool(result.reports)}
    if notifications:
        invocation["toolExecutionNotifications"] = notifications
    return invocation


def _cwe_taxonomy(weaknesses: Sequence[str]) -> dict[str, Any]:
    return {
        "name": "CWE",
        "organization": "MITRE",
        "shortDescription": {"text": "The MITRE Common Weakness Enumeration"},
        "taxa": [
            {
                "id": cwe[4:],
                "helpUri": f"https://cwe.mitre.org/data/definitions/{cwe[4:]}.html",
            }
            for cwe in weaknesses
        ],
    }
