"""What joins an audit from outside: other scanners' documents, and suppressions that a person answers for."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from auditor_svc.domain.audit import AuditRules, conclude
from auditor_svc.domain.change import Change, ChangedFile
from auditor_svc.domain.findings import AnalyzerReport, Severity
from auditor_svc.domain.recommendation import Outcome
from auditor_svc.domain.sarif import to_sarif
from auditor_svc.domain.sarif_in import read_sarif
from auditor_svc.domain.suppressions import Suppression
from autopack.errors import InvalidInput
from autopack.policy.policy import load_policy

FILES = (ChangedFile("a b.py", b"one\ntwo\nthree\n", "a b.py", b"one\nthree\n"),)
CHANGE = Change("b" * 40, "h" * 40, FILES)
FAILED = b'{"runs": [{"tool": {"driver": {"name": "x"}}, "invocations": [{"executionSuccessful": false}]}]}'
CLEAN = AnalyzerReport("bandit", "1", 1, 0.0)


def document(line: int = 2, uri: str = "a%20b.py", **result: object) -> bytes:
    place = {"physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": line}}}
    rule = {"id": "R1", "properties": {"security-severity": "8.1", "tags": ["external/cwe/cwe-089"]}}
    found = {"ruleId": "R1", "message": {"text": "bad\x1b[2J"}, "locations": [place], **result}
    return json.dumps(
        {
            "version": "2.1.0",
            "runs": [{"tool": {"driver": {"name": "their", "rules": [rule]}}, "results": [found]}],
        }
    ).encode()


def audited(data: bytes | None) -> Any:
    return conclude(CHANGE, [CLEAN, read_sarif("scan.sarif", data, FILES)], AuditRules(Severity.HIGH, False))


def test_another_scanners_result_joins_in() -> None:
    result = audited(document())
    assert result.outcome is Outcome.REVISE
    (found,) = result.findings
    assert (found.analyzer, found.rule_id, found.path, found.line) == ("sarif:scan.sarif", "R1", "a b.py", 2)
    assert (found.severity, found.cwe) == (Severity.HIGH, ("CWE-89",))
    assert found.message.isprintable()


def test_what_the_base_had_already_is_not_new() -> None:
    assert audited(document(line=3)).outcome is Outcome.APPROVE
    assert audited(document(baselineState="unchanged")).outcome is Outcome.APPROVE


def test_results_on_other_files_do_not_count() -> None:
    assert audited(document(uri="b.py")).outcome is Outcome.APPROVE


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (None, "SARIF_MISSING"),
        (b"", "SARIF_INVALID"),
        (b"{}", "SARIF_INVALID"),
        (b'{"runs": [{}]}', "SARIF_INVALID"),
        (FAILED, "SARIF_OF_A_FAILED_RUN"),
    ],
)  # fmt: skip
def test_a_document_that_cannot_be_used_is_no_audit(data: bytes | None, code: str) -> None:
    result = audited(data)
    assert result.outcome is Outcome.NOT_REVIEWED
    assert result.reasons[0].code == code


def test_our_own_document_can_be_read_back(detection: Callable[..., Any]) -> None:
    report = AnalyzerReport("bandit", "1", 1, 0.0, (detection(path="a b.py", line=2, end_line=2),))
    written = to_sarif(conclude(CHANGE, [report], AuditRules(Severity.HIGH, False)))
    (found,) = read_sarif("ours", written, FILES).new
    assert (found.rule_id, found.path, found.line, found.severity) == ("B307", "a b.py", 2, Severity.MEDIUM)


def suppressed(
    detection: Callable[..., Any], today: str, rule: str = "bandit:B307", path: str = "a b.py"
) -> Any:
    entry = Suppression(rule, lambda each: each == path, "the input is a constant", "Ann", "2027-01-31")
    report = AnalyzerReport("bandit", "1", 1, 0.0, (detection(path="a b.py", severity=Severity.HIGH),))
    return conclude(CHANGE, [report], AuditRules(Severity.HIGH, False, (entry,), today))


def test_a_suppression_holds_on_its_last_day_and_is_on_record(detection: Callable[..., Any]) -> None:
    result = suppressed(detection, "2027-01-31")
    assert result.outcome is Outcome.APPROVE
    assert "the input is a constant" in to_sarif(result).decode()


@pytest.mark.parametrize("changed", [{"today": "2027-02-01"}, {"rule": "bandit:B308"}, {"path": "other.py"}])
def test_a_suppression_covers_nothing_else(detection: Callable[..., Any], changed: dict[str, str]) -> None:
    assert suppressed(detection, **{"today": "2027-01-01", **changed}).outcome is Outcome.REVISE


ENTRY = {
    "rule": "bandit:B307",
    "paths": "[a.py]",
    "reason": "the input is a constant",
    "owner": "Ann",
    "expires": "'2027-01-31'",
}


def written(**entry: str) -> str:
    fields = ", ".join(f"{name}: {value}" for name, value in entry.items())
    return f"version: 1\naudit:\n  suppressions:\n    - {{{fields}}}\n"


def test_a_suppression_is_read_from_the_policy() -> None:
    (found,) = load_policy(written(**ENTRY)).audit.suppressions
    assert (found.owner, found.expires) == ("Ann", "2027-01-31")


@pytest.mark.parametrize("missing", ["reason", "owner", "expires", "paths", "rule"])
def test_a_suppression_needs_all_its_parts(missing: str) -> None:
    with pytest.raises(InvalidInput):
        load_policy(written(**{name: value for name, value in ENTRY.items() if name != missing}))


def test_a_suppression_for_ever_is_refused() -> None:
    with pytest.raises(InvalidInput):
        load_policy(written(**{**ENTRY, "expires": "never"}))
