"""Fingerprints that survive moved lines, and the set difference that they make possible:
what the head has and the base had not.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from auditor_svc.domain.findings import Detection, Finding

_WHITESPACE = re.compile(r"\s+")
_LITERAL = re.compile(r"('''|\"\"\"|'|\"|`)(.*?)\1")
_REGION_LINES = 20
"""Lines of a statement that count: enough for a call over several lines, too few for a class body."""


def evidence(lines: Sequence[str], line: int, end_line: int) -> str:
    """The text of a region without white space: the same after re-indenting and re-wrapping."""
    region = lines[max(line, 1) - 1 : min(max(end_line, line), line + _REGION_LINES - 1)]
    return _WHITESPACE.sub("", "".join(region))


def mask_literals(text: str) -> str:
    """The text with the words of every quoted literal taken out."""
    return _LITERAL.sub(r"\1\1", text)


def introduced(new: Iterable[Detection], old: Iterable[Detection]) -> tuple[Finding, ...]:
    """What the head has and the base had not, however its lines moved, with fingerprints.

    The same rule on the same text counts as often as it occurs: the base's occurrences are
    taken off in the order of lines, and what remains is new.
    """
    known = Counter((item.analyzer, item.rule_id, item.path, item.evidence) for item in old)
    occurrences: Counter[tuple[str, ...]] = Counter()
    fresh = []
    for item in sorted(new, key=_place):
        published = (item.analyzer, item.rule_id, item.path, item.masked_evidence)
        fingerprint = _fingerprint(*published, str(occurrences[published]))
        occurrences[published] += 1
        key = (item.analyzer, item.rule_id, item.path, item.evidence)
        if known[key] > 0:
            known[key] -= 1
        else:
            fresh.append(_finding(item, fingerprint))
    return tuple(fresh)


def _place(item: Detection) -> tuple[str, int, int, str, str]:
    return (item.path, item.line, item.end_line, item.analyzer, item.rule_id)


def _fingerprint(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _finding(item: Detection, fingerprint: str) -> Finding:
    return Finding(
        analyzer=item.analyzer,
        rule_id=item.rule_id,
        severity=item.severity,
        message=item.message,
        path=item.path,
        line=item.line,
        end_line=item.end_line,
        fingerprint=fingerprint,
        cwe=item.cwe,
        rule_name=item.rule_name,
        help_uri=item.help_uri,
    )
