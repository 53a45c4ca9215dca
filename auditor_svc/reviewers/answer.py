"""What a reviewer answered, judged strictly: a verdict with findings, or a code for what is wrong with it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from auditor_svc.domain.findings import Severity
from autopack.errors import InvalidInput, Reason
from autopack.text import head, neutralise

MAXIMUM_FINDINGS = 50
_MESSAGE_CHARACTERS = 300
_SEVERITIES = ("low", "medium", "high", "critical")
SCHEMA: Mapping[str, object] = {
    "type": "object",
    "properties": {
        "verdict": {"type": "string", "enum": ["approve", "reject"]},
        "findings": {
            "type": "array",
            "maxItems": MAXIMUM_FINDINGS,
            "items": {
                "type": "object",
                "properties": {
                    "path": {"type": "string"},
                    "line": {"type": "integer"},
                    "severity": {"type": "string", "enum": list(_SEVERITIES)},
                    "message": {"type": "string", "maxLength": _MESSAGE_CHARACTERS},
                },
                "required": ["path", "line", "severity", "message"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["verdict", "findings"],
    "additionalProperties": False,
}
"""JSON schema of the answer, in the subset that servers' strict modes take."""


@dataclass(frozen=True, slots=True)
class Remark:
    """One finding as a reviewer puts it."""

    path: str
    line: int
    severity: Severity
    message: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A reviewer's word in the prescribed form."""

    approves: bool
    remarks: tuple[Remark, ...]


def parse(text: str, lines: Mapping[str, int], *, cut_off: bool) -> Answer:
    """The answer; `lines` has the number of lines of each file of the change.

    Raises InvalidInput REVIEW_CUT_OFF, REVIEW_EMPTY, REVIEW_NOT_JSON, REVIEW_MALFORMED,
    REVIEW_OF_OTHER_FILES, REVIEW_CONTRADICTS_ITSELF.
    """
    if cut_off:
        raise _invalid("REVIEW_CUT_OFF", "the answer was cut off at the token limit")
    if not text.strip():
        raise _invalid("REVIEW_EMPTY", "the answer is empty")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _invalid("REVIEW_NOT_JSON", "the answer is not one JSON document") from error
    if not isinstance(document, dict) or set(document) != {"verdict", "findings"}:
        raise _malformed("it is not an object of `verdict` and `findings`")
    if document["verdict"] not in ("approve", "reject") or not isinstance(document["findings"], list):
        raise _malformed("the verdict is neither approve nor reject, or the findings are no list")
    if len(document["findings"]) > MAXIMUM_FINDINGS:
        raise _malformed(f"it has more than {MAXIMUM_FINDINGS} findings")
    remarks = tuple(_remark(item, lines) for item in document["findings"])
    approves = document["verdict"] == "approve"
    if approves and any(remark.severity >= Severity.HIGH for remark in remarks):
        raise _invalid("REVIEW_CONTRADICTS_ITSELF", "it approves what it finds gravely wrong")
    return Answer(approves, remarks)


def _remark(item: Any, lines: Mapping[str, int]) -> Remark:
    if not isinstance(item, dict) or set(item) != {"path", "line", "severity", "message"}:
        raise _malformed("a finding has other fields than path, line, severity and message")
    path, line, severity, message = item["path"], item["line"], item["severity"], item["message"]
    if (
        not isinstance(path, str)
        or type(line) is not int
        or severity not in _SEVERITIES
        or not isinstance(message, str)
    ):
        raise _malformed("a field of a finding is of another kind")
    if path not in lines:
        raise _invalid("REVIEW_OF_OTHER_FILES", "a finding names a file that the change does not touch")
    return Remark(path, min(max(line, 1), max(lines[path], 1)), Severity.named(severity),
                  head(neutralise(message, one_line=True).strip(), _MESSAGE_CHARACTERS))  # fmt: skip


def _malformed(what: str) -> InvalidInput:
    return _invalid("REVIEW_MALFORMED", f"the answer is not in the prescribed form: {what}")


def _invalid(code: str, message: str) -> InvalidInput:
    return InvalidInput(
        Reason(code, message, "try again; if it stays, choose another reviewer in the policy")
    )
