"""What analyzers report and what an audit makes of it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from autopack.errors import Reason


class Severity(IntEnum):
    """How bad; greater is worse."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @classmethod
    def named(cls, name: str) -> "Severity":
        """The severity of a policy's word, as `high`. Raises KeyError for any other word."""
        return cls[name.upper()]


@dataclass(frozen=True, slots=True)
class Detection:
    """One thing that an analyzer saw in one version of a file."""

    analyzer: str
    rule_id: str
    severity: Severity
    message: str
    """Never holds text of the file."""
    path: str
    """Path in the head, also for what was seen in the base."""
    line: int
    """First line, from 1."""
    end_line: int
    """Last line, from 1."""
    evidence: str
    """Normalised text of those lines: what makes it the same detection when lines move. Holds
    secrets, so it never leaves the process."""
    masked_evidence: str
    """The same without the words of literals and without secrets: what fingerprints are made of."""
    cwe: tuple[str, ...] = ()
    rule_name: str = ""
    """The rule in words, as hardcoded-sql-expression."""
    help_uri: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One weakness that the change introduces."""

    analyzer: str
    rule_id: str
    severity: Severity
    message: str
    path: str
    line: int
    end_line: int
    fingerprint: str
    cwe: tuple[str, ...] = ()
    rule_name: str = ""
    help_uri: str = ""

    @property
    def order(self) -> tuple[int, str, int, str, str, str]:
        """Worst first, then by place."""
        return (-self.severity, self.path, self.line, self.analyzer, self.rule_id, self.fingerprint)


@dataclass(frozen=True, slots=True)
class Unread:
    """A file of the change that could not be read, and why: it has not been audited."""

    path: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class AnalyzerReport:
    """What one analyzer did with a change."""

    name: str
    version: str
    files: int
    """Files that it read."""
    seconds: float
    """Wall time."""
    new: tuple[Detection, ...] = ()
    """Seen in the head."""
    old: tuple[Detection, ...] = ()
    """Seen in the base, where the head needs something to be compared with."""
    unread: tuple[Unread, ...] = ()
    """Files that cannot be read by it, whoever tries; a person should."""
    failures: tuple[Reason, ...] = ()
    """Why it could not do its work; with any, the change has not been audited."""
    notes: tuple[str, ...] = ()
    """What it passed over and why, for people."""


def findings_digest(findings: Sequence[Finding]) -> str:
    """SHA-256 over the sorted findings: the same on every machine and in every order of arrival."""
    rows = sorted(
        [item.analyzer, item.rule_id, int(item.severity), item.path, item.line, item.fingerprint]
        for item in findings
    )
    return hashlib.sha256(json.dumps(rows, separators=(",", ":")).encode()).hexdigest()
