"""The secret scanner: detect-secrets' detectors and our own formats over text, ignoring every pragma
and file filter that a repository could set. Values stay here; only their places leave.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.filters import heuristic
from detect_secrets.plugins.base import BasePlugin, RegexBasedDetector
from detect_secrets.plugins.cloudant import CloudantDetector
from detect_secrets.plugins.high_entropy_strings import HighEntropyStringsPlugin
from detect_secrets.plugins.ibm_cloud_iam import IbmCloudIamDetector
from detect_secrets.plugins.ibm_cos_hmac import IbmCosHmacDetector
from detect_secrets.plugins.keyword import KeywordDetector
from detect_secrets.plugins.softlayer import SoftlayerDetector

from auditor_svc.worker import secret_rules

_LEFT_OUT = {"ArtifactoryDetector", "IPPublicDetector", "PrivateKeyDetector"}
"""Words that begin with AP; no secret; and a key's first line alone: what is worth having of them is ours."""
_PLUGINS: Iterable[type[BasePlugin]] = get_mapping_from_secret_type_to_class().values()
_DETECTORS = [
    plugin() for plugin in sorted(_PLUGINS, key=lambda it: it.__name__) if plugin.__name__ not in _LEFT_OUT
]
_NAMED = re.compile(r"(?i)key|pw|pass|secret|token|contrase|://")
"""What a line needs for the detectors that go by a name; they are the slow ones."""
_BY_NAME = (
    CloudantDetector,
    IbmCloudIamDetector,
    IbmCosHmacDetector,
    KeywordDetector,
    SoftlayerDetector,
)
_RANDOM = re.compile(r"['\"][A-Za-z0-9+/=_-]{20,}['\"]")
"""What a line needs for the detectors that go by entropy alone."""
_WINDOW = 4000
"""Characters that patterns see at once: some are quadratic in a line's length."""
_OVERLAP = 500


def scan(path: str, lines: Sequence[str], wanted: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """Secrets on the wanted lines: the last `wanted[line]` occurrences of each."""
    screen = _Screen("\n".join(window for line in wanted for window in _windows(line)))
    remaining = dict(wanted)
    seen: dict[str, list[dict[str, Any]]] = {}
    for number in range(len(lines), 0, -1):
        line = lines[number - 1]
        if not remaining.get(line):
            continue
        remaining[line] -= 1
        if line not in seen:
            seen[line] = list(_scan_line(path, line, screen))
        for detection in seen[line]:
            yield {**detection, "line": number}


class _Screen:
    """The patterns that match anywhere in a text: most texts have none, and none is tried on each line."""

    def __init__(self, text: str) -> None:
        lower = text.lower()
        self.tokens = [
            (rule, pattern)
            for rule, (words, pattern) in secret_rules.TOKENS.items()
            if any(word in lower for word in words) and pattern.search(text)
        ]
        self.detectors = [
            detector
            for detector in _DETECTORS
            if isinstance(detector, RegexBasedDetector)
            and not isinstance(detector, _BY_NAME)
            and any(pattern.search(text) for pattern in detector.denylist)
        ]

    def choose(self, line: str) -> Iterator[BasePlugin]:
        """The detectors that are worth trying on a line of the text."""
        yield from self.detectors
        named, random = _NAMED.search(line), _RANDOM.search(line)
        for detector in _DETECTORS:
            if (named and isinstance(detector, _BY_NAME)) or (
                random and isinstance(detector, HighEntropyStringsPlugin)
            ):
                yield detector


def scan_private_keys(text: str) -> Iterator[dict[str, Any]]:
    """Private keys in the whole text: one is many lines, or one with escapes."""
    for match in secret_rules.PRIVATE_KEY.finditer(text):
        body = re.sub(r"\\n|\\r|[\s\"'+,]", "", match["body"])
        if not re.search(r"[A-Za-z0-9+/=]{40}", body):
            continue
        first = text.count("\n", 0, match.start()) + 1
        yield {
            "rule": "private-key",
            "name": "private-key",
            "severity": ["strong"],
            "message": "A private key",
            "line": first,
            "end_line": first + match[0].count("\n"),
            "cwe": ["CWE-321"],
        }


def _windows(line: str) -> Iterator[str]:
    for start in range(0, max(len(line) - _OVERLAP, 1), _WINDOW - _OVERLAP):
        yield line[start : start + _WINDOW]


def _scan_line(path: str, line: str, screen: _Screen) -> Iterator[dict[str, Any]]:
    values: dict[str, set[str]] = {}
    for window in _windows(line):
        for rule, value in _candidates(path, window, screen):
            values.setdefault(rule, set()).add(value)
    for rule, value in sorted(_most_specific(values)):
        yield {
            "rule": rule,
            "name": rule,
            "severity": [secret_rules.likeness(rule, value)],
            "message": f"{rule.replace('-', ' ').capitalize()} ({len(value)} characters)",
            "spans": _spans(line, value),
            "cwe": ["CWE-798"],
        }


def _candidates(path: str, line: str, screen: _Screen) -> Iterator[tuple[str, str]]:
    for rule, pattern in screen.tokens:
        for match in pattern.finditer(line):
            if secret_rules.is_credential(rule, match[1]):
                yield rule, match[1]
    for detector in screen.choose(line):
        rule = re.sub(r"[^a-z0-9]+", "-", detector.secret_type.lower()).strip("-")
        for secret in detector.analyze_line(filename=path, line=line):
            if secret.secret_value and _plausible(rule, secret.secret_value, line):
                yield rule, secret.secret_value


def _plausible(rule: str, value: str, line: str) -> bool:
    """detect-secrets' own heuristics on a value, where they cannot hide a provider's token."""
    if heuristic.is_not_alphanumeric_string(value) or heuristic.is_templated_secret(value):
        return False
    if rule in secret_rules.GENERIC:
        return not (
            len(value) < 20
            or secret_rules.CHECKSUM.search(line)
            or heuristic.is_potential_uuid(value)
            or heuristic.is_sequential_string(value)
            or heuristic.is_likely_id_string(value, line)
        )
    if rule == "secret-keyword":
        return not (
            len(value) < 4
            or heuristic.is_prefixed_with_dollar_sign(value)
            or heuristic.is_indirect_reference(line)
        )
    return True


def _most_specific(values: Mapping[str, set[str]]) -> set[tuple[str, str]]:
    """One rule a value: a provider's format before a name before mere randomness."""
    ranked = sorted(
        ((rule, value) for rule in values for value in values[rule]),
        key=lambda pair: (pair[0] in secret_rules.GENERIC, pair[0] in secret_rules.BY_NAME, pair),
    )
    kept: list[tuple[str, str]] = []
    for rule, value in ranked:
        if rule in (*secret_rules.GENERIC, *secret_rules.BY_NAME):
            if any(value in other or other in value for _, other in kept):
                continue
        elif any(rule == kept_rule and value in other for kept_rule, other in kept):
            continue
        kept.append((rule, value))
    return set(kept)


def _spans(line: str, value: str) -> list[list[int]]:
    spans, position = [], line.find(value)
    while position >= 0:
        spans.append([position, position + len(value)])
        position = line.find(value, position + len(value))
    return spans
