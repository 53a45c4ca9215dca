"""Reads another scanner's SARIF 2.1.0 document: its results on the files of a change become findings."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from auditor_svc.domain.change import ChangedFile, decode
from auditor_svc.domain.findings import AnalyzerReport, Detection, Severity
from auditor_svc.domain.fingerprints import evidence, mask_literals
from autopack.errors import Reason
from autopack.text import head, neutralise

MAXIMUM_BYTES = 20_000_000
_MAXIMUM_RESULTS = 20_000
_LEVELS = {"error": Severity.HIGH, "warning": Severity.MEDIUM, "note": Severity.LOW, "none": Severity.LOW}


def read_sarif(name: str, document: bytes | None, files: Sequence[ChangedFile]) -> AnalyzerReport:
    """One report; a document that is missing or cannot be read is a failure, so nothing has been audited."""
    if document is None:
        return _failed(
            name,
            "SARIF_MISSING",
            "the policy asks for it and the change does not bring it",
            "run the scanner, and commit what it writes",
        )
    try:
        runs = json.loads(document)["runs"]
        changed = {item.path: item for item in files}
        new, old = [], []
        for run in runs:
            rules = {rule["id"]: rule for rule in run["tool"]["driver"].get("rules", ())}
            for invocation in run.get("invocations", ()):
                if invocation.get("executionSuccessful") is False:
                    return _failed(
                        name,
                        "SARIF_OF_A_FAILED_RUN",
                        "the scanner itself says that it failed",
                        "run the scanner again",
                    )
            for result in run.get("results", ())[:_MAXIMUM_RESULTS]:
                for detection, known in _detections(name, result, run, rules, changed):
                    new.append(detection)
                    old += [detection] if known else []
        tools = ", ".join(str(run["tool"]["driver"]["name"]) for run in runs)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        return _failed(
            name,
            "SARIF_INVALID",
            f"it is no SARIF 2.1.0 document ({type(error).__name__})",
            "see what the scanner wrote",
        )
    return AnalyzerReport(f"sarif:{name}", _shown(tools, 100), len(files), 0.0, tuple(new), tuple(old))


def _detections(
    name: str,
    result: Mapping[str, Any],
    run: Mapping[str, Any],
    rules: Mapping[str, Any],
    changed: Mapping[str, ChangedFile],
) -> Iterator[tuple[Detection, bool]]:
    """Each place of a result in a changed file, and whether the base had the same text."""
    if result.get("baselineState") in ("unchanged", "absent") or result.get("kind", "fail") not in (
        "fail",
        "open",
        "review",
    ):
        return
    rule_id = str(result.get("ruleId") or run["tool"]["driver"].get("rules", [])[result["ruleIndex"]]["id"])
    rule = rules.get(rule_id, {})
    properties = rule.get("properties", {})
    for location in result.get("locations", ()):
        physical = location["physicalLocation"]
        path = unquote(urlsplit(physical["artifactLocation"]["uri"]).path).removeprefix("./").lstrip("/")
        item = changed.get(path)
        if item is None:
            continue
        region = physical.get("region", {})
        lines = decode(item.new).split("\n")
        line = min(max(int(region.get("startLine", 1)), 1), len(lines))
        end_line = min(max(int(region.get("endLine", line)), line), len(lines))
        text = evidence(lines, line, end_line)
        before = re.sub(r"\s+", "", decode(item.old)) if item.old else ""
        yield (
            Detection(
                analyzer=f"sarif:{name}",
                rule_id=_shown(rule_id, 200),
                severity=_severity(result, rule),
                message=_shown(str(result.get("message", {}).get("text", "")), 500) or "a finding",
                path=path,
                line=line,
                end_line=end_line,
                evidence=text,
                masked_evidence=mask_literals(text),
                cwe=tuple(
                    f"CWE-{tag.lower().rpartition('cwe-')[2].lstrip('0')}"
                    for tag in properties.get("tags", ())
                    if re.fullmatch(r"(?i)external/cwe/cwe-\d+", tag)
                ),
            ),
            bool(text) and text in before,
        )


def _severity(result: Mapping[str, Any], rule: Mapping[str, Any]) -> Severity:
    """By GitHub's `security-severity` where the rule has one, else by level."""
    score = rule.get("properties", {}).get("security-severity")
    if score is not None:
        number = float(score)
        return (
            Severity.CRITICAL
            if number >= 9
            else Severity.HIGH
            if number >= 7
            else Severity.MEDIUM
            if number >= 4
            else Severity.LOW
        )
    level = result.get("level") or rule.get("defaultConfiguration", {}).get("level", "warning")
    return _LEVELS[level]


def _failed(name: str, code: str, message: str, fix: str) -> AnalyzerReport:
    return AnalyzerReport(
        f"sarif:{name}", "", 0, 0.0, failures=(Reason(code, f"{name}: {message}", fix, name),)
    )


def _shown(text: str, limit: int) -> str:
    return head(neutralise(text, one_line=True).strip(), limit)
